//! What a version of a title consists of: the tracks as the manifests describe them, each with the
//! objects that its files are copies of. Gathered from facts alone; names no job, host or time.

use super::claims;
use super::committed::{Committed, Depth};
use super::describe::{self, Sheet};
use super::text::{self, Room};
use crate::agent::Stop;
use model::facts::{AudioFacts, ImageFacts, SegmentFacts, TextFacts};
use model::plan::{AudioOutput, AudioPlan, Plan, RenditionGroup, TextPlan, VideoPlan};
use model::rendition::Rendition;
use model::{Failure, FailureKind, layout};
use package::cmaf::write::{TrackInit, TrackKind, init_segment};
use package::manifest::{AudioTrack, Presentation, Segment, VideoRendition};

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

/// One text track. Its segments are not here: those of all tracks would fill the memory.
pub(super) struct MadeText {
    /// Facts of the whole file.
    pub(super) facts: TextFacts,
    /// The whole file.
    pub(super) whole: Copied,
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
    pub(super) async fn gather(from: &Committed<'_>, plan: &Plan) -> Result<Self, Stop> {
        let mut version = Self {
            presentation: describe::empty(plan),
            video: Vec::new(),
            audio: Vec::new(),
            audio_facts: Vec::new(),
            text: Vec::new(),
            images: None,
        };
        if let Some(video) = &plan.video {
            version.add_pictures(from, plan, video).await?;
        }
        for track in &plan.audio {
            let made = from.sound(track, Depth::Bytes).await?;
            version.add_sound(plan, (track, &made))?;
        }
        let mut room = Room::default();
        for text in &plan.text {
            version.add_text(from, (plan, text), &mut room).await?;
        }
        version.presentation.validate().map_err(bug)?;
        Ok(version)
    }

    async fn add_pictures(
        &mut self,
        from: &Committed<'_>,
        plan: &Plan,
        video: &VideoPlan,
    ) -> Result<(), Stop> {
        for group in &video.groups {
            let all = from.segments_read(video, group).await?;
            for (rendition, read) in group.renditions.iter().zip(&all) {
                let (described, made) = pictures(video, (group, rendition), read)?;
                self.presentation.video.push(described);
                self.video.push(made);
            }
        }
        let facts = from.images(video).await?;
        let sheets: Vec<Sheet> = facts.sheets.iter().map(Sheet::from).collect();
        let images = describe::thumbnails(plan, video, &sheets).map_err(bug)?;
        self.presentation.images.extend(images);
        self.images = Some(facts);
        Ok(())
    }

    fn add_sound(
        &mut self,
        plan: &Plan,
        (track, made): (&AudioPlan, &[AudioFacts]),
    ) -> Result<(), Failure> {
        for (place, output) in track.outputs.iter().enumerate() {
            let facts = made.get(place).filter(|facts| facts.id == output.id);
            let facts = facts.ok_or_else(|| bug(format!("{} was not made", output.id)))?;
            let (described, files) = sound(plan, (track, output), facts)?;
            self.presentation.audio.push(described);
            self.audio.push(files);
            self.audio_facts.push(facts.clone());
        }
        Ok(())
    }

    async fn add_text(
        &mut self,
        from: &Committed<'_>,
        (plan, planned): (&Plan, &TextPlan),
        room: &mut Room,
    ) -> Result<(), Stop> {
        let facts = from.text(planned).await?;
        let (cues, size_bytes) = text::cues(from.context, &facts).await?;
        let described = describe::captions(plan, planned, (&cues, size_bytes));
        room.take(&described)?;
        self.presentation.text.push(described);
        self.text.push(MadeText {
            whole: Copied {
                from: layout::bytes(&facts.key, &facts.sha256, "vtt"),
                sha256: facts.sha256.clone(),
                size_bytes,
            },
            facts,
            cues: cues.len() as u64,
        });
        Ok(())
    }
}

/// `read` is of all segments, each with where its first picture ends, which I-frame playlists state.
fn pictures(
    video: &VideoPlan,
    (group, rendition): (&RenditionGroup, &Rendition),
    read: &[(SegmentFacts, u64)],
) -> Result<(VideoRendition, Made), Failure> {
    let facts = || read.iter().map(|(facts, _)| facts);
    let first = facts()
        .next()
        .ok_or_else(|| bug(format!("{} is empty", rendition.id)))?;
    if let Some(other) = facts().find(|facts| facts.config != first.config) {
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
            hdr: rendition.hdr,
        },
        timescale,
        language: "und".to_owned(),
        config: claims::config(&first.config).map_err(bug)?,
        edit: (delay > 0).then_some(delay),
    };
    let codecs = track.config.codecs_string().map_err(bug)?;
    let segments = read.iter().map(|(facts, key_bytes)| Segment {
        duration: facts.duration,
        size_bytes: facts.size_bytes,
        key_bytes: *key_bytes,
    });
    let described = describe::pictures(video, rendition, codecs, segments.collect());
    let copied = facts().map(|facts| Copied {
        from: layout::bytes(&facts.key, &facts.sha256, "m4s"),
        sha256: facts.sha256.clone(),
        size_bytes: facts.size_bytes,
    });
    let made = Made {
        init: init_segment(&track).map_err(bug)?,
        segments: copied.collect(),
        samples: facts().map(|facts| u64::from(facts.frames)).sum(),
    };
    Ok((described, made))
}

fn sound(
    plan: &Plan,
    (track, output): (&AudioPlan, &AudioOutput),
    facts: &AudioFacts,
) -> Result<(AudioTrack, Made), Failure> {
    let init = TrackInit {
        kind: TrackKind::Audio {
            channels: output.channels,
            sample_rate: output.sample_rate,
        },
        timescale: output.sample_rate,
        language: track.track.language.clone(),
        config: claims::config(&facts.config).map_err(bug)?,
        edit: (facts.priming > 0).then_some(u64::from(facts.priming)),
    };
    let segments = facts.segments.iter().map(|segment| Segment {
        duration: segment.duration,
        size_bytes: segment.size_bytes,
        key_bytes: 0,
    });
    let measured = (facts.config.codecs.clone(), facts.priming);
    let described = describe::sound(plan, (track, output), measured, segments.collect());
    let copied = facts.segments.iter().map(|segment| Copied {
        from: layout::bytes(&facts.key, &segment.sha256, "m4s"),
        sha256: segment.sha256.clone(),
        size_bytes: segment.size_bytes,
    });
    let made = Made {
        init: init_segment(&init).map_err(bug)?,
        segments: copied.collect(),
        samples: facts.samples,
    };
    Ok((described, made))
}
