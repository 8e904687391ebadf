//! A hundred thousand queued jobs: what submitting and looking costs before and after, what scheduler and
//! Redis hold of them, how soon an urgent job starts, and what is said when no more are taken.

use crate::farm::{Farm, request};
use crate::load::Spread;
use crate::process::{load_average, memory_kib};
use crate::say;
use crate::urgent::{self, Urgent};
use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use proto::v1;
use proto::v1::farm_service_client::FarmServiceClient;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;
use tonic::Code;
use tonic::transport::Channel;

/// Sources of their own: the first jobs keep a node busy with them. All others have the last.
const BUSY: u32 = 16;

/// Looks of each kind.
const LOOKS: u32 = 200;

/// What is run.
#[derive(Debug, Clone, Copy, Serialize, clap::Args)]
pub struct Options {
    /// Jobs that wait.
    #[arg(long, default_value_t = 100_000)]
    pub jobs: u32,
    /// Submissions at a time, but for the first and the last 1,000.
    #[arg(long, default_value_t = 32)]
    pub at_once: u32,
    /// Slots of the node that joins.
    #[arg(long, default_value_t = 2)]
    pub slots: u32,
    /// Length of the sources in seconds.
    #[arg(long, default_value_t = 30)]
    pub clip_seconds: u32,
}

impl Options {
    /// Submissions one after the other at the start, and as many at the end.
    fn ends(&self) -> u32 {
        1_000.min(self.jobs / 4)
    }
}

/// What scheduler and Redis hold.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Memory {
    /// Resident memory of the scheduler.
    pub scheduler_kib: u64,
    /// The most that it ever was.
    pub scheduler_peak_kib: u64,
    /// What Redis counts as used.
    pub redis_bytes: u64,
    /// Resident memory of Redis.
    pub redis_resident_bytes: u64,
}

/// What looking costs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Looks {
    /// Jobs that there were.
    pub jobs: u32,
    /// One job with its tasks.
    pub get: Spread,
    /// The 50 newest jobs.
    pub list: Spread,
    /// Jobs of a title that nobody has: the look goes over all.
    pub list_all: Spread,
    /// How much there is to do.
    pub capacity: Spread,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Backlog {
    /// What was asked for.
    pub options: Options,
    /// The first 1,000 submissions, one after the other.
    pub first: Spread,
    /// The last.
    pub last: Spread,
    /// Those between, several at a time.
    pub between: Spread,
    /// Those in a second.
    pub between_per_second: f64,
    /// With no job.
    pub memory_before: Memory,
    /// With all.
    pub memory_after: Memory,
    /// With the first 1,000 jobs.
    pub looks_before: Looks,
    /// With all.
    pub looks_after: Looks,
    /// The urgent job.
    pub urgent: Urgent,
    /// Refusals of a full farm.
    pub refused: Spread,
    /// What they say.
    pub refusal: String,
    /// Their seconds to wait.
    pub retry_after_seconds: u64,
    /// Load of the machine at the end.
    pub load: String,
}

/// Fills the queue of a scheduler and looks what became of it.
pub async fn measure(options: Options, magpie: &Path, folder: &Path) -> Result<Backlog> {
    ensure!(options.ends() >= BUSY, "at least {} jobs", 4 * BUSY);
    let place = tempfile::tempdir_in(folder)?;
    // One more has a place: the last before the refusals, and then the urgent one.
    let mut farm = Farm::start(magpie, place.path(), Some(options.jobs + 1)).await?;
    let sources =
        (0..BUSY).map(|number| farm.test_source(&format!("busy-{number}"), options.clip_seconds));
    let sources = sources.collect::<Result<Vec<_>>>()?;
    let mut client = farm.client().await?;
    let memory_before = memory(&farm).await?;
    let filled = fill(&mut client, &sources, &options).await?;
    let memory_after = memory(&farm).await?;
    say(&format!("{memory_before:?}\n{memory_after:?}"));
    let looks_after = looks(&mut client, options.jobs).await?;
    say(&format!("{:?}\n{looks_after:?}", filled.looks));
    let refused = refuse(&mut client, &sources[0]).await?;
    farm.add_node(options.slots)?;
    let source = farm.test_source("urgent", options.clip_seconds)?;
    let others = &filled.first.ids[..BUSY as usize];
    let urgent = urgent::measure(&mut client, &source, others).await?;
    say(&urgent.line());
    Ok(Backlog {
        options,
        first: filled.first.spread,
        last: filled.last.spread,
        between: filled.between.spread,
        between_per_second: filled.between.ids.len() as f64 / filled.between.seconds,
        memory_before,
        memory_after,
        looks_before: filled.looks,
        looks_after,
        urgent,
        refused: refused.latencies,
        refusal: refused.message,
        retry_after_seconds: refused.retry_after_seconds,
        load: load_average(),
    })
}

