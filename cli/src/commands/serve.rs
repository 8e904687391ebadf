//! `magpie serve`: serve what was published into a folder, with a page that plays it.

use crate::exit::{Exit, usage};
use crate::farm::listen::{http_address, serve_http};
use crate::printer::Printer;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use storage::Storage;
use tokio_util::sync::CancellationToken;

/// Arguments of `magpie serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that was given to `magpie run --out`.
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
        usage(format!("{}: {e}", folder.display()), "name the folder of `magpie run --out`")
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
    printer.note(&format!("watch at http://{}/{page} (Ctrl-C ends)", listener.local_addr()?));
    let stop = CancellationToken::new();
    let interrupted = stop.clone();
    tokio::spawn(async move {
        // Without a handler Ctrl-C ends the process at once, which is as good here.
        let _ = tokio::signal::ctrl_c().await;
        interrupted.cancel();
    });
    serve_http(listener, dashboard::titles(storage.clone()), stop).await?;
    Ok(Exit::Success)
}
