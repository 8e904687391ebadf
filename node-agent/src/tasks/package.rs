//! Writes the files of a version into its folder. Segments are copied inside storage; manifests come
//! last, so that nobody who finds one misses what it names. Every file is a function of the output:
//! the same output packaged again gives the same folder.

use super::committed::Committed;
use super::context::{Context, in_order};
use super::describe::{self, DASH_FILE, HLS_FILE, IMAGES};
use super::single::Outcome;
use super::text;
use super::version::{Copied, Made, Version, bug};
use crate::agent::{Attempt, Stop};
use crate::transfer::{self, digest};
use bytes::Bytes;
use futures::FutureExt;
use model::catalog::{PackageManifest, PackagedFile, PackagedTrack, VersionFile};
use model::plan::Plan;
use model::{Failure, layout};
use package::manifest::{
    INIT_FILE, TEXT_FILE, THUMBNAILS_FILE, TextTrack, Track, VideoRendition, segment_file,
    sheet_file, text_segment_file,
};
use package::text::{Cue, thumbnails};
use std::sync::atomic::{AtomicU32, Ordering};

/// The poster, in the folder of the thumbnails.
const POSTER_FILE: &str = "poster.jpg";

pub(super) async fn run(context: &Context, attempt: &Attempt) -> Result<Outcome, Stop> {
    let job = &attempt.task().job;
    let loaded = context.pinned_plan(job).await?;
    let plan = &loaded.plan;
    let reserved: VersionFile = context.pieces.get_json(&layout::job_version(job)).await?;
    if reserved.job != *job {
        return Err(bug(format!(
            "version {} is reserved for {}",
            reserved.version, reserved.job
        ))
        .into());
    }
    let committed = Committed {
        context,
        attempt,
        loaded: &loaded,
    };
    let version = Version::gather(&committed, plan).await?;
    let folder = layout::version(&plan.title, reserved.version);
    let mut files = Files::default();
    files.add_tracks(&version);
    files.add_whole_texts(&version);
    files.add_images(plan, &version);
    let manifests = Files::manifests(&version);
    let mut written = files.write(context, attempt, &folder).await?;
    // The segments of one track at a time are in memory.
    for (track, made) in version.presentation.text.iter().zip(&version.text) {
        let (cues, _) = text::cues(context, &made.facts).await?;
        let segments = Files::text_segments(plan, track, &cues);
        drop(cues);
        written.extend(segments.write(context, attempt, &folder).await?);
    }
    written.extend(manifests.write(context, attempt, &folder).await?);
    written.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = PackageManifest {
        path: folder,
        hls: HLS_FILE.to_owned(),
        dash: DASH_FILE.to_owned(),
        duration: plan.duration,
        files: written,
        tracks: tracks(&version),
    };
    Ok(Outcome::write(context, attempt, &manifest, false).await?)
}

/// Where a file's bytes come from.
enum Content {
    Copy(Copied),
    Bytes(Bytes),
}

/// Files to be written, by path below the folder.
#[derive(Default)]
struct Files(Vec<(String, Content)>);

impl Files {
    fn copy(&mut self, path: String, from: &Copied) {
        self.0.push((path, Content::Copy(from.clone())));
    }

    fn bytes(&mut self, path: String, bytes: impl Into<Bytes>) {
        self.0.push((path, Content::Bytes(bytes.into())));
    }

    fn add_tracks(&mut self, version: &Version) {
        let presentation = &version.presentation;
        let video = presentation
            .video
            .iter()
            .map(|video| &video.track)
            .zip(&version.video);
        let audio = presentation
            .audio
            .iter()
            .map(|audio| &audio.track)
            .zip(&version.audio);
        for (track, made) in video.chain(audio) {
            self.bytes(format!("{}/{INIT_FILE}", track.path), made.init.clone());
            for (index, from) in made.segments.iter().enumerate() {
                self.copy(format!("{}/{}", track.path, segment_file(index + 1)), from);
            }
        }
    }

    fn add_whole_texts(&mut self, version: &Version) {
        for (text, made) in version.presentation.text.iter().zip(&version.text) {
            self.copy(format!("{}/{TEXT_FILE}", text.track.path), &made.whole);
        }
    }

