//! A title from a real file to a verified version: probe, encode, sound, text, images, quality
//! control, package, verify, each by an agent with confined workers.

use crate::agent::Running;
use crate::fake_scheduler::FakeScheduler;
use crate::{Case, block_on, plans};
use anyhow::{Context, Result, bail, ensure};
use model::catalog::{PackageManifest, VersionFile};
use model::job::Urgency;
use model::plan::{Plan, Probed, Ticket};
use model::profile::Profile;
use model::task::{TaskKind, UnitRecord};
use model::{Failure, FailureKind, JobId, TenantId, TitleId, content_key, layout};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use storage::{SourceRoots, Storage};
use tempfile::TempDir;

pub(crate) const CASES: &[Case] = &[
    (
        "a_file_becomes_a_verified_version_that_plays",
        becomes_a_version,
    ),
    (
        "a_lost_lease_kills_the_worker_and_changes_no_byte",
        lost_lease,
    ),
    (
        "a_second_signal_kills_the_worker_and_hands_the_chunk_back",
        killed,
    ),
    (
        "a_first_signal_loses_no_segment_whose_pictures_were_all_fed",
        drained,
    ),
    (
        "a_segment_waits_for_the_one_before_while_others_are_idle",
        hungry,
    ),
    ("a_file_that_is_no_video_is_bad_input", no_video),
    (
        "a_source_replaced_by_one_of_the_same_size_is_bad_input",
        replaced_source,
    ),
];

/// A folder with a source and storage.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) storage: Storage,
    pub(crate) job: JobId,
}

/// Five seconds, 125 frames: segments of 50, 50 and 25.
const SECONDS: u32 = 5;

