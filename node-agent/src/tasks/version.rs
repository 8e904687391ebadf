//! What a version of a title consists of: the tracks as the manifests describe them, each with the
//! objects that its files are copies of. Gathered from facts alone; names no job, host or time.

use super::context::{Context, in_order};
use super::qc::{audio, result_of, segments};
use crate::transfer::digest;
use bytes::Bytes;
use futures::FutureExt;
use model::facts::{AudioFacts, CodecConfig, ImageFacts, SegmentFacts, TextFacts};
use model::plan::{AudioPlan, Plan, RenditionGroup, TextPlan, VideoPlan};
use model::rendition::Rendition;
use model::task::TaskKind;
use model::{Failure, FailureKind, Rational, layout};
use package::cmaf::read::media_segment;
use package::cmaf::write::{TrackInit, TrackKind, init_segment};
use package::manifest::{
    AudioRole, AudioTrack, ImageTrack, Presentation, Segment, TextTrack, Track, VideoRendition,
};
use package::text::{Cue, TimestampMap, parse, segments as text_segments};

/// Size of a sprite tile.
const TILE: (u32, u32) = (128, 72);

/// Folder of thumbnails and poster.
pub(super) const IMAGES: &str = "images";

/// A file that is a copy of an object in storage.
#[derive(Clone)]
pub(super) struct Copied {
    /// Object in storage.
    pub(super) from: String,
    /// SHA-256 of it.
    pub(super) sha256: String,
    /// Size of it.
    pub(super) size_bytes: u64,
}

/// One track with segments.
pub(super) struct Made {
    /// The init segment.
    pub(super) init: Vec<u8>,
    /// Media segments in order.
    pub(super) segments: Vec<Copied>,
    /// Samples in all segments.
    pub(super) samples: u64,
}

/// One text track.
pub(super) struct MadeText {
    /// The whole file.
    pub(super) whole: Bytes,
    /// Segments in order.
    pub(super) segments: Vec<String>,
    /// Cues.
    pub(super) cues: u64,
}

/// Everything of a version.
pub(super) struct Version {
    /// As the manifests describe it.
    pub(super) presentation: Presentation,
    /// Pictures, in the order of the presentation.
    pub(super) video: Vec<Made>,
    /// Sound, in the order of the presentation.
    pub(super) audio: Vec<Made>,
    /// Facts of the sound, in the same order.
    pub(super) audio_facts: Vec<AudioFacts>,
    /// Text, in the order of the presentation.
    pub(super) text: Vec<MadeText>,
    /// Sheets and poster, where the title has pictures.
    pub(super) images: Option<ImageFacts>,
}

pub(super) fn bug(error: impl ToString) -> Failure {
    Failure::new(FailureKind::Bug, "package", error.to_string())
}

impl Version {
    /// Gathers a version from the facts of a job's output.
    pub(super) async fn gather(context: &Context, plan: &Plan) -> Result<Self, Failure> {
        let presentation = Presentation {
            title: plan.title.to_string(),
            duration: plan.duration,
            video: Vec::new(),
            audio: Vec::new(),
            text: Vec::new(),
            images: Vec::new(),
        };
        let mut version = Self {
            presentation,
            video: Vec::new(),
            audio: Vec::new(),
            audio_facts: Vec::new(),
            text: Vec::new(),
            images: None,
        };
        if let Some(video) = &plan.video {
            version.add_pictures(context, plan, video).await?;
        }
        version.add_sound(plan, audio(context, plan).await?)?;
        for text in &plan.text {
            version.add_text(context, plan, text).await?;
        }
        version.presentation.validate().map_err(bug)?;
        Ok(version)
    }

    async fn add_pictures(
        &mut self,
        context: &Context,
        plan: &Plan,
        video: &VideoPlan,
    ) -> Result<(), Failure> {
        for group in &video.groups {
            for rendition in &group.renditions {
                let facts = segments(context, plan, video, (group, rendition)).await?;
                let (described, made) =
                    pictures(context, video, (group, rendition), &facts).await?;
                self.presentation.video.push(described);
                self.video.push(made);
            }
        }
        let path = result_of(plan, &TaskKind::Images)?;
        let facts: ImageFacts = context.pieces.get_json(&path).await?;
        if !facts.sheets.is_empty() {
            self.presentation
                .images
                .push(thumbnails(plan, video, &facts)?);
        }
        self.images = Some(facts);
        Ok(())
    }

