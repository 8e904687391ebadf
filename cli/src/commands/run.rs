//! `magpie run`: process a file on this machine, with no service to install. Running it again takes up
//! what was interrupted, and finds what is already published.

use crate::commands::node::WorkerArgs;
use crate::commands::submit::{TitleArgs, absolute, request};
use crate::exit::{Exit, usage};
use crate::farm::in_process::{Config, Farm, node_id, open_folder};
use crate::farm::signals;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::summary::{self, Extra};
use clap::ValueEnum;
use model::job::{Phase, ReviewAnswer};
use model::plan::{BuildIds, Plan};
use model::{JobId, TaskId, TaskName, layout};
use node_agent::Event;
use scheduler::{Handle, JobDetail, Submission};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use storage::{SourceRoots, Storage};

/// Tries of one title in one folder; each left a job behind.
const TRIES_MAX: u32 = 100;

/// Distance of two looks at the job.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Its own node starts a moment after the job is accepted; waits shorter than this are no news.
const WAIT_IS_NEWS: Duration = Duration::from_secs(3);

/// Arguments of `magpie run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The source.
    file: PathBuf,
    #[command(flatten)]
    title: TitleArgs,
    /// Folder for everything that is made.
    #[arg(long, default_value = "magpie-out", value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    worker: WorkerArgs,
    /// Make a new version even if this source was published with this profile before.
    #[arg(long)]
    again: bool,
    /// Answer for the person if quality control flags the title.
    #[arg(long, value_name = "ANSWER")]
    review: Option<Review>,
    /// Keep serving a page that plays the title.
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:7480")]
    serve: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Review {
    Approve,
    Reject,
}

/// Runs the farm until the job waits for a person or has ended.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let source = absolute(&args.file.to_string_lossy())?;
    if !source.is_file() {
        return Err(usage(
            format!("{} is not a file", source.display()),
            "name a file",
        ));
    }
    let folder = open_folder(&args.out)?;
    let storage = folder.storage.clone();
    let submission = submission(&args, &source)?;
    let shutdown = signals::drain_then_kill()?;
    let mut node = node_agent::Config::new(node_id(), SourceRoots::default());
    args.worker.apply(&mut node);
    let builds = node_agent::node_info(&node)?.builds;
    let progress = Arc::new(parking_lot::Mutex::new(
        Progress::new(printer).patient(WAIT_IS_NEWS),
    ));
    let drawn = Arc::clone(&progress);
    let config = Config {
        storage: storage.clone(),
        roots: roots(&submission)?,
        node,
        observer: Arc::new(move |event: Event| drawn.lock().observe(&event)),
    };
    let start = Instant::now();
    let mut farm = Farm::start(config, shutdown.clone()).await?;
    let job = accept(&farm.handle, &storage, submission, &builds).await?;
    let handle = farm.handle.clone();
    let followed = tokio::select! {
        followed = follow(&handle, &job, args.review, &progress) => followed.map(Some),
        ended = farm.ended() => ended.map(|()| None),
    };
    progress.lock().finish();
    let detail = match followed? {
        Some(detail) => detail,
        None => {
            printer.error("interrupted; run the same command again to go on");
            return Ok(Exit::Failed);
        }
    };
    let elapsed = start.elapsed();
    farm.stop().await?;
    let exit = conclude(printer, &storage, &detail, elapsed).await?;
    match (args.serve, detail.job.phase) {
        (Some(address), Phase::Published) => {
            let title = detail.job.title.as_str();
            super::serve::serve(&storage, address, Some(title), printer).await
        }
        _ => Ok(exit),
    }
}

/// The submission of a file. The key is made of what decides the output, so that the same command finds
/// its job again and a changed file is a new one.
fn submission(args: &Args, source: &Path) -> anyhow::Result<Submission> {
    let request = request(&source.to_string_lossy(), &args.title)?;
    let meta = source.metadata()?;
    let changed = meta
        .modified()?
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let decides = format!(
        "{}\0{}\0{}\0{}\0{}\0{}\0{:?}",
        request.source_url,
        meta.len(),
        changed.as_nanos(),
        request.title,
        request.profile,
        request.profile_toml,
        args.title.subtitles,
    );
    let again = if args.again {
        format!("\0{:?}", std::time::SystemTime::now())
    } else {
        String::new()
    };
    let key = hex::encode(Sha256::digest(decides + &again));
    let mut submission = Submission::from(request);
    submission.idempotency_key = key;
    Ok(submission)
}