impl Place {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().canonicalize()?.join("storage");
        let storage = Storage::open(root.to_str().context("a path in UTF-8")?)?;
        Ok(Self {
            folder,
            storage,
            job: JobId::new("job")?,
        })
    }

    fn source(&self) -> Result<PathBuf> {
        Ok(self.folder.path().canonicalize()?.join("source.mp4"))
    }

    fn url(&self) -> Result<String> {
        Ok(format!("file://{}", self.source()?.display()))
    }

    pub(crate) fn roots(&self) -> Result<SourceRoots> {
        Ok(SourceRoots::new([self
            .folder
            .path()
            .to_str()
            .context("a path in UTF-8")?])?)
    }

    /// Pictures that move, a tone in stereo, one subtitle.
    pub(crate) fn make_clip(&self) -> Result<()> {
        self.make_clip_of(SECONDS)
    }

    /// The same of another length.
    pub(crate) fn make_clip_of(&self, seconds: u32) -> Result<()> {
        let captions = self.folder.path().join("captions.srt");
        std::fs::write(&captions, "1\n00:00:01,000 --> 00:00:03,000\nHello\n")?;
        let pictures = format!("testsrc2=size=320x180:rate=25:duration={seconds}");
        let tone = format!("sine=frequency=440:sample_rate=48000:duration={seconds}");
        let made = Command::new("ffmpeg")
            .args([
                "-v", "error", "-y", "-f", "lavfi", "-i", &pictures, "-f", "lavfi", "-i", &tone,
            ])
            .arg("-i")
            .arg(&captions)
            .args([
                "-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "40", "-ac", "2", "-c:a", "aac",
            ])
            .args(["-c:s", "mov_text"])
            .arg(self.source()?)
            .status()
            .context("ffmpeg makes the source of this test")?;
        ensure!(made.success(), "ffmpeg: {made}");
        Ok(())
    }

    async fn write_ticket(&self) -> Result<()> {
        let ticket = Ticket {
            job: self.job.clone(),
            tenant: TenantId::new("tenant")?,
            title: TitleId::new("title")?,
            source_url: self.url()?,
            sidecars: Vec::new(),
            profile: Profile::built_in("preview")?,
            urgency: Urgency::of(50),
            held_max: None,
            webhook_url: String::new(),
            traceparent: String::new(),
            accepted_at_ms: 0,
        };
        Ok(self
            .storage
            .put_json(&layout::ticket(&self.job), &ticket)
            .await?)
    }

    /// Lets an agent do one task; gives what was committed, or the failure.
    pub(crate) async fn perform(
        &self,
        scheduler: FakeScheduler,
        kind: TaskKind,
        units: u32,
    ) -> Result<std::result::Result<BTreeMap<u32, UnitRecord>, Failure>> {
        scheduler.add(&self.job, kind, units)?;
        let running = Running::start(scheduler, &self.storage, self.roots()?)?;
        let scheduler = running.finish().await?;
        scheduler.with(|state| {
            ensure!(
                state.claimed_max <= 2,
                "{} units were claimed at a time",
                state.claimed_max
            );
            let chunk = &mut state.chunks[0];
            Ok(match chunk.failure.take() {
                Some(failure) => Err(failure),
                None => Ok(std::mem::take(&mut chunk.committed)),
            })
        })
    }

    pub(crate) async fn done(
        &self,
        kind: TaskKind,
        units: u32,
    ) -> Result<BTreeMap<u32, UnitRecord>> {
        let name = kind.name();
        let performed = self.perform(FakeScheduler::default(), kind, units).await?;
        performed.map_err(|failure| anyhow::anyhow!("{name}: {failure}\n{}", failure.evidence))
    }

    /// Probes the source and writes a plan.
    pub(crate) async fn plan(&self) -> Result<Plan> {
        self.write_ticket().await?;
        self.done(TaskKind::Probe, 1).await?;
        let probed: Probed = self
            .storage
            .get_json(&layout::source_info(&self.job))
            .await?;
        ensure!(probed.source.sha256.len() == 64, "{}", probed.source.sha256);
        let plan = plans::of(&self.job, &self.url()?, &probed)?;
        self.storage
            .put_json(&layout::plan(&self.job), &plan)
            .await?;
        Ok(plan)
    }

    /// Everything up to a packaged version.
    pub(crate) async fn package(&self) -> Result<PackageManifest> {
        let plan = self.plan().await?;
        let segments = plan.video.as_ref().context("pictures")?.grid.segments();
        self.done(encode(), segments).await?;
        for audio in &plan.audio {
            self.done(TaskKind::Audio { index: audio.index }, 1).await?;
        }
        for text in &plan.text {
            self.done(TaskKind::Text { index: text.index }, 1).await?;
        }
        self.done(TaskKind::Images, 1).await?;
        self.done(TaskKind::Qc, 1).await?;
        let version = VersionFile {
            job: self.job.clone(),
            version: 1,
        };
        self.storage
            .put_json(&layout::version_file(&plan.title, 1), &version)
            .await?;
        self.storage
            .put_json(&layout::job_version(&self.job), &version)
            .await?;
        self.done(TaskKind::Package, 1).await?;
        Ok(self
            .storage
            .get_json(&format!("jobs/{}/tasks/package.json", self.job))
            .await?)
    }

    pub(crate) fn file(&self, manifest: &PackageManifest, path: &str) -> Result<PathBuf> {
        let root = self.storage.local_root().context("storage is local")?;
        Ok(root.join(&manifest.path).join(path))
    }
}

pub(crate) fn encode() -> TaskKind {
    TaskKind::Encode {
        group: "h264".to_owned(),
    }
}

/// What ffprobe counts in a stream of a playlist.
fn counted(playlist: &Path, stream: &str) -> Result<u32> {
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", stream])
        .args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
        .arg(playlist)
        .output()?;
    let text = String::from_utf8(probe.stdout)?;
    let first = text
        .lines()
        .map(|line| line.trim_end_matches(','))
        .find(|line| !line.is_empty());
    first.and_then(|line| line.parse().ok()).with_context(|| {
        format!(
            "ffprobe said {text:?} {}",
            String::from_utf8_lossy(&probe.stderr)
        )
    })
}

