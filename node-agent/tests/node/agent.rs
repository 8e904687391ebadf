//! The lease loop against a scheduler in memory: leases, lost answers, absence, drain. The work is
//! quality control of a title without tracks, or segments that are in storage already, so that only
//! the loop is looked at.

use crate::fake_scheduler::{FakeScheduler, State};
use crate::{Case, block_on, plans};
use anyhow::{Context, Result, ensure};
use model::facts::{CodecConfig, PictureFacts, SegmentFacts};
use model::grid::OutputGrid;
use model::plan::Plan;
use model::task::TaskKind;
use model::{FailureKind, JobId, Rational, content_key, layout};
use node_agent::{Agent, Config, Error, Shutdown};
use package::cmaf::write::{Sample, Segment, media_segment};
use sha2::{Digest, Sha256};
use std::time::Duration;
use storage::{SourceRoots, Storage};
use tokio::task::JoinHandle;

pub(crate) const CASES: &[Case] = &[
    (
        "a_result_is_written_before_it_is_committed",
        writes_then_commits,
    ),
    (
        "segments_that_are_there_are_committed_and_not_encoded",
        reuses,
    ),
    ("a_lost_lease_stops_the_work_and_is_no_failure", lost_lease),
    ("a_scheduler_that_comes_back_finds_the_work_done", away),
    ("a_scheduler_that_forgot_the_node_is_told_again", forgotten),
    ("a_claim_whose_answer_was_lost_is_handed_back", lost_answer),
    (
        "a_draining_agent_finishes_what_it_claimed_and_hands_back_the_rest",
        drain,
    ),
    ("a_scheduler_that_refuses_the_node_ends_the_agent", refused),
    (
        "missing_storage_objects_fail_the_attempt_with_their_path",
        missing,
    ),
    (
        "one_of_the_idle_slots_of_a_node_asks_at_a_time_and_may_steal",
        one_slot_asks,
    ),
    ("a_conflicting_commit_is_a_bug", conflict),
    (
        "a_node_refuses_a_local_folder_that_no_scheduler_has_opened",
        unmounted,
    ),
];

/// An agent at work for a scheduler in memory.
pub(crate) struct Running {
    pub(crate) scheduler: FakeScheduler,
    pub(crate) shutdown: Shutdown,
    agent: JoinHandle<std::result::Result<(), Error>>,
}

impl Running {
    pub(crate) fn start(
        scheduler: FakeScheduler,
        storage: &Storage,
        roots: SourceRoots,
    ) -> Result<Self> {
        Self::of_size((1, None), scheduler, storage, roots)
    }

    /// With so many slots and so many bytes of memory.
    pub(crate) fn of_size(
        (slots, memory_bytes): (u32, Option<u64>),
        scheduler: FakeScheduler,
        storage: &Storage,
        roots: SourceRoots,
    ) -> Result<Self> {
        let shutdown = Shutdown::default();
        let config = Config {
            slots: Some(slots),
            memory_bytes,
            storage: Some(storage.clone()),
            take_wait: Duration::from_secs(5),
            ..Config::new("node".parse()?, roots)
        };
        let agent = Agent::new(config, scheduler.channel());
        let agent = tokio::spawn(agent.run(shutdown.clone()));
        Ok(Self {
            scheduler,
            shutdown,
            agent,
        })
    }

    /// Waits for all chunks, then lets the agent go.
    pub(crate) async fn finish(self) -> Result<FakeScheduler> {
        self.scheduler.until_finished().await?;
        self.end().await
    }

    async fn end(self) -> Result<FakeScheduler> {
        self.shutdown.drain.cancel();
        tokio::time::timeout(Duration::from_secs(30), self.agent).await???;
        Ok(self.scheduler)
    }
}

fn job() -> Result<JobId> {
    Ok(JobId::new("job")?)
}

/// Storage that holds a plan without tracks.
async fn empty_title() -> Result<(Storage, Plan)> {
    let storage = Storage::open("memory:")?;
    let plan = plans::empty(&job()?)?;
    storage.put_json(&layout::plan(&plan.job), &plan).await?;
    Ok((storage, plan))
}