struct Filled {
    first: Submitted,
    between: Submitted,
    last: Submitted,
    /// With the first 1,000 jobs.
    looks: Looks,
}

/// Submits all jobs.
async fn fill(
    client: &mut FarmServiceClient<Channel>,
    sources: &[String],
    options: &Options,
) -> Result<Filled> {
    let ends = options.ends();
    let middle = ends..options.jobs - ends;
    let first = submit(client, sources, 0..middle.start, 1).await?;
    say(&format!("first {ends}: {:?}", first.spread));
    let looks = looks(client, ends).await?;
    let between = submit(client, sources, middle.clone(), options.at_once).await?;
    let (seconds, spread) = (between.seconds, &between.spread);
    say(&format!(
        "{} more in {seconds:.1} s: {spread:?}",
        middle.len()
    ));
    let last = submit(client, sources, middle.end..options.jobs, 1).await?;
    say(&format!("last {ends}: {:?}", last.spread));
    Ok(Filled {
        first,
        between,
        last,
        looks,
    })
}

async fn memory(farm: &Farm) -> Result<Memory> {
    let scheduler = farm.scheduler.id();
    Ok(Memory {
        scheduler_kib: memory_kib(scheduler, "VmRSS")?,
        scheduler_peak_kib: memory_kib(scheduler, "VmHWM")?,
        redis_bytes: farm.redis.number("used_memory").await?,
        redis_resident_bytes: farm.redis.number("used_memory_rss").await?,
    })
}

struct Submitted {
    spread: Spread,
    seconds: f64,
    /// The jobs; in order where one was submitted at a time.
    ids: Vec<String>,
}

/// Submits titles with these numbers, so many at a time.
async fn submit(
    client: &FarmServiceClient<Channel>,
    sources: &[String],
    numbers: std::ops::Range<u32>,
    at_once: u32,
) -> Result<Submitted> {
    let start = Instant::now();
    let work = (0..at_once).map(|one| {
        let (mut client, sources) = (client.clone(), sources.to_owned());
        let numbers = numbers.clone().skip(one as usize).step_by(at_once as usize);
        tokio::spawn(async move {
            let mut answered = Vec::new();
            for number in numbers {
                let source = &sources[sources.len().min(number as usize + 1) - 1];
                let asked = Instant::now();
                let wanted = request(&format!("film-{number}"), source);
                let job = client.submit_job(wanted).await?.into_inner().job;
                answered.push((asked.elapsed(), job.context("no job")?.id));
            }
            anyhow::Ok(answered)
        })
    });
    let (mut latencies, mut ids) = (Vec::new(), Vec::new());
    for ended in try_join_all(work).await? {
        for (latency, id) in ended? {
            latencies.push(latency);
            ids.push(id);
        }
    }
    Ok(Submitted {
        spread: Spread::of(latencies)?,
        seconds: start.elapsed().as_secs_f64(),
        ids,
    })
}

