//! Which encoder family makes which codec, and what the profile's numbers mean to it. The profile
//! speaks x264's language; this table translates.

use super::failure;
use model::plan::BuildIds;
use model::profile::{Presets, Rung};
use model::rendition::{EncoderFamily, VideoCodec};
use model::{Failure, FailureKind};

/// Slower presets look further, but what is gained past this many pictures is not worth decoding and
/// keeping them.
const LOOKAHEAD_FRAMES_MAX: u32 = 40;

/// A family as a rendition needs it.
pub(super) struct Encoder {
    pub(super) family: EncoderFamily,
    pub(super) reason: &'static str,
}

/// The family for a codec; `unsupported` when the node that probed has no build of it.
pub(super) fn choose(codec: VideoCodec, builds: &BuildIds) -> Result<Encoder, Failure> {
    let (family, reason) = match codec {
        VideoCodec::H264 => (
            EncoderFamily::X264,
            "libx264 is the only H.264 encoder of this build",
        ),
        VideoCodec::Hevc => (
            EncoderFamily::X265,
            "libx265 is the only HEVC encoder of this build",
        ),
        VideoCodec::Av1 => (
            EncoderFamily::Rav1e,
            "rav1e is the only AV1 encoder of this build",
        ),
    };
    if !builds.contains_key(family.as_str()) {
        let reason = format!(
            "no {} encoder: the node has no {}",
            codec.as_str(),
            family.as_str()
        );
        return Err(failure(FailureKind::Unsupported, &reason));
    }
    Ok(Encoder { family, reason })
}

/// Quality in the family's own scale, in hundredths.
pub(super) fn quality_centi(family: EncoderFamily, rung: &Rung) -> u32 {
    match family {
        EncoderFamily::X264 => rung.crf_centi,
        // The scales of x264 and x265 have equal ends; equal quality lies about three steps higher.
        EncoderFamily::X265 => (rung.crf_centi + 300).min(5_100),
        // A line through CRF 23 at quantizer 100, which is rav1e's own default, and CRF 51 at 240.
        EncoderFamily::Rav1e => (rung.crf_centi * 5)
            .saturating_sub(1_500)
            .clamp(100, 25_500),
    }
}

/// Rate cap in percent of the H.264 cap.
pub(super) const fn rate_percent(codec: VideoCodec) -> u64 {
    match codec {
        VideoCodec::H264 => 100,
        VideoCodec::Hevc => 70,
        VideoCodec::Av1 => 60,
    }
}

/// Pictures past a segment's end that its encoder is shown: as many as x264 looks ahead by itself at this
/// preset (`rc-lookahead`), since its quantizers follow from those; none where the preset weighs no
/// picture by what refers to it. x265 and rav1e end their analysis at a key frame.
pub(super) fn lookahead_frames(family: EncoderFamily, presets: &Presets) -> u32 {
    match (family, presets.x264.as_str()) {
        (EncoderFamily::X265 | EncoderFamily::Rav1e, _) => 0,
        (EncoderFamily::X264, "ultrafast" | "superfast") => 0,
        (EncoderFamily::X264, "veryfast") => 10,
        (EncoderFamily::X264, "faster") => 20,
        (EncoderFamily::X264, "fast") => 30,
        (EncoderFamily::X264, _) => LOOKAHEAD_FRAMES_MAX,
    }
}

pub(super) fn preset(family: EncoderFamily, presets: &Presets) -> String {
    match family {
        EncoderFamily::X264 => presets.x264.clone(),
        EncoderFamily::X265 => presets.x265.clone(),
        EncoderFamily::Rav1e => presets.rav1e.to_string(),
    }
}
