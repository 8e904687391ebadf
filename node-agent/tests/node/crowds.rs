//! Text whose cues last all through a long title: a small file whose segments would fill a node's memory.

use crate::agent::Running;
use crate::fake_scheduler::FakeScheduler;
use crate::{Case, block_on, plans};
use anyhow::{Context, Result, ensure};
use model::catalog::{PackageManifest, PackagedFile, VersionFile};
use model::facts::TextFacts;
use model::plan::{Plan, TextPlan};
use model::source::{TextOrigin, TextTrack};
use model::task::TaskKind;
use model::{Failure, FailureKind, JobId, Rational, content_key, layout};
use sha2::{Digest, Sha256};
use storage::{SourceRoots, Storage};

pub(crate) const CASES: &[Case] = &[
    (
        "text_tracks_that_each_fit_and_together_do_not_are_refused_and_end_no_node",
        together,
    ),
    (
        "text_that_is_found_again_is_held_against_the_segments_of_its_plan",
        found_again,
    ),
    (
        "a_version_with_more_text_than_a_title_may_have_is_not_read",
        packaged,
    ),
];

const SECONDS: i64 = 7200;

/// A title of two hours in segments of so many seconds, with so many text tracks.
fn plan(job: &str, segment_seconds: i64, tracks: u32) -> Result<Plan> {
    let borders = (1..=SECONDS / segment_seconds).map(|at| Rational::whole(at * segment_seconds));
    let track = |index| TextPlan {
        index,
        track: TextTrack {
            origin: TextOrigin::Stream(index),
            codec: "mov_text".to_owned(),
            language: "und".to_owned(),
            title: String::new(),
            forced: false,
            hearing_impaired: false,
        },
        zero: Rational::ZERO,
    };
    Ok(Plan {
        duration: Rational::whole(SECONDS),
        audio_borders: borders.collect(),
        text: (0..tracks).map(track).collect(),
        ..plans::empty(&JobId::new(job)?)?
    })
}

/// Keeps a file of so many cues, all of them as long as the title, for each text track.
async fn keep(storage: &Storage, plan: &Plan, cues: u32) -> Result<()> {
    storage.put_json(&layout::plan(&plan.job), plan).await?;
    let cue = "\n00:00:00.000 --> 02:00:00.000\na line of a song\n";
    let file = format!("WEBVTT\n{}", cue.repeat(cues as usize));
    let sha256 = hex::encode(Sha256::digest(&file));
    for track in &plan.text {
        let facts = TextFacts {
            key: content_key::of_text(plan, track, None),
            id: format!("text-{}", track.index),
            sha256: sha256.clone(),
            cues,
            skipped: 0,
        };
        let path = layout::bytes(&facts.key, &sha256, "vtt");
        storage.put(&path, file.clone().into()).await?;
        storage.put_json(&layout::facts(&facts.key), &facts).await?;
    }
    Ok(())
}

/// Lets an agent do tasks of a job, one after the other; gives the failure of each.
async fn failures(
    storage: &Storage,
    job: &JobId,
    tasks: impl IntoIterator<Item = TaskKind>,
) -> Result<Vec<Option<Failure>>> {
    let scheduler = FakeScheduler::default();
    for task in tasks {
        scheduler.add(job, task, 1)?;
    }
    let running = Running::start(scheduler, storage, SourceRoots::default())?;
    let scheduler = running.finish().await?;
    Ok(scheduler.with(|state| {
        let chunks = state.chunks.iter_mut();
        chunks.map(|chunk| chunk.failure.take()).collect()
    }))
}

fn ensure_refused(failure: Option<&Failure>) -> Result<()> {
    let failure = failure.context("it was taken")?;
    ensure!(failure.kind == FailureKind::Unsupported, "{failure}");
    ensure!(failure.message.contains("overlap"), "{failure}");
    Ok(())
}

fn together() -> Result<()> {
    block_on(async {
        let storage = Storage::open("memory:")?;
        // Each makes 112 MB of segments.
        let plan = plan("job", 6, 3)?;
        keep(&storage, &plan, 2000).await?;
        let version = VersionFile {
            job: plan.job.clone(),
            version: 1,
        };
        let reserved = layout::job_version(&plan.job);
        storage.put_json(&reserved, &version).await?;
        let texts = (0..3).map(|index| TaskKind::Text { index });
        let tasks = texts.chain([TaskKind::Package]);
        let mut failures = failures(&storage, &plan.job, tasks).await?;
        let package = failures.pop().context("four tasks")?;
        ensure!(failures.iter().all(Option::is_none), "{failures:?}");
        ensure_refused(package.as_ref())
    })
}

fn found_again() -> Result<()> {
    block_on(async {
        let storage = Storage::open("memory:")?;
        for (job, segment_seconds) in [("long", SECONDS), ("short", 1)] {
            let plan = plan(job, segment_seconds, 1)?;
            keep(&storage, &plan, 2000).await?;
            let task = TaskKind::Text { index: 0 };
            let failures = failures(&storage, &plan.job, [task]).await?;
            if segment_seconds == 1 {
                ensure_refused(failures[0].as_ref())?;
            } else {
                ensure!(failures == [None], "{failures:?}");
            }
        }
        Ok(())
    })
}

fn packaged() -> Result<()> {
    block_on(async {
        let storage = Storage::open("memory:")?;
        let plan = plan("job", 6, 2)?;
        storage.put_json(&layout::plan(&plan.job), &plan).await?;
        let file = |index| PackagedFile {
            path: format!("text/text-{index}/00001.vtt"),
            sha256: String::new(),
            size_bytes: 200 << 20,
        };
        let manifest = PackageManifest {
            path: "titles/title/v1".to_owned(),
            hls: String::new(),
            dash: String::new(),
            duration: plan.duration,
            files: (0..2).map(file).collect(),
            tracks: Vec::new(),
        };
        let result = format!("jobs/{}/tasks/package.json", plan.job);
        storage.put_json(&result, &manifest).await?;
        let failures = failures(&storage, &plan.job, [TaskKind::Verify]).await?;
        ensure_refused(failures[0].as_ref())
    })
}
