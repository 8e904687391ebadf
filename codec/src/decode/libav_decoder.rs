//! libav's software decoders behind the seam.

use crate::decode::Decoder;
use crate::error::Result;
use libav::{DecodedPicture, DecoderOptions, Packet, StreamInfo, VideoDecoder};

struct LibavDecoder(VideoDecoder);

pub(super) fn open(stream: &StreamInfo, options: &DecoderOptions) -> Result<Box<dyn Decoder>> {
    Ok(Box::new(LibavDecoder(VideoDecoder::open(stream, options)?)))
}

impl Decoder for LibavDecoder {
    fn name(&self) -> String {
        format!("libav/{}", self.0.name())
    }

    fn send(&mut self, packet: Option<&Packet>) -> Result<bool> {
        Ok(self.0.send(packet)?)
    }

    fn receive(&mut self, picture: &mut DecodedPicture) -> Result<bool> {
        Ok(self.0.receive_into(picture)?)
    }

    fn skip_to(&mut self, time: Option<i64>) {
        self.0.skip_to(time);
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush();
        Ok(())
    }
}