    fn text_segments(plan: &Plan, text: &TextTrack, cues: &[Cue]) -> Self {
        let mut files = Self::default();
        for (index, file) in (1..).zip(describe::caption_segments(plan, cues)) {
            files.bytes(
                format!("{}/{}", text.track.path, text_segment_file(index)),
                file,
            );
        }
        files
    }

    fn add_images(&mut self, plan: &Plan, version: &Version) {
        let Some(facts) = &version.images else { return };
        let copied = |sha256: &str, size_bytes| Copied {
            from: layout::bytes(&facts.key, sha256, "jpg"),
            sha256: sha256.to_owned(),
            size_bytes,
        };
        for (index, sheet) in facts.sheets.iter().enumerate() {
            let path = format!("{IMAGES}/{}", sheet_file(index + 1));
            self.copy(path, &copied(&sheet.sha256, sheet.size_bytes));
        }
        if let Some(poster) = &facts.poster {
            let path = format!("{IMAGES}/{POSTER_FILE}");
            self.copy(path, &copied(&poster.sha256, poster.size_bytes));
        }
        for images in &version.presentation.images {
            let placed = thumbnails(images, plan.duration);
            self.bytes(format!("{}/{THUMBNAILS_FILE}", images.path), placed);
        }
    }

    /// What is written after everything that it names.
    fn manifests(version: &Version) -> Self {
        let mut files = Self::default();
        for (path, text) in describe::manifests(&version.presentation) {
            files.bytes(path, text);
        }
        files
    }

    /// Writes all files, several at a time.
    async fn write(
        self,
        context: &Context,
        attempt: &Attempt,
        folder: &str,
    ) -> Result<Vec<PackagedFile>, Failure> {
        let all = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let done = AtomicU32::new(0);
        let written = self.0.into_iter().map(|(path, content)| {
            let done = &done;
            async move {
                let file = write(context, folder, path, content).await?;
                attempt.progress(0, done.fetch_add(1, Ordering::Relaxed) + 1, all, None);
                Ok(file)
            }
            .boxed()
        });
        in_order(written).await
    }
}

async fn write(
    context: &Context,
    folder: &str,
    path: String,
    content: Content,
) -> Result<PackagedFile, Failure> {
    let to = format!("{folder}/{path}");
    let (sha256, size_bytes) = match content {
        Content::Copy(from) => {
            let object = transfer::Content {
                path: &from.from,
                sha256: &from.sha256,
                size_bytes: from.size_bytes,
            };
            context.pieces.copy(&object, &to).await?;
            (from.sha256, from.size_bytes)
        }
        Content::Bytes(bytes) => {
            let known = (digest(&bytes), bytes.len() as u64);
            context.pieces.put(&to, bytes).await?;
            known
        }
    };
    Ok(PackagedFile {
        path,
        sha256,
        size_bytes,
    })
}

fn line(track: &Track, made: &Made) -> PackagedTrack {
    PackagedTrack {
        id: track.id.clone(),
        codecs: track.codecs.clone(),
        width: 0,
        height: 0,
        samples: made.samples,
        average_bps: track.average_bps(),
        peak_bps: track.peak_bps(),
        language: String::new(),
        loudness_centi_lufs: None,
    }
}

/// One line for each track, for tables.
fn tracks(version: &Version) -> Vec<PackagedTrack> {
    let presentation = &version.presentation;
    let video = presentation.video.iter().zip(&version.video);
    let video = video.map(
        |(
            VideoRendition {
                track,
                width,
                height,
                ..
            },
            made,
        )| PackagedTrack {
            width: *width,
            height: *height,
            ..line(track, made)
        },
    );
    let audio = presentation
        .audio
        .iter()
        .zip(&version.audio)
        .zip(&version.audio_facts);
    let audio = audio.map(|((audio, made), facts)| PackagedTrack {
        language: audio.language.clone(),
        loudness_centi_lufs: facts.output.integrated_centi_lufs,
        ..line(&audio.track, made)
    });
    let text = presentation
        .text
        .iter()
        .zip(&version.text)
        .map(|(text, made)| PackagedTrack {
            id: text.track.id.clone(),
            codecs: text.track.codecs.clone(),
            width: 0,
            height: 0,
            samples: made.cues,
            average_bps: text.track.average_bps(),
            peak_bps: text.track.peak_bps(),
            language: text.language.clone(),
            loudness_centi_lufs: None,
        });
    video.chain(audio).chain(text).collect()
}