    fn add_sound(&mut self, plan: &Plan, all: Vec<Vec<AudioFacts>>) -> Result<(), Failure> {
        let default = plan
            .audio
            .iter()
            .position(|track| track.track.is_default)
            .unwrap_or(0);
        for (place, (track, outputs)) in plan.audio.iter().zip(all).enumerate() {
            for facts in outputs {
                let described = sound(track, &facts, place == default);
                self.presentation.audio.push(described);
                self.audio.push(sound_files(track, &facts)?);
                self.audio_facts.push(facts);
            }
        }
        Ok(())
    }

    async fn add_text(
        &mut self,
        context: &Context,
        plan: &Plan,
        text: &TextPlan,
    ) -> Result<(), Failure> {
        let path = result_of(plan, &TaskKind::Text { index: text.index })?;
        let facts: TextFacts = context.pieces.get_json(&path).await?;
        let path = layout::bytes(&facts.key, &facts.sha256, "vtt");
        let whole = context.pieces.get(&path).await?;
        if digest(&whole) != facts.sha256 {
            let message = format!("{path} is not what its name says");
            return Err(Failure::new(FailureKind::Storage, "package", message));
        }
        let cues = parse(&whole).map_err(bug)?.cues;
        let (described, segments) = captions(plan, text, &facts, (&cues, whole.len()))?;
        self.presentation.text.push(described);
        self.text.push(MadeText {
            whole,
            segments,
            cues: cues.len() as u64,
        });
        Ok(())
    }
}

fn config(stored: &CodecConfig) -> Result<package::CodecConfig, Failure> {
    let record = hex::decode(&stored.record).map_err(bug)?;
    package::CodecConfig::from_record(&stored.entry, &record).map_err(bug)
}

async fn pictures(
    context: &Context,
    video: &VideoPlan,
    (group, rendition): (&RenditionGroup, &Rendition),
    facts: &[SegmentFacts],
) -> Result<(VideoRendition, Made), Failure> {
    let first = facts
        .first()
        .ok_or_else(|| bug(format!("{} is empty", rendition.id)))?;
    if let Some(other) = facts.iter().find(|facts| facts.config != first.config) {
        return Err(bug(format!(
            "{}: {} has another codec configuration",
            group.name, other.key
        )));
    }
    let (timescale, ticks) = video.grid.timescale();
    let delay = u64::from(rendition.codec.composition_delay_frames()) * u64::from(ticks);
    let track = TrackInit {
        kind: TrackKind::Video {
            width: rendition.width,
            height: rendition.height,
            color: rendition.color,
        },
        timescale,
        language: "und".to_owned(),
        config: config(&first.config)?,
        edit: (delay > 0).then_some(delay),
    };
    let described = VideoRendition {
        track: Track {
            id: rendition.id.clone(),
            path: format!("video/{}", rendition.id),
            codecs: track.config.codecs_string().map_err(bug)?,
            timescale,
            skip: 0,
            segments: key_pictures(context, facts).await?,
        },
        width: rendition.width,
        height: rendition.height,
        frame_rate: rendition.frame_rate,
        color: rendition.color,
    };
    let copied = facts.iter().map(|facts| Copied {
        from: layout::bytes(&facts.key, &facts.sha256, "m4s"),
        sha256: facts.sha256.clone(),
        size_bytes: facts.size_bytes,
    });
    let made = Made {
        init: init_segment(&track).map_err(bug)?,
        segments: copied.collect(),
        samples: facts.iter().map(|facts| u64::from(facts.frames)).sum(),
    };
    Ok((described, made))
}

/// Reads where the first picture of each segment ends, which I-frame playlists state.
async fn key_pictures(context: &Context, facts: &[SegmentFacts]) -> Result<Vec<Segment>, Failure> {
    let read = |facts: &SegmentFacts| {
        let path = layout::bytes(&facts.key, &facts.sha256, "m4s");
        let (duration, size_bytes) = (facts.duration, facts.size_bytes);
        async move {
            let bytes = context.pieces.get(&path).await?;
            let fragment = media_segment(&bytes).map_err(|e| bug(format!("{path}: {e}")))?;
            let key_bytes = fragment.facts().first_sample_end;
            Ok(Segment {
                duration,
                size_bytes,
                key_bytes,
            })
        }
        .boxed()
    };
    in_order(facts.iter().map(read)).await
}

fn role(track: &AudioPlan, is_default: bool) -> AudioRole {
    let title = track.track.title.to_lowercase();
    if title.contains("commentary") {
        AudioRole::Commentary
    } else if title.contains("description") || title.contains("descriptive") {
        AudioRole::Description
    } else if is_default {
        AudioRole::Main
    } else {
        AudioRole::Alternate
    }
}

