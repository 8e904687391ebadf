//! What part of the processor time of a real job is coordination: scheduler, Redis and the nodes' own
//! processes, against those and the workers that touch media.

use crate::farm::{Cpu, Farm, request};
use crate::process::load_average;
use crate::say;
use anyhow::{Context, Result, ensure};
use proto::v1;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Distance of two looks at the job.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is run.
#[derive(Debug, Clone, Serialize, clap::Args)]
pub struct Options {
    /// Nodes of one slot each.
    #[arg(long, default_value_t = 4)]
    pub nodes: u32,
    /// The clip; a test picture of a minute when absent.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub clip: Option<PathBuf>,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Share {
    /// What was asked for.
    pub options: Options,
    /// The clip.
    pub clip: String,
    /// From the submission to the end.
    pub seconds: f64,
    /// Units that were done, segments among them.
    pub units: u32,
    /// Processor time of the scheduler.
    pub scheduler_cpu_seconds: f64,
    /// Of Redis.
    pub redis_cpu_seconds: f64,
    /// Of the nodes without their workers: they also move the bytes of sources and segments.
    pub nodes_cpu_seconds: f64,
    /// Of the workers.
    pub workers_cpu_seconds: f64,
    /// Part of scheduler and Redis.
    pub share: f64,
    /// Part of scheduler, Redis and nodes.
    pub share_with_nodes: f64,
    /// Scripts that Redis was asked to run: each operation of the store is one.
    pub operations: u64,
    /// Load of the machine at the end.
    pub load: String,
}

/// Runs one job to its end.
pub async fn measure(options: Options, magpie: &Path, folder: &Path) -> Result<Share> {
    let place = tempfile::tempdir_in(folder)?;
    let mut farm = Farm::start(magpie, place.path(), None).await?;
    for _ in 0..options.nodes {
        farm.add_node(1)?;
    }
    let (source, clip) = match &options.clip {
        Some(file) => {
            let name = file.file_name().context("a clip is a file")?;
            (farm.source(file)?, name.to_string_lossy().into_owned())
        }
        None => (
            farm.test_source("source", 60)?,
            "test picture of a minute, 720 lines".to_owned(),
        ),
    };
    let operations = farm.redis.scripts().await?;
    let (before, start) = (farm.cpu()?, Instant::now());
    let job = run(&farm, &source).await?;
    let (after, seconds) = (farm.cpu()?, start.elapsed().as_secs_f64());
    ensure!(job.phase == "published", "{}: {:?}", job.phase, job.failure);
    let took = |of: fn(&Cpu) -> f64| of(&after) - of(&before);
    let scheduler = took(|cpu| cpu.scheduler);
    let (redis, nodes) = (took(|cpu| cpu.redis), took(|cpu| cpu.nodes));
    let workers = took(|cpu| cpu.workers);
    let all = scheduler + redis + nodes + workers;
    let share = Share {
        options,
        clip,
        seconds,
        units: job.units_done,
        scheduler_cpu_seconds: scheduler,
        redis_cpu_seconds: redis,
        nodes_cpu_seconds: nodes,
        workers_cpu_seconds: workers,
        share: (scheduler + redis) / all,
        share_with_nodes: (scheduler + redis + nodes) / all,
        operations: farm.redis.scripts().await? - operations,
        load: load_average(),
    };
    say(&share.line());
    Ok(share)
}

async fn run(farm: &Farm, source: &str) -> Result<v1::Job> {
    let mut client = farm.client().await?;
    let submitted = client
        .submit_job(request("film", source))
        .await?
        .into_inner();
    let id = submitted.job.context("no job")?.id;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let asked = v1::GetJobRequest { id: id.clone() };
        let job = client
            .get_job(asked)
            .await?
            .into_inner()
            .job
            .context("no job")?;
        if ["published", "failed", "rejected", "review"].contains(&job.phase.as_str()) {
            return Ok(job);
        }
    }
}

impl Share {
    /// The result in a line.
    pub fn line(&self) -> String {
        format!(
            "{}: {} units in {:.1} s; scheduler {:.2} s, redis {:.2} s, nodes {:.2} s, workers {:.2} s of processor; \
             coordination {:.2} %, with the nodes' own processes {:.2} %; {} operations of the store",
            self.clip,
            self.units,
            self.seconds,
            self.scheduler_cpu_seconds,
            self.redis_cpu_seconds,
            self.nodes_cpu_seconds,
            self.workers_cpu_seconds,
            100.0 * self.share,
            100.0 * self.share_with_nodes,
            self.operations
        )
    }
}
