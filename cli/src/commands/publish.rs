//! `magpie publish`: list what is published, or roll a title back.

use crate::connect::{Connection, explain};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::show;
use clap::Subcommand;
use proto::v1::{GetTitleRequest, ListTitlesRequest, RollbackTitleRequest};

/// Arguments of `magpie publish`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List published titles, or show one.
    List {
        /// The title.
        title: Option<String>,
    },
    /// Point a title to a version that was published before.
    Rollback {
        /// The title.
        title: String,
        /// The version.
        #[arg(id = "number", value_name = "VERSION")]
        version: u32,
    },
}

/// Lists what is published, or rolls back.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let mut client = args.connection.client()?;
    let titles = match args.verb {
        Verb::List { title: None } => {
            let answer = client.list_titles(ListTitlesRequest {}).await;
            answer.map_err(|s| explain(&s))?.into_inner().titles
        }
        Verb::List { title: Some(title) } => {
            let answer = client.get_title(GetTitleRequest { title }).await;
            vec![answer.map_err(|s| explain(&s))?.into_inner()]
        }
        Verb::Rollback { title, version } => {
            let answer = client
                .rollback_title(RollbackTitleRequest { title, version })
                .await;
            vec![answer.map_err(|s| explain(&s))?.into_inner()]
        }
    };
    show::titles(printer, &titles)?;
    Ok(Exit::Success)
}
