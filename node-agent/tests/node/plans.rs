//! Plans for tests: what a planner would make of a source, by hand and small.

use anyhow::{Context, Result};
use model::frame_map::FrameMap;
use model::grid::OutputGrid;
use model::plan::{
    AudioCodec, AudioOutput, AudioPlan, Filters, Plan, Probed, RenditionGroup, TextPlan, VideoPlan,
};
use model::profile::Profile;
use model::rendition::{EncoderFamily, RateControl, Rendition, VideoCodec};
use model::source::{Color, FieldOrder, SourceInfo, VideoTrack};
use model::{JobId, Rational, TenantId, TitleId};

/// Heights of the renditions.
const HEIGHTS: [u32; 2] = [90, 180];

/// A plan without any track.
pub(crate) fn empty(job: &JobId) -> Result<Plan> {
    Ok(Plan {
        job: job.clone(),
        tenant: TenantId::new("tenant")?,
        title: TitleId::new("title")?,
        source_url: "file:///nowhere".to_owned(),
        source_sha256: "0".repeat(64),
        source_size_bytes: 1,
        profile: Profile::built_in("preview")?,
        builds: pipeline_builds(),
        video: None,
        audio: Vec::new(),
        text: Vec::new(),
        tile_frames: 50,
        duration: Rational::ONE,
        audio_borders: Vec::new(),
    })
}

/// The builds of this host, as its agent registers them.
fn pipeline_builds() -> model::plan::BuildIds {
    pipeline::build_ids()
}

/// A plan of every track of a probed source; segments of two seconds.
pub(crate) fn of(job: &JobId, url: &str, probed: &Probed) -> Result<Plan> {
    let info = &probed.source;
    let track = info.video.as_ref().context("the source has pictures")?;
    let video = video(track)?;
    let duration = video.grid.duration();
    let segments = video.grid.segments();
    let borders = (0..segments).map(|index| video.grid.time_of(video.grid.segment(index).end));
    let mut plan = empty(job)?;
    // A tile every 50 frames: five seconds fill a sheet and a half.
    (plan.profile.images.columns, plan.profile.images.rows) = (1, 2);
    Ok(Plan {
        source_url: url.to_owned(),
        source_sha256: info.sha256.clone(),
        source_size_bytes: info.size_bytes,
        builds: probed.builds.clone(),
        audio: audio(info),
        text: text(info),
        duration,
        audio_borders: borders.collect(),
        video: Some(video),
        ..plan
    })
}

/// Pictures at 25 frames per second, each source frame once.
pub(crate) fn video(track: &VideoTrack) -> Result<VideoPlan> {
    let rate = Rational::whole(25);
    let frames = track.frames.len();
    let grid = OutputGrid::new(rate, frames, Rational::whole(2));
    let (width, height) = track.display_size();
    let renditions = HEIGHTS.map(|rung| Rendition {
        id: format!("h264-{rung}p"),
        codec: VideoCodec::H264,
        family: EncoderFamily::X264,
        family_reason: "a test".to_owned(),
        width: (width * rung / height) & !1,
        height: rung,
        frame_rate: rate,
        bit_depth: 8,
        hdr: model::hdr::HdrMetadata::default(),
        color: Color::BT709,
        rate: RateControl {
            quality_centi: 2600,
            maxrate_bps: 800_000,
            buffer_bits: 1_600_000,
        },
        preset: "veryfast".to_owned(),
        threads: 1,
    });
    let segments = grid.segments();
    Ok(VideoPlan {
        track: track.clone(),
        filters: Filters {
            deinterlace: None,
            tonemap: None,
            orientation: track.orientation,
        },
        grid,
        map: FrameMap::new(0..frames),
        map_reason: "constant".to_owned(),
        groups: vec![RenditionGroup {
            name: "h264".to_owned(),
            renditions: renditions.to_vec(),
            keyframe_frames: 25,
            lookahead_frames: 10,
        }],
        chunks: std::iter::once(0..segments).collect(),
    })
}

fn audio(info: &SourceInfo) -> Vec<AudioPlan> {
    let tracks = info.audio.iter().zip(0..);
    let plans = tracks.map(|(track, index)| AudioPlan {
        index,
        track: track.clone(),
        zero: Rational::ZERO,
        outputs: vec![AudioOutput {
            id: format!("audio-{index}-aac2"),
            codec: AudioCodec::Aac,
            channels: 2,
            sample_rate: 48_000,
            bitrate_bps: 96_000,
        }],
    });
    plans.collect()
}

fn text(info: &SourceInfo) -> Vec<TextPlan> {
    let tracks = info.text.iter().zip(0..);
    let plans = tracks.map(|(track, index)| TextPlan {
        index,
        track: track.clone(),
        zero: Rational::ZERO,
    });
    plans.collect()
}

/// A track of so many frames that no file has.
pub(crate) fn imagined_track(frames: u32) -> VideoTrack {
    let pts: Vec<i64> = (0..i64::from(frames)).collect();
    VideoTrack {
        stream: 0,
        codec: "h264".to_owned(),
        width: 320,
        height: 180,
        sample_aspect: Rational::ONE,
        orientation: model::source::Orientation::default(),
        field_order: FieldOrder::Progressive,
        pixel_format: "yuv420p".to_owned(),
        bit_depth: 8,
        color: Color::BT709,
        hdr: model::hdr::HdrMetadata::default(),
        time_base: Rational::new(1, 25).unwrap_or(Rational::ONE),
        nominal_frame_rate: None,
        frames: model::source::FrameTable::new(&pts, Vec::new(), i64::from(frames)),
    }
}
