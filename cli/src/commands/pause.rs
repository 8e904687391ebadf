//! `magpie pause` and `magpie resume`: hold a job where it is, and let it go on.

use crate::connect::{Connection, explain};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::show;
use proto::v1::{PauseJobRequest, ResumeJobRequest};

/// Arguments of `magpie pause` and `magpie resume`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// The job.
    job: String,
}

/// Holds the job: what is under way ends at the next segment.
pub async fn pause(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let request = PauseJobRequest { id: args.job };
    let answer = args.connection.client()?.pause_job(request).await;
    show::job(printer, &answer.map_err(|s| explain(&s))?.into_inner())?;
    Ok(Exit::Success)
}

/// Lets the job go on.
pub async fn resume(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let request = ResumeJobRequest { id: args.job };
    let answer = args.connection.client()?.resume_job(request).await;
    show::job(printer, &answer.map_err(|s| explain(&s))?.into_inner())?;
    Ok(Exit::Success)
}
