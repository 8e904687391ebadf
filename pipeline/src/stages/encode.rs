//! Takes the pictures of one segment in the rendition's size, gives its packets; holds what the
//! encoder looks ahead.
//!
//! Each segment has an encoder of its own, which sees the segment's pictures and, past its end, the few
//! of the next segment that the plan names: whoever encodes it shows it the same.

use crate::error::{InStage, Result};
use codec::{EncodeOptions, EncodedPacket, Encoder, open_encoder};
use frame::Picture;
use model::rendition::Rendition;

const STAGE: &str = "encode";

/// The packets of a segment in decode order, times counted in frames from the segment's start.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Data, and by how many frames the picture is shown after its place in decode order.
    pub(crate) packets: Vec<Sample>,
    /// The encoder's parameter sets.
    pub(crate) config: Vec<u8>,
}

/// One packet.
#[derive(Debug)]
pub(crate) struct Sample {
    /// As the encoder gave it.
    pub(crate) data: Vec<u8>,
    /// Frames from its place in decode order to its presentation; may be negative.
    pub(crate) shown_later: i64,
    /// Whether decoding may start here.
    pub(crate) is_sync: bool,
}

/// Encodes one segment.
pub(crate) struct Encode<'a> {
    rendition: &'a Rendition,
    options: EncodeOptions,
    /// Pictures that it still may be shown.
    wanted: u32,
    encoder: Option<Box<dyn Encoder>>,
    samples: Samples,
}

impl<'a> Encode<'a> {
    /// An encoder for a segment of `frames` pictures, which is shown `ahead` more of the next; opened
    /// with its first picture.
    pub(crate) fn new(
        rendition: &'a Rendition,
        options: EncodeOptions,
        (frames, ahead): (u32, u32),
    ) -> Self {
        let segment_frames = Some(frames);
        Self {
            rendition,
            options: EncodeOptions {
                segment_frames,
                ..options
            },
            wanted: frames.saturating_add(ahead),
            encoder: None,
            samples: Samples::default(),
        }
    }

    /// Gives the next picture.
    pub(crate) fn push(&mut self, picture: &Picture) -> Result<()> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            place => place.insert(open_encoder(self.rendition, &self.options).in_stage(STAGE)?),
        };
        encoder.push(picture).in_stage(STAGE)?;
        self.wanted = self.wanted.saturating_sub(1);
        self.pull()
    }

    /// Whether more pictures change nothing: it has seen all, or all packets are out.
    pub(crate) fn has_seen_enough(&self) -> bool {
        let made = u32::try_from(self.samples.packets.len()).unwrap_or(u32::MAX);
        self.wanted == 0
            || self
                .options
                .segment_frames
                .is_some_and(|frames| made >= frames)
    }

    /// Gives what is left; the segment is complete.
    pub(crate) fn finish(mut self) -> Result<Samples> {
        if let Some(encoder) = &mut self.encoder {
            encoder.finish().in_stage(STAGE)?;
            self.pull()?;
        }
        if let Some(encoder) = self.encoder.take() {
            self.samples.config = encoder.config();
        }
        Ok(self.samples)
    }

    fn pull(&mut self) -> Result<()> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(());
        };
        while let Some(packet) = encoder.pull().in_stage(STAGE)? {
            let EncodedPacket { data, pts, key, .. } = packet;
            let place = self.samples.packets.len() as i64;
            self.samples.packets.push(Sample {
                data,
                shown_later: pts - place,
                is_sync: key,
            });
        }
        Ok(())
    }
}
