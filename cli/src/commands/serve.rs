//! `magpie serve`: serve what was published into a folder, with a page that plays it.

use crate::exit::{Exit, usage};
use crate::farm::listen::{http_address, serve_http};
use crate::farm::signals;
use crate::printer::Printer;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use storage::Storage;

/// Arguments of `magpie serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that was given to `magpie run --out`. Links that lead out of its titles are not followed.
    folder: PathBuf,
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:7480", value_name = "ADDRESS")]
    listen: SocketAddr,
}

/// Serves until it is interrupted.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let storage = open(&args.folder)?;
    serve(&storage, args.listen, None, printer).await
}

/// Opens a folder that must be there.
fn open(folder: &Path) -> anyhow::Result<Storage> {
    let path = std::fs::canonicalize(folder).map_err(|e| {
        usage(
            format!("{}: {e}", folder.display()),
            "name the folder of `magpie run --out`",
        )
    })?;
    Ok(Storage::open(&path.to_string_lossy())?)
}

/// Serves the titles of a storage until it is interrupted.
pub async fn serve(
    storage: &Storage,
    address: SocketAddr,
    title: Option<&str>,
    printer: Printer,
) -> anyhow::Result<Exit> {
    let listener = http_address(address).await?;
    let page = title.map_or_else(String::new, |title| format!("watch/{title}"));
    printer.note(&format!(
        "watch at http://{}/{page} (Ctrl-C ends)",
        listener.local_addr()?
    ));
    serve_http(
        listener,
        dashboard::titles(storage.clone()),
        signals::stop()?,
    )
    .await?;
    Ok(Exit::Success)
}
