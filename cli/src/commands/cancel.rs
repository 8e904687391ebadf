//! `magpie cancel`: end a job.

use crate::connect::{Connection, explain};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::show;
use proto::v1::CancelJobRequest;

/// Arguments of `magpie cancel`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// The job.
    job: String,
}

/// Ends the job; ending one that has ended changes nothing.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let mut client = args.connection.client()?;
    let request = CancelJobRequest { id: args.job };
    let job = client
        .cancel_job(request)
        .await
        .map_err(|s| explain(&s))?
        .into_inner();
    show::job(printer, &job)?;
    Ok(Exit::Success)
}
