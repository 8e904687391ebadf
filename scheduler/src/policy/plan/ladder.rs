//! The ladder: sizes and rate caps of the renditions of one codec. Sizes follow the short edge, so
//! that portrait gets the same rungs as landscape. A source between two rungs ends at the lower one:
//! no rung of an odd size is added for it.

use super::encoders::{Encoder, preset, quality_centi, rate_percent};
use super::failure;
use model::hdr::HdrMetadata;
use model::profile::{Rung, VideoProfile};
use model::rendition::{RateControl, Rendition, VideoCodec};
use model::source::Color;
use model::{Failure, FailureKind, Rational};

/// No encoder takes less.
const EDGE_MIN: u32 = 16;

/// Longest edge that the three codecs can describe in a level.
const EDGE_MAX: u32 = 16_384;

/// Below this not even a key frame of the smallest picture fits into the buffer.
const MAXRATE_MIN_BPS: u64 = 64_000;

/// Fastest rate that the profile's caps are meant for.
const RATE_NORMAL: Rational = Rational::whole(30);

/// What all renditions of a title share.
pub(super) struct Pictures {
    /// Width and height as shown, before they are made even.
    pub(super) display: (u32, u32),
    pub(super) frame_rate: Rational,
    /// Of renditions in eight bits, which are SDR.
    pub(super) color: Color,
    /// What HDR is signalled as where the codec carries it, and what the source says of its light.
    pub(super) hdr: Option<(Color, HdrMetadata)>,
}

impl Pictures {
    /// Depth, colour and metadata of renditions of a codec: HDR in ten bits where the codec carries it.
    fn look(&self, codec: VideoCodec) -> (u8, Color, HdrMetadata) {
        match (codec, self.hdr) {
            (VideoCodec::Hevc | VideoCodec::Av1, Some((color, hdr))) => (10, color, hdr),
            _ => (8, self.color, HdrMetadata::default()),
        }
    }
}

/// The renditions of one codec, smallest first.
pub(super) fn plan(
    pictures: &Pictures,
    profile: &VideoProfile,
    codec: VideoCodec,
    encoder: &Encoder,
) -> Result<Vec<Rendition>, Failure> {
    let short = pictures.display.0.min(pictures.display.1);
    let mut rungs: Vec<(u32, Rung)> = profile
        .rungs
        .iter()
        .filter(|rung| rung.short_edge <= short)
        .map(|rung| (rung.short_edge, *rung))
        .collect();
    if rungs.is_empty() {
        rungs.extend(profile.rungs.first().map(|rung| (short, *rung)));
    }
    let (bit_depth, color, hdr) = pictures.look(codec);
    let mut renditions = Vec::with_capacity(rungs.len());
    for (edge, rung) in rungs {
        let (width, height) = size(pictures.display, edge);
        if width.max(height) > EDGE_MAX {
            let message = format!("pictures of {width}x{height} are too long for the codecs");
            return Err(failure(FailureKind::Unsupported, &message));
        }
        let maxrate_bps = maxrate(pictures, &rung, codec, (width, height));
        renditions.push(Rendition {
            id: format!("{}-{edge}p", codec.as_str()),
            codec,
            family: encoder.family,
            family_reason: encoder.reason.to_owned(),
            width,
            height,
            frame_rate: pictures.frame_rate,
            bit_depth,
            color,
            hdr,
            rate: RateControl {
                quality_centi: quality_centi(encoder.family, &rung),
                maxrate_bps,
                buffer_bits: 2 * maxrate_bps,
            },
            preset: preset(encoder.family, &profile.presets),
            threads: 1,
        });
    }
    Ok(renditions)
}

/// Both edges even and in proportion; never larger than the source but for [`EDGE_MIN`].
pub(super) fn size(display: (u32, u32), short_edge: u32) -> (u32, u32) {
    let (short, long) = (display.0.min(display.1), display.0.max(display.1));
    let out_short = even(short_edge.min(short), short);
    let exact = Rational::new(i64::from(long) * i64::from(out_short), 2 * i64::from(short));
    let halves = exact
        .map_or(0, Rational::round)
        .clamp(0, i64::from(u32::MAX / 2)) as u32;
    let out_long = if 2 * halves > long {
        even(long, long)
    } else {
        2 * halves
    };
    let (out_short, out_long) = (out_short.max(EDGE_MIN), out_long.max(EDGE_MIN));
    if display.0 >= display.1 {
        (out_long, out_short)
    } else {
        (out_short, out_long)
    }
}

/// The nearest even number that does not exceed `limit`; upwards where both are as near.
fn even(edge: u32, limit: u32) -> u32 {
    let up = edge + edge % 2;
    if up <= limit { up } else { edge - edge % 2 }
}

/// The rung's cap, in proportion to the pixels of a 16:9 picture with its short edge.
fn maxrate(pictures: &Pictures, rung: &Rung, codec: VideoCodec, size: (u32, u32)) -> u64 {
    let pixels = u128::from(size.0) * u128::from(size.1);
    let normal = u128::from(rung.short_edge) * u128::from(rung.short_edge) * 16;
    let fast = if pictures.frame_rate > RATE_NORMAL {
        3
    } else {
        2
    };
    let percent = u128::from(rate_percent(codec));
    let scaled = u128::from(rung.maxrate_bps) * pixels * 9 * fast * percent / (normal * 200);
    u64::try_from(scaled)
        .unwrap_or(u64::MAX / 4)
        .clamp(MAXRATE_MIN_BPS, u64::MAX / 4)
}
