//! What is published of a title, as both manifests need it: the one description from which HLS and
//! DASH are made. It owns the file names below a track's folder, so that no manifest can name a file
//! that the other does not, and the packager has nothing to invent.
//!
//! Durations are media ticks as they are in the segments. What an edit list skips is subtracted where
//! a manifest states presentation time ([`Track::presented`]: DASH) and not where it states how much
//! media a file holds ([`Track::decoded`]: HLS).

mod rate;

use crate::error::{Error, Result};
use model::Rational;
use model::source::Color;

/// A title with all its tracks.
#[derive(Debug, Clone, PartialEq)]
pub struct Presentation {
    /// Title id, for people.
    pub title: String,
    /// Length in seconds.
    pub duration: Rational,
    /// Pictures; the first is what players start with.
    pub video: Vec<VideoRendition>,
    /// Sound.
    pub audio: Vec<AudioTrack>,
    /// Subtitles and captions.
    pub text: Vec<TextTrack>,
    /// Thumbnails.
    pub images: Vec<ImageTrack>,
}

/// One segment of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Length in ticks of the track, as the samples say.
    pub duration: u64,
    /// Size of the file.
    pub size_bytes: u64,
    /// Bytes from the start of the file to the end of its first sample, which is a key picture
    /// (`cmaf::read::SegmentFacts::first_sample_end`); 0 where that is not meaningful.
    pub key_bytes: u64,
}

/// What all tracks with segments have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Unique in the presentation.
    pub id: String,
    /// Folder relative to the manifests, such as `video/h264-720p`: `[A-Za-z0-9._-]` and slashes.
    pub path: String,
    /// Codecs parameter of RFC 6381.
    pub codecs: String,
    /// Ticks per second.
    pub timescale: u32,
    /// Ticks at the start that the edit list skips: encoder delay of sound, otherwise 0.
    pub skip: u64,
    /// Segments in order, numbered from 1.
    pub segments: Vec<Segment>,
}

/// Pictures in one size and codec.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoRendition {
    /// Segments and codec.
    pub track: Track,
    /// Width; samples are square.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// Frames per second.
    pub frame_rate: Rational,
    /// Colour description.
    pub color: Color,
}

/// Sound in one language and format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioTrack {
    /// Segments and codec.
    pub track: Track,
    /// BCP 47 tag.
    pub language: String,
    /// What the player shows; may be empty.
    pub name: String,
    /// Whether it is played where the viewer has no preference.
    pub is_default: bool,
    /// Channels, the low-frequency one counted.
    pub channels: u32,
    /// Samples per second.
    pub sample_rate: u32,
    /// What it is for.
    pub role: AudioRole,
}

/// What a sound track is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioRole {
    /// The original programme.
    Main,
    /// The same programme otherwise, such as a dub.
    Alternate,
    /// Commentary.
    Commentary,
    /// The programme with its pictures described.
    Description,
}

/// Subtitles or captions in one language, as WebVTT: segmented for HLS, whole for DASH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTrack {
    /// Segments; `codecs` is `wvtt`, `key_bytes` are 0.
    pub track: Track,
    /// BCP 47 tag.
    pub language: String,
    /// What the player shows; may be empty.
    pub name: String,
    /// Shown even where subtitles are off.
    pub forced: bool,
    /// Written for people who do not hear: captions.
    pub hearing_impaired: bool,
    /// Size of the whole file.
    pub whole_bytes: u64,
}

/// Thumbnails, tiled on sheets. Every sheet has the full size, also the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTrack {
    /// Unique in the presentation.
    pub id: String,
    /// Folder relative to the manifests.
    pub path: String,
    /// Width of one tile.
    pub tile_width: u32,
    /// Height of one tile.
    pub tile_height: u32,
    /// Tiles side by side.
    pub columns: u32,
    /// Rows of tiles.
    pub rows: u32,
    /// Seconds that one tile stands for.
    pub tile_seconds: Rational,
    /// Size of each sheet in bytes, in order.
    pub sheet_bytes: Vec<u64>,
}

/// File name of an init segment.
pub const INIT_FILE: &str = "init.mp4";
/// File name of a media playlist.
pub const PLAYLIST_FILE: &str = "media.m3u8";
/// File name of an I-frame playlist.
pub const IFRAME_PLAYLIST_FILE: &str = "iframes.m3u8";
/// File name of a whole WebVTT file.
pub const TEXT_FILE: &str = "text.vtt";
/// File name of the WebVTT file that places the thumbnails.
pub const THUMBNAILS_FILE: &str = "thumbnails.vtt";

