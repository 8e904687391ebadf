//! libx264 and libx265 behind the seam.

use crate::encode::{EncodeOptions, Encoder};
use crate::error::Result;
use frame::Picture;
use libav::{EncodedPacket, VideoEncoder, VideoEncoderSettings};
use model::rendition::Rendition;

struct LibavEncoder {
    encoder: VideoEncoder,
    next_index: i64,
}

pub(super) fn open(rendition: &Rendition, options: &EncodeOptions) -> Result<Box<dyn Encoder>> {
    let mut settings = VideoEncoderSettings::of(rendition)?;
    settings.quality_centi += options.quality_added_centi;
    settings.key_pictures = options.keyframe_frames;
    settings.segment_pictures = options.segment_frames;
    Ok(Box::new(LibavEncoder {
        encoder: VideoEncoder::open(&settings)?,
        next_index: 0,
    }))
}

impl Encoder for LibavEncoder {
    fn push(&mut self, picture: &Picture) -> Result<()> {
        self.encoder.send(Some(picture), self.next_index)?;
        self.next_index += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(self.encoder.send(None, self.next_index)?)
    }

    fn pull(&mut self) -> Result<Option<EncodedPacket>> {
        Ok(self.encoder.receive()?)
    }

    fn config(&self) -> Vec<u8> {
        self.encoder.extradata()
    }
}
