//! `magpie review`: decide about titles that quality control flagged.

use crate::connect::{Connection, explain};
use crate::exit::Exit;
use crate::listing;
use crate::printer::Printer;
use crate::show;
use clap::Subcommand;
use proto::v1::{ListJobsRequest, ReviewJobRequest};

/// Most titles that are listed: more than people answer for in a day.
const LISTED_MAX: u32 = 500;

/// Arguments of `magpie review`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the titles that wait.
    List,
    /// Publish a flagged title.
    Approve(Answer),
    /// Refuse a flagged title.
    Reject(Answer),
}

#[derive(Debug, clap::Args)]
struct Answer {
    /// The job.
    job: String,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    comment: String,
}

/// Lists what waits, or answers.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let mut client = args.connection.client()?;
    let (answer, verb) = match args.verb {
        Verb::List => {
            let request = ListJobsRequest {
                phases: vec!["review".to_owned()],
                ..Default::default()
            };
            let jobs = listing::jobs(&mut client, request, LISTED_MAX).await?;
            show::jobs(printer, &jobs, "no title waits for a review")?;
            return Ok(Exit::Success);
        }
        Verb::Approve(answer) => (answer, "approve"),
        Verb::Reject(answer) => (answer, "reject"),
    };
    let request = ReviewJobRequest {
        id: answer.job,
        answer: verb.to_owned(),
        comment: answer.comment,
    };
    let job = client
        .review_job(request)
        .await
        .map_err(|s| explain(&s))?
        .into_inner();
    show::job(printer, &job)?;
    Ok(Exit::Success)
}
