//! A version as its manifests describe it: plan and measured numbers in, [`package`]'s presentation
//! and the texts of the manifests out. Packaging measures facts and verification measures the files
//! that were written, and both describe them here, so that the same numbers give the same manifests.

use super::claims::Claim;
use model::Rational;
use model::facts::ImageFile;
use model::plan::{AudioOutput, AudioPlan, Plan, TextPlan, VideoPlan};
use model::rendition::Rendition;
use package::manifest::{
    AudioRole, AudioTrack, IFRAME_PLAYLIST_FILE, ImageTrack, PLAYLIST_FILE, Presentation, Segment,
    TextTrack, Track, VideoRendition,
};
use package::text::{Cue, TimestampMap, segment_sizes, segments as text_segments};
use package::{dash, hls};

/// The HLS multivariant playlist.
pub(super) const HLS_FILE: &str = "index.m3u8";
/// The DASH manifest.
pub(super) const DASH_FILE: &str = "manifest.mpd";
/// Folder of all text tracks.
pub(super) const TEXT: &str = "text";
/// Folder of thumbnails and poster.
pub(super) const IMAGES: &str = "images";

/// Ticks of text in a second.
const MILLISECONDS: u32 = 1000;

/// Size of a sprite tile.
const TILE: (u32, u32) = (128, 72);

/// A title without tracks.
pub(super) fn empty(plan: &Plan) -> Presentation {
    Presentation {
        title: plan.title.to_string(),
        duration: plan.duration,
        video: Vec::new(),
        audio: Vec::new(),
        text: Vec::new(),
        images: Vec::new(),
    }
}

/// Folder of a rendition.
pub(super) fn video_path(rendition: &Rendition) -> String {
    format!("video/{}", rendition.id)
}

/// Folder of an output of sound.
pub(super) fn sound_path(output: &AudioOutput) -> String {
    format!("audio/{}", output.id)
}

/// Folder of a text track.
pub(super) fn text_path(text: &TextPlan) -> String {
    format!("{TEXT}/{}", text_id(text))
}

/// Id of a text track's output.
pub(super) fn text_id(text: &TextPlan) -> String {
    format!("text-{}", text.index)
}

/// A rendition.
pub(super) fn pictures(
    video: &VideoPlan,
    rendition: &Rendition,
    codecs: String,
    segments: Vec<Segment>,
) -> VideoRendition {
    VideoRendition {
        track: Track {
            id: rendition.id.clone(),
            path: video_path(rendition),
            codecs,
            timescale: video.grid.timescale().0,
            skip: 0,
            segments,
        },
        width: rendition.width,
        height: rendition.height,
        frame_rate: rendition.frame_rate,
        color: rendition.color,
    }
}

