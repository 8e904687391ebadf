//! One job with everything that a person wants to see of it.

use super::Handle;
use crate::Result;
use crate::policy::plan::left_out;
use crate::stranded::{Missing, missing};
use model::catalog::CatalogEntry;
use model::job::{JobRecord, Phase};
use model::node::NodeRecord;
use model::plan::{Plan, Probed};
use model::qc::Verdict;
use model::rendition::Rendition;
use model::task::{Chunk, TaskKind, TaskRecord, TaskState};
use model::{Failure, JobId, TaskId, TaskName, layout};
use serde::{Deserialize, Serialize};

/// A job in detail.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobDetail {
    /// The job.
    pub job: JobRecord,
    /// Its tasks with chunks and committed units.
    pub tasks: Vec<TaskRecord>,
    /// What it waits for; empty when it is going on or has ended.
    pub waiting_for: String,
    /// What quality control said, once it did.
    pub verdict: Option<Verdict>,
    /// What it published, while it is what viewers get.
    pub published: Option<CatalogEntry>,
    /// What was planned, once it is.
    pub plan: Option<PlanSummary>,
}

/// The plan in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Length in seconds.
    pub duration_seconds: f64,
    /// Output frames per second as a fraction; empty without pictures.
    pub frame_rate: String,
    /// Output frames.
    pub frames: u32,
    /// Segments of every rendition.
    pub segments: u32,
    /// Frames in every segment but the last.
    pub segment_frames: u32,
    /// How source frames became output frames.
    pub frame_map: String,
    /// Renditions of all groups.
    pub renditions: Vec<RenditionSummary>,
    /// Outputs of all sound tracks.
    pub audio: Vec<AudioSummary>,
    /// Text tracks: id and language.
    pub text: Vec<(String, String)>,
    /// What of the source does not reach the title.
    pub notes: Vec<String>,
}

/// A rendition in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenditionSummary {
    /// Its id.
    pub id: String,
    /// The task that makes it.
    pub task: String,
    /// Format.
    pub codec: String,
    /// Who encodes, and why.
    pub encoder: String,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// Highest rate.
    pub maxrate_bps: u64,
}

/// A sound output in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioSummary {
    /// Its id.
    pub id: String,
    /// Language of its track.
    pub language: String,
    /// Channels.
    pub channels: u32,
    /// Rate.
    pub bitrate_bps: u32,
}

impl Handle {
    /// One job with its tasks.
    pub async fn detail(&self, job: &JobId) -> Result<JobDetail> {
        let farm = &self.farm;
        let record = self.job(job).await?;
        let tasks = match farm.store().tasks(job).await {
            // An ended job that the store has forgotten.
            Err(store::Error::NotFound { .. }) => Vec::new(),
            known => known?,
        };
        let checked = record.phase.is_final()
            || tasks
                .iter()
                .any(|task| task.kind == TaskKind::Qc && task.state == TaskState::Done);
        let plan = farm.plan(job).await?;
        Ok(JobDetail {
            waiting_for: self.waiting_for(&record, &tasks).await?,
            verdict: if checked {
                self.verdict(job).await?
            } else {
                None
            },
            published: match record.phase {
                Phase::Published => self.published(&record).await?,
                _ => None,
            },
            plan: match plan {
                Some(plan) => Some(self.summary(&plan).await?),
                None => None,
            },
            job: record,
            tasks,
        })
    }

    async fn verdict(&self, job: &JobId) -> Result<Option<Verdict>> {
        let name = TaskName::new(TaskKind::Qc.name()).expect("a constant identifier");
        let path = layout::task_result(&TaskId::new(job.clone(), name));
        Ok(self.farm.storage().find_json(&path).await?)
    }

    async fn published(&self, job: &JobRecord) -> Result<Option<CatalogEntry>> {
        let found = self
            .farm
            .storage()
            .find_json(&layout::catalog(&job.title))
            .await?;
        Ok(found.filter(|entry: &CatalogEntry| entry.job == job.id))
    }

    /// The summary of a plan; made once for each job, because it never changes.
    async fn summary(&self, plan: &Plan) -> Result<PlanSummary> {
        if let Some(summary) = self.farm.summaries.lock().get(&plan.job) {
            return Ok(summary.clone());
        }
        let probed: Option<Probed> = self
            .farm
            .storage()
            .find_json(&layout::source_info(&plan.job))
            .await?;
        let notes = probed
            .map(|probed| left_out(&probed.source))
            .unwrap_or_default();
        let summary = summarise(plan, notes);
        self.farm.remember_summary(&plan.job, summary.clone());
        Ok(summary)
    }