/// A segment of 50 frames, and when it starts.
fn coded(segment: u32) -> Result<(Vec<u8>, u64)> {
    let (_, ticks) = OutputGrid::new(Rational::whole(25), 50, Rational::whole(2)).timescale();
    let start = u64::from(segment) * 50 * u64::from(ticks);
    let sample = |is_sync| Sample {
        data: b"data".to_vec(),
        duration: ticks,
        composition_offset: 0,
        is_sync,
    };
    let bytes = media_segment(&Segment {
        sequence_number: segment + 1,
        base_decode_time: start,
        samples: (0..50).map(|frame| sample(frame == 0)).collect(),
    })?;
    Ok((bytes, start))
}

/// Storage that holds a plan of so many segments of 50 frames, and all of them as if encoded before.
async fn encoded_title(segments: u32) -> Result<(Storage, Plan)> {
    let (storage, plan) = empty_title().await?;
    let video = plans::video(&plans::imagined_track(segments * 50))?;
    let plan = Plan {
        duration: video.grid.duration(),
        video: Some(video),
        tile_frames: 0,
        ..plan
    };
    storage.put_json(&layout::plan(&plan.job), &plan).await?;
    let video = plan.video.as_ref().context("just set")?;
    let group = &video.groups[0];
    for segment in 0..segments {
        let (bytes, start) = coded(segment)?;
        let sha256 = hex::encode(Sha256::digest(&bytes));
        for rendition in &group.renditions {
            let key = content_key::of_segment(&plan, video, group, rendition, segment);
            let facts = SegmentFacts {
                sha256: sha256.clone(),
                size_bytes: bytes.len() as u64,
                frames: 50,
                base_decode_time: start,
                duration: 50 * u64::from(video.grid.timescale().1),
                config: CodecConfig {
                    entry: "avc1".to_owned(),
                    record: "0142c01effe000".to_owned(),
                    codecs: "avc1.42c01e".to_owned(),
                },
                vbv_end_permille: None,
                quality_retries: 0,
                key: key.clone(),
            };
            storage
                .put(&layout::bytes(&key, &sha256, "m4s"), bytes.clone().into())
                .await?;
            storage.put_json(&layout::facts(&key), &facts).await?;
        }
        let key = content_key::of_pictures(&plan, video, segment);
        let still = model::facts::FrameFacts {
            mean: 0,
            min: 0,
            max: 0,
            black: 0,
            difference: None,
        };
        let facts = PictureFacts {
            key: key.clone(),
            first_frame: segment * 50,
            frames: vec![still; 50],
            first_thumb: "10".repeat(32 * 18),
            last_thumb: "10".repeat(32 * 18),
            tiles: Vec::new(),
            tiles_sha256: String::new(),
        };
        storage.put_json(&layout::facts(&key), &facts).await?;
    }
    Ok((storage, plan))
}

fn encode() -> TaskKind {
    TaskKind::Encode {
        group: "h264".to_owned(),
    }
}

/// A scheduler with a chunk of so many segments, an agent, and trouble at a claim.
async fn encoding(
    segments: u32,
    trouble: impl FnMut(&mut State, u32) + Send + 'static,
) -> Result<Running> {
    let (storage, plan) = encoded_title(segments).await?;
    let scheduler = FakeScheduler::default();
    scheduler.with(|state| state.on_claim = Some(Box::new(trouble)));
    scheduler.add(&plan.job, encode(), segments)?;
    Running::start(scheduler, &storage, SourceRoots::default())
}

/// Every unit is committed once as found, and nothing failed.
fn all_reused(state: &State, segments: u32) -> Result<()> {
    let chunk = &state.chunks[0];
    ensure!(chunk.failure.is_none(), "{:?}", chunk.failure);
    let units: Vec<u32> = chunk.committed.keys().copied().collect();
    ensure!(units == (0..segments).collect::<Vec<_>>(), "{units:?}");
    ensure!(
        chunk
            .committed
            .values()
            .all(|record| record.reused && record.frames == 50)
    );
    let first = &chunk.committed[&0];
    ensure!(
        chunk
            .committed
            .values()
            .all(|record| record.config_digest == first.config_digest)
    );
    ensure!(
        state.claimed_max <= 2,
        "{} units were claimed at a time",
        state.claimed_max
    );
    Ok(())
}

