//! What is submitted: titles whose lengths are Pareto distributed, planned by the real planner.

use super::random::Random;
use model::job::{NewJob, Urgency};
use model::plan::{BuildIds, Plan, Ticket};
use model::profile::Profile;
use model::rendition::VideoCodec;
use model::source::{
    AccessPoint, AudioTrack, Color, FieldOrder, FrameTable, Orientation, SourceInfo, TextOrigin,
    TextTrack, VideoTrack,
};
use model::{JobId, Rational};
use scheduler::policy::plan::plan;
use std::collections::BTreeMap;

/// Who submits.
pub(crate) const TENANTS: [&str; 3] = ["acme", "beta", "gamma"];

const FRAMES_PER_SECOND: Rational = Rational::whole(25);

/// What a submitter sends and a probe would find.
#[derive(Debug, Clone)]
pub(crate) struct Title {
    pub(crate) job: NewJob,
    pub(crate) segments: u32,
    pub(crate) codecs: Vec<VideoCodec>,
    pub(crate) sound_tracks: u32,
    pub(crate) text_tracks: u32,
    /// A unit of its pictures that no node can make.
    pub(crate) poison: Option<u32>,
}

/// Versions of everything on every node.
pub(crate) fn builds() -> BuildIds {
    let ids = ["x264", "x265", "rav1e"].map(|name| (name.to_owned(), "1".to_owned()));
    BTreeMap::from(ids)
}

pub(crate) fn job_id(number: u64) -> JobId {
    JobId::new(format!("j{number}")).expect("a letter and digits")
}

/// Draws a title of at least `shortest` segments and at most `longest`.
pub(crate) fn draw(number: u64, shortest: u32, longest: u32, random: &Random) -> Title {
    let segments = (f64::from(shortest) * random.pareto(1.2)).min(f64::from(longest)) as u32;
    let mut codecs = vec![VideoCodec::H264];
    if random.strikes(0.3) {
        codecs.push(VideoCodec::Hevc);
    }
    Title {
        job: NewJob {
            id: job_id(number),
            tenant: TENANTS[(number % 3) as usize]
                .parse()
                .expect("an identifier"),
            title: format!("film-{number}").parse().expect("an identifier"),
            profile: "web".to_owned(),
            source_url: format!("file:///film-{number}.mkv"),
            urgency: Urgency::of([50, 50, 50, 90][random.between(0, 3) as usize]),
            held_max: None,
            traceparent: String::new(),
        },
        segments,
        codecs,
        sound_tracks: random.between(0, 2) as u32,
        text_tracks: random.between(0, 2) as u32,
        poison: None,
    }
}

impl Title {
    /// Plans it as a scheduler does, for a farm of so many slots.
    pub(crate) fn plan(&self, slots: u32) -> Plan {
        let mut profile = Profile::built_in("web").expect("a built-in profile");
        profile.video.codecs.clone_from(&self.codecs);
        let source = self.source(profile.segment_seconds);
        let ticket = Ticket {
            job: self.job.id.clone(),
            tenant: self.job.tenant.clone(),
            title: self.job.title.clone(),
            source_url: self.job.source_url.clone(),
            sidecars: Vec::new(),
            profile,
            urgency: self.job.urgency,
            held_max: self.job.held_max,
            webhook_url: String::new(),
            traceparent: String::new(),
            accepted_at_ms: 0,
        };
        let plan = plan(&ticket, &source, &builds(), slots).expect("a title that can be planned");
        let segments = plan.video.as_ref().map(|video| video.grid.segments());
        assert_eq!(segments, Some(self.segments), "units are drawn from these");
        plan
    }

    fn source(&self, segment: Rational) -> SourceInfo {
        let segments = Rational::whole(i64::from(self.segments));
        let duration = segments.checked_mul(segment).expect("some hours");
        let frames = duration.checked_mul(FRAMES_PER_SECOND).expect("some hours");
        SourceInfo {
            sha256: "00".repeat(32),
            size_bytes: 1,
            container: "matroska,webm".to_owned(),
            video: Some(pictures(frames.round())),
            audio: (0..self.sound_tracks)
                .map(|track| sound(track, duration))
                .collect(),
            text: (0..self.text_tracks).map(text).collect(),
            notes: Vec::new(),
        }
    }
}

fn pictures(frames: i64) -> VideoTrack {
    let pts: Vec<i64> = (0..frames).collect();
    VideoTrack {
        stream: 0,
        codec: "h264".to_owned(),
        width: 640,
        height: 360,
        sample_aspect: Rational::ONE,
        orientation: Orientation::default(),
        field_order: FieldOrder::Progressive,
        pixel_format: "yuv420p".to_owned(),
        bit_depth: 8,
        color: Color::UNSPECIFIED,
        hdr: model::hdr::HdrMetadata::default(),
        time_base: FRAMES_PER_SECOND.recip().expect("not zero"),
        nominal_frame_rate: None,
        frames: FrameTable::new(&pts, vec![AccessPoint { frame: 0, dts: 0 }], frames),
    }
}

fn sound(track: u32, duration: Rational) -> AudioTrack {
    AudioTrack {
        stream: 1 + track,
        codec: "aac".to_owned(),
        sample_rate: 48_000,
        channels: 2,
        layout: "stereo".to_owned(),
        language: "und".to_owned(),
        title: String::new(),
        is_default: track == 0,
        start: Rational::ZERO,
        duration,
    }
}

fn text(track: u32) -> TextTrack {
    TextTrack {
        origin: TextOrigin::Stream(9 + track),
        codec: "subrip".to_owned(),
        language: "en".to_owned(),
        title: format!("{track}"),
        forced: false,
        hearing_impaired: false,
    }
}