    async fn waiting_for(&self, job: &JobRecord, tasks: &[TaskRecord]) -> Result<String> {
        if job.phase == Phase::Review {
            return Ok("a person: approve or reject what quality control flagged".to_owned());
        }
        if !job.phase.is_final()
            && let Some(reason) = self.farm.troubles.reason(&job.id)
        {
            return Ok(format!("another try of the scheduler's, after {reason}"));
        }
        let open: Vec<&TaskRecord> = tasks
            .iter()
            .filter(|task| task.state == TaskState::Open)
            .collect();
        let held = open
            .iter()
            .any(|task| task.chunks.iter().any(|chunk| chunk.lease.is_some()));
        if job.phase.is_final() || held || open.is_empty() {
            return Ok(String::new());
        }
        if job.paused {
            return Ok("a person: it is paused".to_owned());
        }
        let mut nodes = self.farm.nodes_alive().await?;
        nodes.retain(|node| !node.is_draining());
        if !nodes.iter().any(NodeRecord::takes_work) {
            return Ok("a node: none is connected that takes work".to_owned());
        }
        if let Some(missing) = missing(tasks, &nodes) {
            let minutes = self.farm.config.builds_wait.as_secs().div_ceil(60);
            let what = match missing {
                Missing::Builds => "the builds that the plan pins".to_owned(),
                Missing::Memory { bytes } => format!("{} MiB of memory for a slot", bytes >> 20),
            };
            return Ok(format!("a node with {what}, for about {minutes} min"));
        }
        let now_ms = self.farm.store().now_ms().await?;
        let next = open
            .iter()
            .flat_map(|task| &task.chunks)
            .min_by_key(|chunk| chunk.not_before_ms);
        Ok(match next.filter(|next| next.not_before_ms > now_ms) {
            Some(next) => another_try(next, now_ms),
            None => "a free slot".to_owned(),
        })
    }
}

fn summarise(plan: &Plan, notes: Vec<String>) -> PlanSummary {
    let video = plan.video.as_ref();
    let rendition = |task: &str, rendition: &Rendition| RenditionSummary {
        id: rendition.id.clone(),
        task: format!("video-{task}"),
        codec: rendition.codec.as_str().to_owned(),
        encoder: format!("{}: {}", rendition.family.as_str(), rendition.family_reason),
        width: rendition.width,
        height: rendition.height,
        maxrate_bps: rendition.rate.maxrate_bps,
    };
    let audio = plan.audio.iter().flat_map(|track| {
        track.outputs.iter().map(|output| AudioSummary {
            id: output.id.clone(),
            language: track.track.language.clone(),
            channels: output.channels,
            bitrate_bps: output.bitrate_bps,
        })
    });
    let text = plan
        .text
        .iter()
        .map(|t| (format!("text-{}", t.index), t.track.language.clone()));
    PlanSummary {
        duration_seconds: plan.duration.as_f64(),
        frame_rate: video.map_or_else(String::new, |video| video.grid.frame_rate.to_string()),
        frames: video.map_or(0, |video| video.grid.frames),
        segments: video.map_or(0, |video| video.grid.segments()),
        segment_frames: video.map_or(0, |video| video.grid.segment_frames),
        frame_map: video.map_or_else(String::new, |video| video.map_reason.clone()),
        renditions: video
            .iter()
            .flat_map(|video| &video.groups)
            .flat_map(|group| group.renditions.iter().map(|r| rendition(&group.name, r)))
            .collect(),
        audio: audio.collect(),
        text: text.collect(),
        notes,
    }
}

/// When a chunk is tried again, and why it has to be.
fn another_try(chunk: &Chunk, now_ms: u64) -> String {
    let seconds = chunk.not_before_ms.saturating_sub(now_ms).div_ceil(1000);
    match &chunk.last_failure {
        Some(failure) => {
            let Failure {
                kind,
                place,
                message,
                ..
            } = failure;
            format!("another try in {seconds} s, after {kind} in {place}: {message}")
        }
        None => format!("another try in {seconds} s"),
    }
}