/// Whether a sound track is the one that plays where the viewer has no preference.
fn is_default(plan: &Plan, track: &AudioPlan) -> bool {
    let marked = plan.audio.iter().find(|other| other.track.is_default);
    let default = marked.or(plan.audio.first());
    default.is_some_and(|default| default.index == track.index)
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

/// An output of a sound track; `skip` is the encoder delay.
pub(super) fn sound(
    plan: &Plan,
    (track, output): (&AudioPlan, &AudioOutput),
    (codecs, skip): (String, u32),
    segments: Vec<Segment>,
) -> AudioTrack {
    let is_default = is_default(plan, track);
    AudioTrack {
        track: Track {
            id: output.id.clone(),
            path: sound_path(output),
            codecs,
            timescale: output.sample_rate,
            skip: u64::from(skip),
            segments,
        },
        language: track.track.language.clone(),
        name: track.track.title.clone(),
        is_default,
        channels: output.channels,
        sample_rate: output.sample_rate,
        role: role(track, is_default),
    }
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

/// A text track with these cues, whose whole file has so many bytes.
pub(super) fn captions(
    plan: &Plan,
    text: &TextPlan,
    (cues, whole_bytes): (&[Cue], u64),
) -> TextTrack {
    let durations = text_durations(plan);
    let sizes = segment_sizes(cues, MILLISECONDS, &durations, TimestampMap::Zero);
    let segments = durations.iter().zip(sizes);
    let segments = segments.map(|(&duration, size_bytes)| Segment {
        duration,
        size_bytes,
        key_bytes: 0,
    });
    let track = Track {
        id: text_id(text),
        path: text_path(text),
        codecs: "wvtt".to_owned(),
        timescale: MILLISECONDS,
        skip: 0,
        segments: segments.collect(),
    };
    TextTrack {
        track,
        language: text.track.language.clone(),
        name: text.track.title.clone(),
        forced: text.track.forced,
        hearing_impaired: text.track.hearing_impaired,
        whole_bytes,
    }
}

/// The segments of a text track with these cues, which may be far larger than the cues.
pub(super) fn caption_segments(plan: &Plan, cues: &[Cue]) -> Vec<String> {
    let durations = text_durations(plan);
    text_segments(cues, MILLISECONDS, &durations, TimestampMap::Zero)
}

/// A sheet of thumbnails as it was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sheet {
    /// Width and height.
    pub(super) size: (u32, u32),
    /// Size of the file.
    pub(super) size_bytes: u64,
}

impl From<&ImageFile> for Sheet {
    fn from(file: &ImageFile) -> Self {
        Self {
            size: (file.width, file.height),
            size_bytes: file.size_bytes,
        }
    }
}

/// Sprite tiles of a title.
pub(super) fn sprite_tiles(plan: &Plan, video: &VideoPlan) -> u32 {
    match plan.tile_frames {
        0 => 0,
        distance => video.grid.frames.div_ceil(distance),
    }
}

/// The thumbnails, where the title has some. Manifests state one grid for all sheets (DASH-IF IOP
/// 6.2.6), so all have the same; that of a lone sheet ends with its last row of tiles.
pub(super) fn thumbnails(
    plan: &Plan,
    video: &VideoPlan,
    sheets: &[Sheet],
) -> Claim<Option<ImageTrack>> {
    let (columns, rows) = (plan.profile.images.columns, plan.profile.images.rows);
    let tiles = sprite_tiles(plan, video);
    let planned = tiles.div_ceil((columns * rows).max(1));
    if sheets.len() != planned as usize {
        let found = sheets.len();
        return Err(format!(
            "{found} sheets of thumbnails, planned are {planned}"
        ));
    }
    if planned == 0 {
        return Ok(None);
    }
    let rows = if planned == 1 {
        tiles.div_ceil(columns.max(1))
    } else {
        rows
    };
    let grid = (columns * TILE.0, rows * TILE.1);
    if let Some(other) = sheets.iter().find(|sheet| sheet.size != grid) {
        let size = other.size;
        return Err(format!(
            "a sheet of thumbnails is {size:?}, the grid {grid:?}"
        ));
    }
    Ok(Some(ImageTrack {
        id: "thumbnails".to_owned(),
        path: IMAGES.to_owned(),
        tile_width: TILE.0,
        tile_height: TILE.1,
        columns,
        rows,
        tile_seconds: video.grid.time_of(plan.tile_frames),
        sheet_bytes: sheets.iter().map(|sheet| sheet.size_bytes).collect(),
    }))
}

/// Every manifest by its path; those that name others come last.
pub(super) fn manifests(presentation: &Presentation) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for video in &presentation.video {
        let path = &video.track.path;
        let playlist = hls::media_playlist(&video.track);
        files.push((format!("{path}/{PLAYLIST_FILE}"), playlist));
        if let Some(playlist) = hls::iframe_playlist(video) {
            files.push((format!("{path}/{IFRAME_PLAYLIST_FILE}"), playlist));
        }
    }
    for AudioTrack { track, .. } in &presentation.audio {
        let playlist = hls::media_playlist(track);
        files.push((format!("{}/{PLAYLIST_FILE}", track.path), playlist));
    }
    for text in &presentation.text {
        let playlist = hls::text_playlist(text);
        files.push((format!("{}/{PLAYLIST_FILE}", text.track.path), playlist));
    }
    files.push((DASH_FILE.to_owned(), dash::mpd(presentation)));
    files.push((HLS_FILE.to_owned(), hls::multivariant(presentation)));
    files
}
