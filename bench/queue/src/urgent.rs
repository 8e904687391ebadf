//! An urgent job behind a long queue: how long until it starts, and until its first segment does, next to
//! what a segment takes on the node that is busy with others.

use crate::farm::request;
use crate::load::Spread;
use anyhow::{Context, Result, bail};
use proto::v1;
use proto::v1::farm_service_client::FarmServiceClient;
use serde::Serialize;
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// Distance of two looks at the urgent job.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Segments of others that are done before.
const WARM: usize = 8;

const BOUND: Duration = Duration::from_secs(300);

/// What was found.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Urgent {
    /// From the submission to its first lease, which is for its probe.
    pub started_ms: f64,
    /// From the submission to the claim of its first segment.
    pub first_segment_ms: f64,
    /// Segments of the others on the same node.
    pub segment: Spread,
}

/// Waits until a node is busy with segments of these jobs of the queue, submits an urgent job, and watches it.
pub async fn measure(
    client: &mut FarmServiceClient<Channel>,
    source: &str,
    others: &[String],
) -> Result<Urgent> {
    let start = Instant::now();
    while segments(client, others).await?.len() < WARM {
        if start.elapsed() > BOUND {
            bail!("no segments are made");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let mut wanted = request("urgent", source);
    (wanted.priority, wanted.has_priority) = (100, true);
    let submitted = Instant::now();
    let job = client.submit_job(wanted).await?.into_inner().job;
    let id = job.context("no job")?.id;
    let milliseconds = || submitted.elapsed().as_secs_f64() * 1e3;
    let mut started_ms = None;
    loop {
        let asked = v1::GetJobRequest { id: id.clone() };
        let tasks = client.get_job(asked).await?.into_inner().tasks;
        let is_held = |task: &v1::Task| task.chunks.iter().any(|chunk| !chunk.node.is_empty());
        if started_ms.is_none()
            && tasks
                .iter()
                .any(|task| is_held(task) || task.units_done > 0)
        {
            started_ms = Some(milliseconds());
        }
        let begun = |task: &v1::Task| {
            is_video(task)
                && (task.units_done > 0
                    || task.chunks.iter().any(|chunk| !chunk.claimed.is_empty()))
        };
        if tasks.iter().any(begun) {
            break;
        }
        if submitted.elapsed() > BOUND {
            bail!("the urgent job does not start");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let first_segment_ms = milliseconds();
    Ok(Urgent {
        started_ms: started_ms.unwrap_or(first_segment_ms),
        first_segment_ms,
        segment: Spread::of(segments(client, others).await?)?,
    })
}

fn is_video(task: &v1::Task) -> bool {
    task.id.contains("/video-")
}

/// What each segment took that was made of these jobs.
async fn segments(
    client: &mut FarmServiceClient<Channel>,
    jobs: &[String],
) -> Result<Vec<Duration>> {
    let mut found = Vec::new();
    for id in jobs {
        let asked = v1::GetJobRequest { id: id.clone() };
        let tasks = client.get_job(asked).await?.into_inner().tasks;
        let tasks = tasks.iter().filter(|task| is_video(task));
        let made = tasks
            .flat_map(|task| &task.committed)
            .filter(|unit| !unit.reused);
        found.extend(made.map(|unit| Duration::from_millis(unit.elapsed_ms)));
    }
    Ok(found)
}

impl Urgent {
    /// The result in a line.
    pub fn line(&self) -> String {
        format!(
            "An urgent job started after {:.0} ms and its first segment after {:.0} ms; segments of the others take p50 {:.0}, most {:.0} ms.",
            self.started_ms, self.first_segment_ms, self.segment.p50_ms, self.segment.max_ms
        )
    }
}