fn writes_then_commits() -> Result<()> {
    block_on(async {
        let (storage, plan) = empty_title().await?;
        let scheduler = FakeScheduler::default();
        scheduler.add(&plan.job, TaskKind::Qc, 1)?;
        let running = Running::start(scheduler, &storage, SourceRoots::default())?;
        let scheduler = running.finish().await?;
        let path = scheduler.with(|state| layout::task_result(&state.chunks[0].id.task));
        let verdict: model::qc::Verdict = storage.get_json(&path).await?;
        ensure!(
            verdict.findings.is_empty() || verdict.checked > 0,
            "{verdict:?}"
        );
        scheduler.with(|state| {
            ensure!(
                state.chunks[0].failure.is_none(),
                "{:?}",
                state.chunks[0].failure
            );
            ensure!(state.chunks[0].committed[&0].digest.len() == 64);
            Ok(())
        })
    })
}

fn reuses() -> Result<()> {
    block_on(async {
        let running = encoding(5, |_, _| ()).await?;
        running.finish().await?.with(|state| all_reused(state, 5))
    })
}

fn lost_lease() -> Result<()> {
    block_on(async {
        let mut lost = false;
        let trouble = move |state: &mut State, unit| {
            if unit == 2 && !std::mem::replace(&mut lost, true) {
                state.chunks[0].lose();
            }
        };
        let running = encoding(5, trouble).await?;
        running.finish().await?.with(|state| all_reused(state, 5))
    })
}

fn away() -> Result<()> {
    block_on(async {
        let running = encoding(4, |state, unit| {
            if unit == 1 && state.registrations == 1 {
                state.away_for = 4;
            }
        });
        let scheduler = running.await?.finish().await?;
        scheduler.with(|state| {
            ensure!(state.away_for == 0, "the agent did not try again");
            ensure!(
                // At its start, when the scheduler was back, and to say that it ends.
                state.registrations == 3,
                "registered {} times",
                state.registrations
            );
            all_reused(state, 4)
        })
    })
}

fn forgotten() -> Result<()> {
    block_on(async {
        let running = encoding(4, |state, unit| {
            if unit == 1 && state.registrations == 1 {
                state.away_for = 1;
                state.forgets = true;
            }
        });
        let scheduler = running.await?.finish().await?;
        scheduler.with(|state| {
            ensure!(
                state.registrations >= 2,
                "registered {} times",
                state.registrations
            );
            all_reused(state, 4)
        })
    })
}

fn lost_answer() -> Result<()> {
    block_on(async {
        let running = encoding(4, |state, unit| {
            if unit == 3 && state.registrations == 1 {
                state.away_for = 1;
            }
        });
        let scheduler = running.await?.finish().await?;
        scheduler.with(|state| {
            ensure!(
                state.releases >= 1,
                "the chunk was kept with a unit that nobody works on"
            );
            all_reused(state, 4)
        })
    })
}

fn drain() -> Result<()> {
    block_on(async {
        let (storage, plan) = encoded_title(6).await?;
        let scheduler = FakeScheduler::default();
        scheduler.add(&plan.job, encode(), 6)?;
        let running = Running::start(scheduler.clone(), &storage, SourceRoots::default())?;
        let drain = running.shutdown.drain.clone();
        scheduler.with(|state| {
            state.on_claim = Some(Box::new(move |_, unit| {
                if unit == 2 {
                    drain.cancel()
                }
            }));
        });
        let scheduler = running.end_after(|state| state.releases > 0).await?;
        scheduler.with(|state| {
            let chunk = &state.chunks[0];
            ensure!(chunk.failure.is_none(), "{:?}", chunk.failure);
            ensure!(
                chunk.committed.len() <= 3,
                "{} are committed",
                chunk.committed.len()
            );
            ensure!(!chunk.is_finished(), "nothing was left to hand back");
            ensure!(state.releases == 1);
            ensure!(state.leaving, "nobody was told that the node ends");
            Ok(())
        })
    })
}