/// File name of a media segment; `number` counts from 1.
pub fn segment_file(number: usize) -> String {
    format!("{number:05}.m4s")
}

/// File name of a segment of WebVTT; `number` counts from 1.
pub fn text_segment_file(number: usize) -> String {
    format!("{number:05}.vtt")
}

/// File name of a sheet of thumbnails; `number` counts from 1.
pub fn sheet_file(number: usize) -> String {
    format!("{number:05}.jpg")
}

/// From when to when a segment lasts, in ticks of its track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Start; a track starts at 0.
    pub start: u64,
    /// End.
    pub end: u64,
}

impl Track {
    /// Presentation times of the segments after the edit list: the first is shorter by what is skipped.
    pub fn presented(&self) -> Vec<Span> {
        let after_edit = |span: Span| Span {
            start: span.start.saturating_sub(self.skip),
            end: span.end.saturating_sub(self.skip),
        };
        self.decoded().into_iter().map(after_edit).collect()
    }

    /// Decode times of the segments, from 0: what is skipped counts.
    pub fn decoded(&self) -> Vec<Span> {
        let mut end = 0_u64;
        let spans = self.segments.iter().map(|segment| {
            let start = end;
            end = end.saturating_add(segment.duration);
            Span { start, end }
        });
        spans.collect()
    }

    /// Presented length in seconds.
    pub fn seconds(&self) -> Rational {
        let end = self.presented().last().map_or(0, |last| last.end);
        self.in_seconds(end)
    }

    /// Ticks as seconds.
    pub fn in_seconds(&self, ticks: u64) -> Rational {
        i64::try_from(ticks)
            .ok()
            .and_then(|ticks| Rational::new(ticks, i64::from(self.timescale)))
            .unwrap_or(Rational::ZERO)
    }
}

impl ImageTrack {
    /// Seconds that a sheet stands for.
    pub fn sheet_seconds(&self) -> Rational {
        let tiles = Rational::whole(i64::from(self.columns) * i64::from(self.rows));
        tiles
            .checked_mul(self.tile_seconds)
            .unwrap_or(Rational::ZERO)
    }
}

impl Presentation {
    /// Checks what the manifests rely on: ids are unique, paths are plain relative ones, nothing is
    /// empty, timescales and rates are positive.
    pub fn validate(&self) -> Result<()> {
        let tracks = self
            .tracks()
            .chain(self.text.iter().map(|text| &text.track));
        let images = self.images.iter().map(|image| (&image.id, &image.path));
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for track in tracks.clone() {
            if track.timescale == 0 || track.segments.is_empty() {
                return Err(Error::invalid(
                    &track.id,
                    "it has no segments or no timescale",
                ));
            }
        }
        for (id, path) in tracks.map(|track| (&track.id, &track.path)).chain(images) {
            if !is_plain_path(path) {
                return Err(Error::invalid(
                    id,
                    format!("{path:?} is not a plain relative path"),
                ));
            }
            if seen
                .iter()
                .any(|(known_id, known_path)| known_id == id || known_path == path)
            {
                return Err(Error::invalid(id, "its id or path is used twice"));
            }
            seen.push((id, path));
        }
        self.validate_values()
    }

    fn validate_values(&self) -> Result<()> {
        if self.video.is_empty() && self.audio.is_empty() {
            return Err(Error::invalid(
                &self.title,
                "it has neither pictures nor sound",
            ));
        }
        if self.duration <= Rational::ZERO {
            return Err(Error::invalid(&self.title, "it has no duration"));
        }
        for video in &self.video {
            if video.width == 0 || video.height == 0 || video.frame_rate <= Rational::ZERO {
                return Err(Error::invalid(
                    &video.track.id,
                    "it has no size or frame rate",
                ));
            }
        }
        for image in &self.images {
            if image.sheet_seconds() <= Rational::ZERO || image.sheet_bytes.is_empty() {
                return Err(Error::invalid(&image.id, "it has no tiles"));
            }
        }
        Ok(())
    }

    /// Every track of pictures and sound.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = &Track> + Clone {
        let video = self.video.iter().map(|video| &video.track);
        video.chain(self.audio.iter().map(|audio| &audio.track))
    }
}

fn is_plain_path(path: &str) -> bool {
    path.split('/').all(|part| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !part.is_empty() && part.bytes().all(plain) && part.bytes().any(|byte| byte != b'.')
    })
}

#[cfg(test)]
pub(crate) mod tests;
