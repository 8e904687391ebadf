//! The planner against sources as they are found in the wild.

mod ladder;
mod timing;
mod whole;

use model::job::Urgency;
use model::plan::{BuildIds, Plan, Ticket};
use model::profile::Profile;
use model::source::AccessPoint;
use model::source::{
    AudioTrack, Color, FieldOrder, FrameTable, Orientation, SourceInfo, TextOrigin, TextTrack,
    VideoTrack,
};
use model::{Failure, JobId, Rational, TenantId, TitleId};

fn fraction(num: i64, den: i64) -> Rational {
    Rational::new(num, den).unwrap()
}

/// Time stamps of a constant rate in a container that rounds to its ticks.
fn rounded(frames: i64, rate: Rational, ticks_per_second: i64) -> Vec<i64> {
    let tick = |n: i64| {
        Rational::whole(n * ticks_per_second)
            .checked_div(rate)
            .unwrap()
            .round()
    };
    (0..frames).map(tick).collect()
}

fn table(pts: &[i64]) -> FrameTable {
    let mut steps: Vec<i64> = pts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let step = steps.get(steps.len() / 2).copied().unwrap_or(1);
    let end = pts.last().map_or(0, |last| last + step);
    FrameTable::new(
        pts,
        vec![AccessPoint {
            frame: 0,
            dts: pts.first().copied().unwrap_or(0),
        }],
        end,
    )
}

fn video(width: u32, height: u32, pts: &[i64], ticks_per_second: i64) -> VideoTrack {
    VideoTrack {
        stream: 0,
        codec: "h264".to_owned(),
        width,
        height,
        sample_aspect: Rational::ONE,
        orientation: Orientation::default(),
        field_order: FieldOrder::Progressive,
        pixel_format: "yuv420p".to_owned(),
        bit_depth: 8,
        color: Color::UNSPECIFIED,
        hdr: model::hdr::HdrMetadata::default(),
        time_base: fraction(1, ticks_per_second),
        nominal_frame_rate: None,
        frames: table(pts),
    }
}

fn audio(channels: u32, start: Rational, duration: Rational) -> AudioTrack {
    AudioTrack {
        stream: 1,
        codec: "aac".to_owned(),
        sample_rate: 44_100,
        channels,
        layout: "stereo".to_owned(),
        language: "und".to_owned(),
        title: String::new(),
        is_default: true,
        start,
        duration,
    }
}

fn text(codec: &str) -> TextTrack {
    TextTrack {
        origin: TextOrigin::Stream(5),
        codec: codec.to_owned(),
        language: "en".to_owned(),
        title: String::new(),
        forced: false,
        hearing_impaired: false,
    }
}

fn source(video: Option<VideoTrack>, audio: Vec<AudioTrack>) -> SourceInfo {
    SourceInfo {
        sha256: "00".repeat(32),
        size_bytes: 1,
        container: "matroska,webm".to_owned(),
        video,
        audio,
        text: Vec::new(),
        notes: Vec::new(),
    }
}

fn ticket(profile: &str) -> Ticket {
    Ticket {
        job: JobId::new("j1").unwrap(),
        tenant: TenantId::new("default").unwrap(),
        title: TitleId::new("bunny").unwrap(),
        source_url: "file:///bunny.mkv".to_owned(),
        sidecars: Vec::new(),
        profile: Profile::built_in(profile).unwrap(),
        urgency: Urgency::of(50),
        held_max: None,
        webhook_url: String::new(),
        traceparent: String::new(),
        accepted_at_ms: 0,
    }
}

fn builds(names: &[&str]) -> BuildIds {
    names
        .iter()
        .map(|name| ((*name).to_owned(), "1".to_owned()))
        .collect()
}

fn planned(profile: &str, source: &SourceInfo) -> Result<Plan, Failure> {
    super::plan(
        &ticket(profile),
        source,
        &builds(&["x264", "x265", "rav1e"]),
        4,
    )
}