fn becomes_a_version() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        let manifest = place.package().await?;
        place.done(TaskKind::Verify, 1).await?;
        let ids: Vec<&str> = manifest
            .tracks
            .iter()
            .map(|track| track.id.as_str())
            .collect();
        ensure!(
            ids == ["h264-90p", "h264-180p", "audio-0-aac2", "text-0"],
            "{ids:?}"
        );
        for rendition in ["h264-90p", "h264-180p"] {
            let playlist = place.file(&manifest, &format!("video/{rendition}/media.m3u8"))?;
            let frames = counted(&playlist, "v:0")?;
            ensure!(frames == 125, "{rendition} has {frames} frames");
        }
        let sound = place.file(&manifest, "audio/audio-0-aac2/media.m3u8")?;
        ensure!(
            counted(&sound, "a:0")? >= 234,
            "sound is shorter than the title"
        );
        let sheet = |name: &str| -> Result<(u32, u32)> {
            let bytes = std::fs::read(place.file(&manifest, &format!("images/{name}"))?)?;
            Ok(package::jpeg::size(&bytes)?)
        };
        let sheets = (sheet("00001.jpg")?, sheet("00002.jpg")?);
        ensure!(sheets == ((128, 144), (128, 144)), "{sheets:?}");
        // The same output packaged again is the same folder, and encoded again nothing is encoded.
        place.done(TaskKind::Package, 1).await?;
        let path = format!("jobs/{}/tasks/package.json", place.job);
        let again: PackageManifest = place.storage.get_json(&path).await?;
        ensure!(
            again == manifest,
            "packaging twice gives two different folders"
        );
        let found = place.done(encode(), 3).await?;
        ensure!(found.values().all(|record| record.reused), "{found:?}");
        for kind in [
            TaskKind::Audio { index: 0 },
            TaskKind::Text { index: 0 },
            TaskKind::Images,
        ] {
            let name = kind.name();
            ensure!(
                place.done(kind, 1).await?[&0].reused,
                "{name} was made again"
            );
        }
        Ok(())
    })
}

fn lost_lease() -> Result<()> {
    block_on(async {
        let undisturbed = Place::new()?;
        undisturbed.make_clip()?;
        undisturbed.plan().await?;
        let reference = undisturbed.done(encode(), 3).await?;

        let place = Place::new()?;
        std::fs::copy(undisturbed.source()?, place.source()?)?;
        place.plan().await?;
        let scheduler = FakeScheduler::default();
        let mut lost = false;
        scheduler.with(|state| {
            state.on_claim = Some(Box::new(move |state, unit| {
                if unit == 1 && !std::mem::replace(&mut lost, true) {
                    state.chunks[0].lose();
                }
            }));
        });
        let Ok(disturbed) = place.perform(scheduler, encode(), 3).await? else {
            bail!("a lost lease is no failure");
        };
        let digests = |records: &BTreeMap<u32, UnitRecord>| -> Vec<String> {
            records
                .values()
                .map(|record| record.digest.clone())
                .collect()
        };
        // Keys name the source by hash and no place, so the digests are over equal keys and bytes.
        ensure!(
            digests(&disturbed) == digests(&reference),
            "{disturbed:?} {reference:?}"
        );
        Ok(())
    })
}

fn killed() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        place.plan().await?;
        let scheduler = FakeScheduler::default();
        scheduler.add(&place.job, encode(), 3)?;
        let running = Running::start(scheduler.clone(), &place.storage, place.roots()?)?;
        let kill = running.shutdown.kill.clone();
        scheduler.with(|state| {
            state.on_claim = Some(Box::new(move |_, unit| {
                if unit == 1 {
                    kill.cancel();
                }
            }));
        });
        running.end_after(|state| state.releases > 0).await?;
        scheduler.with(|state| {
            let chunk = &state.chunks[0];
            ensure!(chunk.failure.is_none(), "{:?}", chunk.failure);
            ensure!(!chunk.is_finished(), "it was finished after all");
            Ok(())
        })
    })
}