fn sound(track: &AudioPlan, facts: &AudioFacts, is_default: bool) -> AudioTrack {
    let segments = facts.segments.iter().map(|segment| Segment {
        duration: segment.duration,
        size_bytes: segment.size_bytes,
        key_bytes: 0,
    });
    AudioTrack {
        track: Track {
            id: facts.id.clone(),
            path: format!("audio/{}", facts.id),
            codecs: facts.config.codecs.clone(),
            timescale: facts.sample_rate,
            skip: u64::from(facts.priming),
            segments: segments.collect(),
        },
        language: track.track.language.clone(),
        name: track.track.title.clone(),
        is_default,
        channels: facts.channels,
        sample_rate: facts.sample_rate,
        role: role(track, is_default),
    }
}

fn sound_files(track: &AudioPlan, facts: &AudioFacts) -> Result<Made, Failure> {
    let init = TrackInit {
        kind: TrackKind::Audio {
            channels: facts.channels,
            sample_rate: facts.sample_rate,
        },
        timescale: facts.sample_rate,
        language: track.track.language.clone(),
        config: config(&facts.config)?,
        edit: (facts.priming > 0).then_some(u64::from(facts.priming)),
    };
    let copied = facts.segments.iter().map(|segment| Copied {
        from: layout::bytes(&facts.key, &segment.sha256, "m4s"),
        sha256: segment.sha256.clone(),
        size_bytes: segment.size_bytes,
    });
    Ok(Made {
        init: init_segment(&init).map_err(bug)?,
        segments: copied.collect(),
        samples: facts.samples,
    })
}

/// Text is cut where pictures are, or where sound is, in milliseconds: what WebVTT can say.
fn text_durations(plan: &Plan) -> Vec<u64> {
    let borders: Vec<Rational> = match &plan.video {
        Some(video) => {
            let grid = &video.grid;
            (0..grid.segments())
                .map(|index| grid.time_of(grid.segment(index).end))
                .collect()
        }
        None => plan.audio_borders.clone(),
    };
    let thousand = Rational::whole(1000);
    let milliseconds = |at: &Rational| at.checked_mul(thousand).map_or(0, Rational::round);
    let mut start = 0;
    let durations = borders.iter().map(milliseconds).map(|end| {
        let duration = u64::try_from(end - start).unwrap_or(0);
        start = end;
        duration
    });
    durations.filter(|duration| *duration > 0).collect()
}

fn captions(
    plan: &Plan,
    text: &TextPlan,
    facts: &TextFacts,
    (cues, whole_bytes): (&[Cue], usize),
) -> Result<(TextTrack, Vec<String>), Failure> {
    const MILLISECONDS: u32 = 1000;
    let durations = text_durations(plan);
    let files = text_segments(cues, MILLISECONDS, &durations, TimestampMap::Zero);
    let segments = durations
        .iter()
        .zip(&files)
        .map(|(duration, file)| Segment {
            duration: *duration,
            size_bytes: file.len() as u64,
            key_bytes: 0,
        });
    let track = Track {
        id: facts.id.clone(),
        path: format!("text/{}", facts.id),
        codecs: "wvtt".to_owned(),
        timescale: MILLISECONDS,
        skip: 0,
        segments: segments.collect(),
    };
    let described = TextTrack {
        track,
        language: text.track.language.clone(),
        name: text.track.title.clone(),
        forced: text.track.forced,
        hearing_impaired: text.track.hearing_impaired,
        whole_bytes: whole_bytes as u64,
    };
    Ok((described, files))
}

/// The last sheet may have fewer rows than the others; where it is the only one, they are the rows of
/// the track.
fn thumbnails(plan: &Plan, video: &VideoPlan, facts: &ImageFacts) -> Result<ImageTrack, Failure> {
    let columns = plan.profile.images.columns;
    let rows = facts
        .sheets
        .first()
        .map_or(0, |sheet| sheet.height / TILE.1);
    let full = (columns * TILE.0, rows * TILE.1);
    for (place, sheet) in facts.sheets.iter().enumerate() {
        let size = (sheet.width, sheet.height);
        let is_last = place + 1 == facts.sheets.len();
        let is_short = size.0 == full.0 && size.1 < full.1 && size.1 % TILE.1 == 0;
        if size != full && !(is_last && is_short) {
            return Err(bug(format!(
                "sheet {} is {} x {}",
                sheet.sha256, size.0, size.1
            )));
        }
    }
    Ok(ImageTrack {
        id: "thumbnails".to_owned(),
        path: IMAGES.to_owned(),
        tile_width: TILE.0,
        tile_height: TILE.1,
        columns,
        rows,
        tile_seconds: video.grid.time_of(plan.tile_frames),
        sheet_bytes: facts.sheets.iter().map(|file| file.size_bytes).collect(),
    })
}