/// The folders of the source and of the files beside it, and no others.
fn roots(submission: &Submission) -> anyhow::Result<SourceRoots> {
    let sidecars = submission
        .sidecars
        .iter()
        .map(|sidecar| sidecar.url.as_str());
    let urls = std::iter::once(submission.source_url.as_str()).chain(sidecars);
    let folders: Vec<String> = urls
        .filter_map(|url| url::Url::parse(url).ok()?.to_file_path().ok())
        .filter_map(|path| Some(path.parent()?.to_string_lossy().into_owned()))
        .collect();
    Ok(SourceRoots::new(folders.iter().map(String::as_str))?)
}

/// Submits, or finds the job of an earlier run. One that failed is tried anew, and so is one whose plan
/// pins builds that this program, the only node, has no longer: every try has a key of its own, made
/// from the number of tries before it.
async fn accept(
    handle: &Handle,
    storage: &Storage,
    submission: Submission,
    builds: &BuildIds,
) -> anyhow::Result<JobId> {
    for attempt in 0..TRIES_MAX {
        let mut submission = submission.clone();
        if attempt > 0 {
            submission.idempotency_key += &format!("-{attempt}");
        }
        let known = handle.submitted(&submission).await.map_err(explain)?;
        let goes_on = match &known {
            Some(job) => match ended_before(storage, job).await? {
                Some(phase) => phase == Phase::Published,
                None => is_planned_for(storage, job, builds).await?,
            },
            None => true,
        };
        if goes_on {
            return Ok(handle.submit(&submission).await.map_err(explain)?.job.id);
        }
    }
    Err(usage(
        format!("this title has failed {TRIES_MAX} times in this folder"),
        "start in an empty folder with --out",
    ))
}

/// The phase in which a job ended in an earlier run.
async fn ended_before(storage: &Storage, job: &JobId) -> anyhow::Result<Option<Phase>> {
    let report: Option<model::catalog::Report> = storage.find_json(&layout::report(job)).await?;
    Ok(report.map(|report| report.job.phase))
}

/// Whether nothing but these builds is needed to go on with a job.
async fn is_planned_for(storage: &Storage, job: &JobId, builds: &BuildIds) -> anyhow::Result<bool> {
    let plan: Option<Plan> = storage.find_json(&layout::plan(job)).await?;
    Ok(plan.is_none_or(|plan| plan.builds == *builds))
}

fn explain(error: scheduler::Error) -> anyhow::Error {
    match &error {
        scheduler::Error::Rejected { .. } => usage(error.to_string(), "see `magpie run --help`"),
        _ => error.into(),
    }
}

/// Looks at the job until it waits for a person or has ended.
async fn follow(
    handle: &Handle,
    job: &JobId,
    review: Option<Review>,
    progress: &parking_lot::Mutex<Progress>,
) -> anyhow::Result<JobDetail> {
    let mut seen = None;
    let mut waits = None;
    loop {
        let record = handle.job(job).await?;
        // A wait that goes on changes nothing in the job.
        let is_due = waits.is_some_and(|since: Instant| since.elapsed() >= WAIT_IS_NEWS);
        if seen != Some(record.version) || is_due {
            seen = Some(record.version);
            let detail = handle.detail(job).await?;
            waits = (!detail.waiting_for.is_empty()).then(Instant::now);
            progress.lock().update(&proto::v1::JobDetail::from(&detail));
            match (detail.job.phase, review) {
                (Phase::Review, Some(review)) => {
                    let answer = match review {
                        Review::Approve => ReviewAnswer::Approve,
                        Review::Reject => ReviewAnswer::Reject,
                    };
                    handle
                        .review(job, answer, "given on the command line")
                        .await?;
                }
                (Phase::Review, None) => return Ok(detail),
                (phase, _) if phase.is_final() => return Ok(detail),
                _ => {}
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn conclude(
    printer: Printer,
    storage: &Storage,
    detail: &JobDetail,
    elapsed: Duration,
) -> anyhow::Result<Exit> {
    let name = TaskName::new("package").expect("a constant identifier");
    let package = layout::task_result(&TaskId::new(detail.job.id.clone(), name));
    let extra = Extra {
        package: storage.find_json(&package).await?,
        elapsed_seconds: elapsed.as_secs_f64(),
        folder: storage
            .local_root()
            .map(|root| root.to_string_lossy().into_owned()),
    };
    summary::print(printer, &proto::v1::JobDetail::from(detail), Some(&extra))
}