/// When the next segment is asked for, the one before was fed, and its encoders wait for what follows.
fn drained() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        place.plan().await?;
        for fed in [1, 2] {
            let scheduler = FakeScheduler::default();
            scheduler.add(&place.job, encode(), 3)?;
            let running = Running::start(scheduler.clone(), &place.storage, place.roots()?)?;
            let drain = running.shutdown.drain.clone();
            scheduler.with(|state| {
                state.on_claim = Some(Box::new(move |_, unit| {
                    if unit == fed {
                        drain.cancel();
                    }
                }));
            });
            running.end_after(|state| state.releases > 0).await?;
            scheduler.with(|state| {
                let chunk = &state.chunks[0];
                ensure!(chunk.failure.is_none(), "{:?}", chunk.failure);
                let committed: Vec<u32> = chunk.committed.keys().copied().collect();
                ensure!(committed == (0..fed).collect::<Vec<_>>(), "{committed:?}");
                let last = &chunk.committed[&(fed - 1)];
                ensure!(!last.reused, "it was made before the signal");
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// While others have nothing to do a segment is claimed when the one before is committed.
fn hungry() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        place.plan().await?;
        let scheduler = FakeScheduler::default();
        scheduler.with(|state| state.hungry = true);
        scheduler.add(&place.job, encode(), 3)?;
        // Asked for after the first, to see what is told of as at hand.
        scheduler.add(&place.job, TaskKind::Images, 1)?;
        let running = Running::start(scheduler, &place.storage, place.roots()?)?;
        let scheduler = running.finish().await?;
        scheduler.with(|state| {
            let (chunk, claimed) = (&state.chunks[0], state.claimed_max);
            ensure!(chunk.failure.is_none(), "{:?}", chunk.failure);
            ensure!(chunk.committed.values().all(|record| !record.reused));
            ensure!(claimed == 1, "{claimed} segments were claimed at a time");
            ensure!(state.later > 0, "it asked for one at a time by itself");
            let at_hand = state.at_hand.iter().eq([&place.job.to_string()]);
            ensure!(at_hand, "{:?} at hand", state.at_hand);
            Ok(())
        })
    })
}

fn no_video() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        std::fs::write(place.source()?, "this is no video\n".repeat(1000))?;
        place.write_ticket().await?;
        let performed = place
            .perform(FakeScheduler::default(), TaskKind::Probe, 1)
            .await?;
        let failure = performed.err().context("it was taken for one")?;
        let blames_the_source = matches!(
            failure.kind,
            FailureKind::BadInput | FailureKind::Unsupported
        );
        ensure!(blames_the_source, "{failure}");
        Ok(())
    })
}

/// The replacement still plays, so only its hash tells.
fn replaced_source() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        let plan = place.plan().await?;
        let mut bytes = std::fs::read(place.source()?)?;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let other = place.folder.path().join("other.mp4");
        std::fs::write(&other, bytes)?;
        std::fs::rename(&other, place.source()?)?;
        let kinds = [
            encode(),
            TaskKind::Audio { index: 0 },
            TaskKind::Text { index: 0 },
        ];
        for kind in kinds {
            let name = kind.name();
            let performed = place.perform(FakeScheduler::default(), kind, 1).await?;
            let failure = performed
                .err()
                .with_context(|| format!("{name} was made"))?;
            ensure!(failure.kind == FailureKind::BadInput, "{failure}");
            ensure!(
                failure.message.contains("was changed since it was probed"),
                "{failure}"
            );
        }
        let video = plan.video.as_ref().context("pictures")?;
        let (group, segment) = (&video.groups[0], 0);
        for rendition in &group.renditions {
            let key = content_key::of_segment(&plan, video, group, rendition, segment);
            ensure!(
                !place.storage.exists(&layout::facts(&key)).await?,
                "{key} is poisoned"
            );
        }
        Ok(())
    })
}
