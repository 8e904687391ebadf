//! `magpie jobs`: list jobs, or show one.

use crate::connect::{Connection, explain};
use crate::exit::Exit;
use crate::listing;
use crate::printer::Printer;
use crate::show;
use crate::summary;
use proto::v1::{GetCapacityRequest, GetJobRequest, ListJobsRequest};

/// Arguments of `magpie jobs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// Show this job with its tasks instead of a list.
    job: Option<String>,
    /// Jobs of one tenant only.
    #[arg(long)]
    tenant: Option<String>,
    /// Jobs of one title only.
    #[arg(long)]
    title: Option<String>,
    /// Jobs in this phase only; may be given several times.
    #[arg(long)]
    phase: Vec<String>,
    /// How many jobs at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Lists jobs, newest first.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let mut client = args.connection.client()?;
    if let Some(id) = args.job {
        let answer = client
            .get_job(GetJobRequest { id })
            .await
            .map_err(|s| explain(&s))?;
        summary::print(printer, &answer.into_inner(), None)?;
        return Ok(Exit::Success);
    }
    let is_filtered = args.tenant.is_some() || args.title.is_some() || !args.phase.is_empty();
    let request = ListJobsRequest {
        tenant: args.tenant.unwrap_or_default(),
        title: args.title.unwrap_or_default(),
        phases: args.phase,
        ..Default::default()
    };
    let jobs = listing::jobs(&mut client, request, args.limit).await?;
    let none = match is_filtered {
        true => "no job fits",
        false => "there are no jobs; give the farm one with `magpie submit`",
    };
    show::jobs(printer, &jobs, none)?;
    let capacity = client
        .get_capacity(GetCapacityRequest {})
        .await
        .map_err(|s| explain(&s))?;
    let left = capacity.into_inner().to_recover;
    if left > 0 {
        printer.note(&format!(
            "recovering {left}: jobs in storage that may be missing here"
        ));
    }
    Ok(Exit::Success)
}
