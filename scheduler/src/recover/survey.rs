//! What storage holds of the open jobs: what a rebuilt farm goes on from. It only counts: the nodes read
//! and check every object before they take it for done, so a damaged one is counted here and made again.

use crate::farm::Farm;
use crate::handle::Handle;
use crate::lifecycle::of_plan;
use crate::{Error, Result};
use futures::{StreamExt, TryStreamExt};
use model::job::{JobFilter, JobRecord, Phase};
use model::plan::Plan;
use model::{JobId, content_key, layout};
use serde::Serialize;
use tracing::warn;

/// Jobs read at a time.
const PAGE: u32 = 500;

/// Requests to storage that are under way together.
const AT_ONCE: usize = 32;

/// An open job and what storage holds of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survey {
    /// The job.
    pub job: JobId,
    /// Its title.
    pub title: String,
    /// Where it goes on.
    pub phase: Phase,
    /// Tasks up to quality control; 1, the probe, while there is no plan.
    pub tasks: u32,
    /// Segments of all rendition groups together.
    pub segments: u32,
    /// Those of them whose facts are there, for all renditions.
    pub segments_found: u32,
}

impl Handle {
    /// Looks at every open job of the store, newest first. Costs one request to storage for each rendition
    /// of each segment.
    pub async fn survey(&self) -> Result<Vec<Survey>> {
        let phases = [
            Phase::Probing,
            Phase::Processing,
            Phase::Review,
            Phase::Packaging,
        ];
        let filter = JobFilter {
            phases: phases.to_vec(),
            ..JobFilter::default()
        };
        let (mut surveys, mut next) = (Vec::new(), String::new());
        loop {
            let page = self.farm.store().jobs(&filter, &next, PAGE).await?;
            for job in &page.jobs {
                surveys.push(survey(&self.farm, job).await?);
            }
            if page.next.is_empty() {
                return Ok(surveys);
            }
            next = page.next;
        }
    }
}

async fn survey(farm: &Farm, job: &JobRecord) -> Result<Survey> {
    let plan = match farm.plan(&job.id).await {
        Err(Error::Storage(error @ storage::Error::Corrupt { .. })) => {
            warn!(job_id = %job.id, %error, "its plan cannot be read");
            None
        }
        plan => plan?,
    };
    let (tasks, segments, segments_found) = match &plan {
        Some(plan) => {
            let (segments, found) = segments(farm, plan).await?;
            (count(of_plan(plan).len()), segments, found)
        }
        None => (1, 0, 0),
    };
    Ok(Survey {
        job: job.id.clone(),
        title: job.title.to_string(),
        phase: job.phase,
        tasks,
        segments,
        segments_found,
    })
}

/// Segments of a plan, and those whose facts are there.
async fn segments(farm: &Farm, plan: &Plan) -> Result<(u32, u32)> {
    let all = plan.video.iter().flat_map(|video| {
        let of_group = move |group| (0..video.grid.segments()).map(move |at| (video, group, at));
        video.groups.iter().flat_map(of_group)
    });
    let mut looks = futures::stream::iter(all)
        .map(async |(video, group, segment)| {
            for rendition in &group.renditions {
                let key = content_key::of_segment(plan, video, group, rendition, segment);
                if !farm.storage().exists(&layout::facts(&key)).await? {
                    return Ok(false);
                }
            }
            Ok::<_, Error>(true)
        })
        .buffer_unordered(AT_ONCE);
    let (mut segments, mut found) = (0, 0);
    while let Some(is_there) = looks.try_next().await? {
        segments += 1;
        found += u32::from(is_there);
    }
    Ok((segments, found))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
