//! `magpie dlq`: chunks that will not succeed without a person.

use crate::connect::{Client, Connection, explain};
use crate::exit::{Exit, usage};
use crate::printer::Printer;
use crate::show;
use clap::Subcommand;
use proto::v1::{DeadChunk, DropDeadChunkRequest, ListDeadChunksRequest, RetryDeadJobRequest};

/// Arguments of `magpie dlq`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the chunks.
    List,
    /// Show every attempt of a chunk with its evidence.
    Show {
        /// The chunk, as `dlq list` names it.
        chunk: String,
    },
    /// Queue the dead chunks of a job again.
    Retry {
        /// The job.
        job: String,
    },
    /// Remove a chunk from the list; its job stays failed.
    Drop {
        /// The chunk, as `dlq list` names it.
        chunk: String,
    },
}

/// Looks at the DLQ or acts on it.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let mut client = args.connection.client()?;
    match args.verb {
        Verb::List => show::dead_chunks(printer, &list(&mut client).await?)?,
        Verb::Show { chunk } => {
            let all = list(&mut client).await?;
            let Some(found) = all.iter().find(|one| one.id == chunk) else {
                return Err(usage(
                    format!("{chunk} is not in the DLQ"),
                    "see `magpie dlq list`",
                ));
            };
            show::dead_chunk(printer, found)?;
        }
        Verb::Retry { job } => {
            let answer = client.retry_dead_job(RetryDeadJobRequest { job }).await;
            show::job(printer, &answer.map_err(|s| explain(&s))?.into_inner())?;
        }
        Verb::Drop { chunk } => {
            let request = DropDeadChunkRequest { id: chunk.clone() };
            client
                .drop_dead_chunk(request)
                .await
                .map_err(|s| explain(&s))?;
            printer.note(&format!("{chunk} was removed from the DLQ"));
        }
    }
    Ok(Exit::Success)
}

async fn list(client: &mut Client) -> anyhow::Result<Vec<DeadChunk>> {
    let answer = client.list_dead_chunks(ListDeadChunksRequest {}).await;
    Ok(answer.map_err(|s| explain(&s))?.into_inner().chunks)
}
