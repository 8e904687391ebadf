//! Pictures: grid, map, groups and chunks put together.

use super::{chunks, color, encoders, failure, groups, ladder, timing};
use model::grid::OutputGrid;
use model::plan::{BuildIds, Filters, RenditionGroup, ToneMap, VideoPlan};
use model::profile::Profile;
use model::source::{FieldOrder, VideoTrack};
use model::{Failure, FailureKind, Rational};

pub(super) fn plan(
    track: &VideoTrack,
    profile: &Profile,
    builds: &BuildIds,
    slots: u32,
) -> Result<VideoPlan, Failure> {
    if track.width == 0 || track.height == 0 || track.sample_aspect <= Rational::ZERO {
        return Err(failure(
            FailureKind::BadInput,
            "the video track has no picture size",
        ));
    }
    let timing = timing::timing(
        &track.frames,
        track.time_base,
        track.nominal_frame_rate,
        profile.video.frame_rate_max,
    )?;
    let grid = OutputGrid::new(timing.rate, timing.map.len(), profile.segment_seconds);
    let pictures = ladder::Pictures {
        display: track.display_size(),
        frame_rate: timing.rate,
        color: color::output(track),
        hdr: track
            .hdr_transfer()
            .map(|_| (color::coded(track), track.hdr)),
    };
    let keyframe_frames = keyframe_frames(&grid, profile.keyframe_seconds);
    let mut all: Vec<RenditionGroup> = Vec::new();
    for &codec in &profile.video.codecs {
        if all.iter().any(|group| group.name == codec.as_str()) {
            continue;
        }
        let encoder = encoders::choose(codec, builds)?;
        let group = RenditionGroup {
            name: codec.as_str().to_owned(),
            renditions: ladder::plan(&pictures, &profile.video, codec, &encoder)?,
            keyframe_frames,
            lookahead_frames: encoders::lookahead_frames(encoder.family, &profile.video.presets),
        };
        all.extend(groups::split(group, encoder.family));
    }
    Ok(VideoPlan {
        filters: Filters {
            deinterlace: match track.field_order {
                FieldOrder::Progressive => None,
                order => Some(order),
            },
            orientation: track.orientation,
            tonemap: track.hdr_transfer().map(|transfer| ToneMap {
                transfer,
                peak_nits: track.hdr.peak_nits(),
            }),
        },
        chunks: chunks::plan(&grid, &timing.map, &track.frames, slots),
        track: track.clone(),
        grid,
        map: timing.map,
        map_reason: timing.reason,
        groups: all,
    })
}

/// The distance of keyframes nearest to the target that divides the segment, if one lies within half
/// of the target; else the target, and the last distance in a segment is shorter.
fn keyframe_frames(grid: &OutputGrid, target_seconds: Rational) -> u32 {
    let exact = target_seconds
        .checked_mul(grid.frame_rate)
        .map_or(1, Rational::round);
    let target = u32::try_from(exact)
        .unwrap_or(u32::MAX)
        .clamp(1, grid.segment_frames);
    let near = target.div_ceil(2)..=target.saturating_add(target / 2).min(grid.segment_frames);
    let divisor = near
        .filter(|frames| grid.segment_frames.is_multiple_of(*frames))
        .min_by_key(|frames| frames.abs_diff(target));
    divisor.unwrap_or(target)
}