impl Running {
    pub(crate) async fn end_after(self, holds: impl Fn(&State) -> bool) -> Result<FakeScheduler> {
        self.scheduler.until("the agent let go", holds).await?;
        self.end().await
    }
}

fn refused() -> Result<()> {
    block_on(async {
        let scheduler = FakeScheduler::default();
        scheduler.with(|state| state.refuses = true);
        let storage = Storage::open("memory:")?;
        let running = Running::start(scheduler, &storage, SourceRoots::default())?;
        let ended = tokio::time::timeout(Duration::from_secs(30), running.agent).await??;
        let error = ended.err().context("it went on")?;
        ensure!(matches!(error, Error::Refused { .. }), "{error}");
        Ok(())
    })
}

fn unmounted() -> Result<()> {
    block_on(async {
        let place = tempfile::tempdir()?;
        let mount = place.path().join("mount");
        std::fs::create_dir(&mount)?;
        let scheduler = FakeScheduler::default();
        let url = mount.to_str().context("a path in UTF-8")?.to_owned();
        scheduler.with(|state| state.storage_url = Some(url));
        let config = Config::new("node".parse()?, SourceRoots::default());
        let ended = Agent::new(config, scheduler.channel()).run(Shutdown::default());
        let ended = tokio::time::timeout(Duration::from_secs(30), ended).await?;
        let error = ended.err().context("it works in an empty folder")?;
        ensure!(error.to_string().contains("is the disk mounted"), "{error}");
        ensure!(std::fs::read_dir(&mount)?.next().is_none(), "it wrote");
        Ok(())
    })
}

fn missing() -> Result<()> {
    block_on(async {
        let scheduler = FakeScheduler::default();
        scheduler.add(&job()?, TaskKind::Probe, 1)?;
        let storage = Storage::open("memory:")?;
        let running = Running::start(scheduler, &storage, SourceRoots::default())?;
        running.finish().await?.with(|state| {
            let failure = state.chunks[0]
                .failure
                .as_ref()
                .context("it did not fail")?;
            ensure!(failure.kind == FailureKind::Storage, "{failure}");
            ensure!(
                failure.message.contains("jobs/job/ticket.json"),
                "{failure}"
            );
            Ok(())
        })
    })
}

fn conflict() -> Result<()> {
    block_on(async {
        let (storage, plan) = encoded_title(1).await?;
        let scheduler = FakeScheduler::default();
        scheduler.with(|state| state.answer_commits_with_conflict = true);
        scheduler.add(&plan.job, encode(), 1)?;
        let running = Running::start(scheduler, &storage, SourceRoots::default())?;
        running.finish().await?.with(|state| {
            let failure = state.chunks[0]
                .failure
                .as_ref()
                .context("it did not fail")?;
            ensure!(failure.kind == FailureKind::Bug, "{failure}");
            ensure!(failure.message.contains("incident"), "{failure}");
            Ok(())
        })
    })
}

fn one_slot_asks() -> Result<()> {
    block_on(async {
        let scheduler = FakeScheduler::default();
        let (storage, plan) = encoded_title(3).await?;
        let roots = SourceRoots::default();
        let running = Running::of_size((3, None), scheduler.clone(), &storage, roots)?;
        let asks = |times: usize| move |state: &State| state.takes.len() >= times;
        scheduler.until("a slot asks", asks(1)).await?;
        scheduler.add(&plan.job, encode(), 3)?;
        scheduler.until("the next slot asks", asks(2)).await?;
        running.finish().await?.with(|state| {
            ensure!(
                state.takes.iter().all(|steal| *steal),
                "asked without stealing"
            );
            ensure!(
                state.takes_waiting_max == 1,
                "{} asked",
                state.takes_waiting_max
            );
            Ok(())
        })
    })
}