async fn looks(client: &mut FarmServiceClient<Channel>, jobs: u32) -> Result<Looks> {
    let newest = v1::ListJobsRequest::default();
    let listed = client.list_jobs(newest.clone()).await?.into_inner().jobs;
    let id = listed.last().context("no job is listed")?.id.clone();
    let nobodys = v1::ListJobsRequest {
        title: "nobody-has-this".to_owned(),
        ..newest.clone()
    };
    let (mut get, mut list, mut list_all, mut capacity) = (vec![], vec![], vec![], vec![]);
    for look in 0..LOOKS {
        let start = Instant::now();
        client.get_job(v1::GetJobRequest { id: id.clone() }).await?;
        get.push(start.elapsed());
        let start = Instant::now();
        client.list_jobs(newest.clone()).await?;
        list.push(start.elapsed());
        let start = Instant::now();
        client.get_capacity(v1::GetCapacityRequest {}).await?;
        capacity.push(start.elapsed());
        // It is long.
        if look % 10 == 0 {
            let start = Instant::now();
            let mut request = nobodys.clone();
            loop {
                let page = client.list_jobs(request.clone()).await?.into_inner();
                ensure!(page.jobs.is_empty(), "somebody has this title");
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            list_all.push(start.elapsed());
        }
    }
    Ok(Looks {
        jobs,
        get: Spread::of(get)?,
        list: Spread::of(list)?,
        list_all: Spread::of(list_all)?,
        capacity: Spread::of(capacity)?,
    })
}

struct Refused {
    latencies: Spread,
    message: String,
    retry_after_seconds: u64,
}

/// Takes the last place, submits to the full farm, and gives the place back.
async fn refuse(client: &mut FarmServiceClient<Channel>, source: &str) -> Result<Refused> {
    let (mut latencies, mut last) = (Vec::new(), None);
    let job = client.submit_job(request("last", source)).await?;
    let id = job.into_inner().job.context("no job")?.id;
    for _ in 0..LOOKS {
        let start = Instant::now();
        let Err(status) = client.submit_job(request("one-too-many", source)).await else {
            bail!("the farm is full and took a job");
        };
        latencies.push(start.elapsed());
        ensure!(status.code() == Code::ResourceExhausted, "{status}");
        last = Some(status);
    }
    client.cancel_job(v1::CancelJobRequest { id }).await?;
    let status = last.context("nothing was asked")?;
    let seconds = status.metadata().get("retry-after");
    let seconds = seconds.context("no retry-after")?.to_str()?;
    Ok(Refused {
        latencies: Spread::of(latencies)?,
        message: status.message().to_owned(),
        retry_after_seconds: seconds.parse()?,
    })
}

impl Backlog {
    /// The result as tables.
    pub fn markdown(&self) -> String {
        let spread = |name: &str, one: &Spread| {
            format!(
                "| {name} | {:.2} | {:.2} | {:.2} |\n",
                one.p50_ms, one.p99_ms, one.max_ms
            )
        };
        let mut text = "\n| ms | p50 | p99 | most |\n| --- | ---: | ---: | ---: |\n".to_owned();
        text += &spread(
            &format!("submit, first {}, one at a time", self.first.count),
            &self.first,
        );
        text += &spread(
            &format!("submit, last {}, one at a time", self.last.count),
            &self.last,
        );
        let between = format!("submit, between, {} at a time", self.options.at_once);
        text += &spread(&between, &self.between);
        for looks in [&self.looks_before, &self.looks_after] {
            let named = |name: &str| format!("{name}, {} jobs", looks.jobs);
            text += &spread(&named("get one"), &looks.get);
            text += &spread(&named("list 50"), &looks.list);
            text += &spread(&named("list by a title that nobody has"), &looks.list_all);
            text += &spread(&named("capacity"), &looks.capacity);
        }
        text += &spread("refused when full", &self.refused);
        let (before, after) = (self.memory_before, self.memory_after);
        let mib = |kib: u64| kib as f64 / 1024.0;
        text += "\n| MiB | no job | all jobs |\n| --- | ---: | ---: |\n";
        for (name, of) in [
            (
                "scheduler, resident",
                (|m| m.scheduler_kib) as fn(&Memory) -> u64,
            ),
            ("scheduler, peak", |m| m.scheduler_peak_kib),
            ("Redis, used", |m| m.redis_bytes >> 10),
            ("Redis, resident", |m| m.redis_resident_bytes >> 10),
        ] {
            text += &format!(
                "| {name} | {:.1} | {:.1} |\n",
                mib(of(&before)),
                mib(of(&after))
            );
        }
        let jobs = u64::from(self.options.jobs);
        let each = (after.redis_bytes - before.redis_bytes) / jobs;
        text += &format!(
            "\n{} submissions a second between; {each} bytes of Redis a job.\n",
            self.between_per_second.round()
        );
        text + &format!(
            "{}\n{:?}, retry-after {} s\n",
            self.urgent.line(),
            self.refusal,
            self.retry_after_seconds
        )
    }
}
