//! Decodes the first pictures: to see that they decode at all, and what they really are.

use super::STAGE;
use crate::error::{Error, InStage, Place, Result};
use libav::{DecodedPicture, DecoderOptions, Packet, StreamInfo};
use model::hdr::HdrMetadata;
use model::source::{FieldOrder, FrameTable};

/// Pictures that are looked at; two seconds tell film from video.
const PICTURES: usize = 50;

/// Packets that may pass without a picture: an endless GOP of a broken stream must not be decoded.
const PACKETS_MAX: usize = 400;

/// A decoder that is fed until it has seen enough.
pub(super) struct FirstPictures {
    decoder: Option<Box<dyn codec::Decoder>>,
    packets: usize,
    has_started: bool,
    trouble: Option<Error>,
    times: Vec<Option<i64>>,
    picture: DecodedPicture,
    interlaced: usize,
    top_first: usize,
    hdr: HdrMetadata,
}

/// What was seen.
pub(super) struct Seen {
    pub(super) picture: DecodedPicture,
    times: Vec<Option<i64>>,
    interlaced: usize,
    top_first: usize,
    /// HDR metadata of the first picture that has any.
    pub(super) hdr: HdrMetadata,
}

impl FirstPictures {
    pub(super) fn open(stream: &StreamInfo) -> Result<Self> {
        let options = DecoderOptions::default();
        let decoder = codec::open_decoder(stream, &options).in_stage(STAGE)?;
        Ok(Self {
            decoder: Some(decoder),
            packets: 0,
            has_started: false,
            trouble: None,
            times: Vec::new(),
            picture: DecodedPicture::empty(),
            interlaced: 0,
            top_first: 0,
            hdr: HdrMetadata::default(),
        })
    }

    /// Decodes a packet, or the end, unless enough was seen. Errors of single packets are kept for
    /// the case that no picture comes at all.
    pub(super) fn push(&mut self, packet: Option<&Packet>) -> Result<()> {
        self.has_started |= packet.is_some_and(Packet::is_key);
        if !self.has_started {
            return Ok(());
        }
        self.packets += 1;
        while let Some(decoder) = &mut self.decoder {
            let sent = match decoder.send(packet) {
                Ok(sent) => sent,
                Err(error) if error.kind() == model::FailureKind::BadInput => {
                    self.trouble.get_or_insert(Error::new(STAGE, error));
                    true
                }
                Err(error) => return Err(Error::new(STAGE, error)),
            };
            self.receive()?;
            if sent {
                break;
            }
        }
        if self.times.len() >= PICTURES || self.packets >= PACKETS_MAX {
            self.decoder = None;
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<()> {
        while let Some(decoder) = &mut self.decoder {
            match decoder.receive(&mut self.picture) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if error.kind() == model::FailureKind::BadInput => {
                    self.trouble.get_or_insert(Error::new(STAGE, error));
                    continue;
                }
                Err(error) => return Err(Error::new(STAGE, error)),
            }
            self.times.push(self.picture.pts);
            self.hdr = self.hdr.or(self.picture.hdr);
            self.interlaced += usize::from(self.picture.interlaced);
            self.top_first += usize::from(self.picture.interlaced && self.picture.top_field_first);
            if self.times.len() >= PICTURES {
                self.decoder = None;
            }
        }
        Ok(())
    }

    /// What was seen; fails when no picture came.
    pub(super) fn finish(self) -> Result<Seen> {
        if self.times.is_empty() {
            let nothing = || Error::bad_input(STAGE, "no picture decodes");
            return Err(self.trouble.unwrap_or_else(nothing));
        }
        Ok(Seen {
            picture: self.picture,
            times: self.times,
            interlaced: self.interlaced,
            top_first: self.top_first,
            hdr: self.hdr,
        })
    }
}

impl Seen {
    /// Time of the first picture that came out.
    pub(super) fn first_time(&self) -> Option<i64> {
        self.times.first().copied().flatten()
    }

    /// Interlaced when most pictures are, with the field that mostly comes first.
    pub(super) fn field_order(&self) -> FieldOrder {
        if self.interlaced * 2 <= self.times.len() {
            FieldOrder::Progressive
        } else if self.top_first * 2 >= self.interlaced {
            FieldOrder::TopFirst
        } else {
            FieldOrder::BottomFirst
        }
    }

    /// Refuses a source whose first pictures are not those of the table.
    pub(super) fn refuse_other_times(&self, table: &FrameTable) -> Result<()> {
        for ((frame, expected), decoded) in (0..).zip(table.pts()).zip(&self.times) {
            if *decoded != Some(expected) {
                let got = decoded.map_or("no time".to_owned(), |pts| format!("time {pts}"));
                let message = format!("time {expected} is expected, a picture of {got} decodes");
                return Err(Error::bad_input(STAGE, message).at(Place::SourceFrame(frame)));
            }
        }
        Ok(())
    }
}
