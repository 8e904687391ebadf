//! Clips made by the ffmpeg command, and small plans by hand: the planner is another room's.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test and example uses a part"
)]

use libav::{ByteSource, FileSource};
use model::frame_map::FrameMap;
use model::grid::OutputGrid;
use model::plan::{
    AudioCodec, AudioOutput, AudioPlan, Filters, Plan, RenditionGroup, TextPlan, ToneMap, VideoPlan,
};
use model::profile::Profile;
use model::rendition::{EncoderFamily, RateControl, Rendition, VideoCodec};
use model::source::{Color, FieldOrder, SourceInfo, VideoTrack};
use model::task::Next;
use model::{JobId, Rational, TenantId, TitleId};
use pipeline::Output;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with a clip in it.
pub struct Clip {
    folder: tempfile::TempDir,
    pub path: PathBuf,
}

/// Makes a clip; the arguments are ffmpeg's between its general options and the output's name.
pub fn clip(name: &str, arguments: &str) -> Clip {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-bitexact"])
        .args(arguments.split_whitespace())
        .arg(&path)
        .output()
        .expect("ffmpeg is needed to make test media");
    assert!(
        output.status.success(),
        "ffmpeg {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Clip { folder, path }
}

impl Clip {
    pub fn source(&self) -> Box<dyn ByteSource> {
        source(&self.path)
    }

    pub fn probe(&self) -> SourceInfo {
        pipeline::probe(self.source()).unwrap()
    }

    /// A path beside the clip.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub fn source(path: &Path) -> Box<dyn ByteSource> {
    Box::new(FileSource::open(path).unwrap())
}

/// A rendition as fast as tests want it.
pub fn rendition(family: EncoderFamily, width: u32, height: u32, rate: Rational) -> Rendition {
    let codec = match family {
        EncoderFamily::X264 => VideoCodec::H264,
        EncoderFamily::X265 => VideoCodec::Hevc,
        EncoderFamily::Rav1e => VideoCodec::Av1,
    };
    let is_rav1e = family == EncoderFamily::Rav1e;
    Rendition {
        id: format!("{}-{}p", codec.as_str(), width.min(height)),
        codec,
        family,
        family_reason: "the test says so".to_owned(),
        width,
        height,
        frame_rate: rate,
        bit_depth: 8,
        hdr: model::hdr::HdrMetadata::default(),
        color: Color::BT709,
        rate: RateControl {
            quality_centi: if is_rav1e { 12_000 } else { 2_300 },
            maxrate_bps: 4_000_000,
            buffer_bits: 8_000_000,
        },
        preset: if is_rav1e { "10" } else { "veryfast" }.to_owned(),
        threads: 1,
    }
}

/// A plan of all tracks of a source: every frame once, at a rate, in segments of so many frames.
pub fn plan(info: &SourceInfo, rate: Rational, segment_frames: u32, rungs: &[Rendition]) -> Plan {
    let profile = Profile::built_in("web").unwrap();
    let video = info
        .video
        .as_ref()
        .map(|track| video_plan(track, rate, segment_frames, rungs));
    let zero = info.video.as_ref().map_or_else(
        || info.audio[0].start,
        |track| seconds(track.frames.pts_of(0).unwrap(), track.time_base),
    );
    let mut plan = Plan {
        job: JobId::new("job").unwrap(),
        tenant: TenantId::new("tenant").unwrap(),
        title: TitleId::new("title").unwrap(),
        source_url: "file:///clip".to_owned(),
        source_sha256: "0".repeat(64),
        source_size_bytes: info.size_bytes,
        profile,
        builds: pipeline::build_ids(),
        video,
        audio: Vec::new(),
        text: Vec::new(),
        tile_frames: (rate.as_f64() * 2.0) as u32,
        duration: Rational::ZERO,
        audio_borders: Vec::new(),
    };
    for (index, track) in (0..).zip(&info.audio) {
        plan.audio.push(AudioPlan {
            index,
            track: track.clone(),
            zero,
            outputs: outputs(index, track.channels),
        });
    }
    for (index, track) in (0..).zip(&info.text) {
        let track = track.clone();
        plan.text.push(TextPlan { index, track, zero });
    }
    set_length(&mut plan, info);
    plan
}

fn set_length(plan: &mut Plan, info: &SourceInfo) {
    let length = |one: Rational| {
        if one > Rational::ZERO {
            one
        } else {
            Rational::ZERO
        }
    };
    plan.duration = match &plan.video {
        Some(video) => video.grid.duration(),
        None => info
            .audio
            .iter()
            .map(|track| length(track.duration))
            .max()
            .unwrap(),
    };
    let segment = match &plan.video {
        Some(video) => video.grid.time_of(video.grid.segment_frames),
        None => Rational::whole(4),
    };
    let mut border = segment;
    while border < plan.duration {
        plan.audio_borders.push(border);
        border = border.checked_add(segment).unwrap();
    }
    plan.audio_borders.push(plan.duration);
}

fn outputs(index: u32, channels: u32) -> Vec<AudioOutput> {
    let output = |codec, channels: u32, name: &str, bitrate_bps| AudioOutput {
        id: format!("audio-{index}-{name}{channels}"),
        codec,
        channels,
        sample_rate: 48_000,
        bitrate_bps,
    };
    let mut outputs = vec![output(AudioCodec::Aac, 2, "aac", 128_000)];
    if channels >= 6 {
        outputs.push(output(AudioCodec::Aac, 6, "aac", 384_000));
        outputs.push(output(AudioCodec::Ac3, 6, "ac3", 384_000));
    }
    outputs
}

fn video_plan(
    track: &VideoTrack,
    rate: Rational,
    segment_frames: u32,
    rungs: &[Rendition],
) -> VideoPlan {
    let map = FrameMap::new(0..track.frames.len());
    let grid = OutputGrid {
        frame_rate: rate,
        frames: map.len(),
        segment_frames,
    };
    VideoPlan {
        track: track.clone(),
        filters: Filters {
            deinterlace: Some(track.field_order).filter(|o| *o != FieldOrder::Progressive),
            tonemap: track.hdr_transfer().map(|transfer| ToneMap {
                transfer,
                peak_nits: track.hdr.peak_nits(),
            }),
            orientation: track.orientation,
        },
        chunks: std::iter::once(0..grid.segments()).collect(),
        grid,
        map,
        map_reason: "every frame once".to_owned(),
        groups: vec![RenditionGroup {
            name: "main".to_owned(),
            renditions: rungs.to_vec(),
            keyframe_frames: segment_frames,
            lookahead_frames: 5,
        }],
    }
}

/// Replaces the map, and the grid with it.
pub fn remap(plan: &mut Plan, sources: impl IntoIterator<Item = u32>) {
    let video = plan.video.as_mut().unwrap();
    video.map = FrameMap::new(sources);
    video.grid.frames = video.map.len();
    plan.duration = video.grid.duration();
}

fn seconds(ticks: i64, base: Rational) -> Rational {
    Rational::whole(ticks).checked_mul(base).unwrap()
}

/// Runs a chunk that is told before each segment but the first to finish what is open.
pub fn chunk_one_by_one(plan: &Plan, path: &Path, segments: &[u32]) -> Vec<Output> {
    let (mut left, mut told) = (segments.iter().copied().peekable(), false);
    let opened = std::cell::Cell::new(0);
    let mut outputs = Vec::new();
    let mut next = || {
        told = !told && opened.get() > 0 && left.peek().is_some();
        if told {
            return Next::Later;
        }
        let segment = left.next();
        assert!(
            segment.is_none() || opened.get() == 0,
            "what was open is finished"
        );
        opened.set(1);
        segment.into()
    };
    let mut take = |output| {
        if matches!(output, Output::UnitDone { .. }) {
            opened.set(0);
        }
        outputs.push(output);
        Ok(())
    };
    pipeline::run_chunk(plan, "main", source(path), &mut next, &mut take).unwrap();
    outputs
}

/// Runs a chunk of segments and gives back what it made.
pub fn chunk(
    plan: &Plan,
    group: &str,
    path: &Path,
    segments: &[u32],
) -> pipeline::Result<Vec<Output>> {
    let mut left = segments.iter().copied();
    let mut outputs = Vec::new();
    pipeline::run_chunk(
        plan,
        group,
        source(path),
        &mut || left.next().into(),
        &mut |output| {
            outputs.push(output);
            Ok(())
        },
    )?;
    Ok(outputs)
}

/// What must not depend on the cut: segments and picture facts, by segment and rendition.
pub fn products(outputs: &[Output]) -> Vec<(u32, String, String)> {
    let mut products: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Segment {
                segment,
                rendition,
                facts,
                ..
            } => Some((*segment, rendition.clone(), format!("{facts:?}"))),
            Output::Pictures {
                segment,
                facts,
                tiles,
            } => Some((*segment, String::new(), format!("{facts:?} {tiles:?}"))),
            _ => None,
        })
        .collect();
    products.sort();
    products
}
