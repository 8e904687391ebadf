//! The seam for encoders. One encoder makes one segment: closed GOPs, each starting with a key frame. The bytes depend on the rendition, the options and the pictures alone.

mod libav_encoder;
mod rav1e_encoder;

use crate::error::{Error, Result};
use frame::Picture;
use libav::EncodedPacket;
use model::rendition::{EncoderFamily, Rendition};

/// Turns the pictures of one segment into packets.
///
/// The order of calls: any number of `push` and `pull`, then one `finish`, then `pull` until it
/// gives `None`. Nothing has a default: an encoder that held pictures back and inherited an empty
/// `finish` would lose them at every border.
pub trait Encoder: Send {
    /// Gives the next picture in presentation order; the first has index 0. It is not kept.
    fn push(&mut self, picture: &Picture) -> Result<()>;

    /// Says that there are no more pictures.
    fn finish(&mut self) -> Result<()>;

    /// The next packet in decode order; `None` when it needs more pictures or, after `finish`, when
    /// all of the segment are out.
    fn pull(&mut self) -> Result<Option<EncodedPacket>>;

    /// The parameter sets: SPS and PPS (and VPS) in Annex B, or the four fixed bytes of `av1C`. The
    /// same for all segments of a rendition.
    fn config(&self) -> Vec<u8>;
}

/// What may differ between two encodes of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EncodeOptions {
    /// Added to the rendition's quality number, in hundredths: 100 for the retry at CRF + 1 when a
    /// segment leaves its rate bounds. Parameter sets do not change with it.
    pub quality_added_centi: u32,
    /// Every so many pictures there is a key frame; 0 for the first only.
    pub keyframe_frames: u32,
    /// Pictures of the segment. Those that are pushed after them are only looked at: the first is a
    /// key frame, and no packets come out for them. `None` when every picture is of the segment.
    pub segment_frames: Option<u32>,
}

/// One way to encode.
struct Candidate {
    family: EncoderFamily,
    name: &'static str,
    open: fn(&Rendition, &EncodeOptions) -> Result<Box<dyn Encoder>>,
}

/// One row per family.
const CANDIDATES: &[Candidate] = &[
    Candidate {
        family: EncoderFamily::X264,
        name: "libx264",
        open: libav_encoder::open,
    },
    Candidate {
        family: EncoderFamily::X265,
        name: "libx265",
        open: libav_encoder::open,
    },
    Candidate {
        family: EncoderFamily::Rav1e,
        name: "rav1e",
        open: rav1e_encoder::open,
    },
];

/// Opens the encoder of the family that the rendition pins.
pub fn open_encoder(rendition: &Rendition, options: &EncodeOptions) -> Result<Box<dyn Encoder>> {
    let refuse = |family: &'static str, reason: String| Error::NoEncoder {
        family,
        rendition: rendition.id.clone(),
        reason,
    };
    let row = CANDIDATES
        .iter()
        .find(|candidate| candidate.family == rendition.family);
    let Some(candidate) = row else {
        return Err(refuse(
            rendition.family.as_str(),
            "not in this build".to_owned(),
        ));
    };
    if rendition.codec != codec_of(rendition.family) {
        return Err(refuse(
            candidate.name,
            format!("it is {}", rendition.codec.as_str()),
        ));
    }
    match (candidate.open)(rendition, options) {
        Err(error) if error.kind() == model::FailureKind::Unsupported => {
            Err(refuse(candidate.name, error.to_string()))
        }
        outcome => outcome,
    }
}

const fn codec_of(family: EncoderFamily) -> model::rendition::VideoCodec {
    use model::rendition::VideoCodec;
    match family {
        EncoderFamily::X264 => VideoCodec::H264,
        EncoderFamily::X265 => VideoCodec::Hevc,
        EncoderFamily::Rav1e => VideoCodec::Av1,
    }
}

#[cfg(test)]
mod tests;
