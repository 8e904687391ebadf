//! `magpie watch`: follow a job to its end. A lost connection is taken up again, because schedulers are
//! restarted while jobs run.

use crate::connect::{Client, Connection, explain};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::summary;
use model::job::Phase;
use proto::v1::{GetJobRequest, JobDetail};
use std::time::Duration;

/// Reconnects in a row before giving up, one second apart.
const RECONNECTS_MAX: u32 = 30;

/// Arguments of `magpie watch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// The job.
    job: String,
}

/// Follows the job and prints what came of it.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let mut client = args.connection.client()?;
    let detail = follow(&mut client, &args.job, printer).await?;
    summary::print(printer, &detail, None)
}

/// Follows a job until nothing more happens by itself: a final phase, or a review.
pub async fn follow(client: &mut Client, job: &str, printer: Printer) -> anyhow::Result<JobDetail> {
    let mut progress = Progress::new(printer);
    let mut failures = 0;
    loop {
        let request = GetJobRequest { id: job.to_owned() };
        let status = match client.watch_job(request).await {
            Ok(answer) => {
                let mut stream = answer.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(detail)) => {
                            failures = 0;
                            progress.update(&detail);
                            if settled(&detail) {
                                progress.finish();
                                return Ok(detail);
                            }
                        }
                        Ok(None) => break tonic::Status::unavailable("the scheduler hung up"),
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        failures += 1;
        if status.code() != tonic::Code::Unavailable || failures > RECONNECTS_MAX {
            return Err(explain(&status));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Whether a job waits for a person or has ended.
pub fn settled(detail: &JobDetail) -> bool {
    let phase = detail
        .job
        .as_ref()
        .and_then(|job| job.phase.parse::<Phase>().ok());
    phase.is_some_and(|phase| phase.is_final() || phase == Phase::Review)
}
