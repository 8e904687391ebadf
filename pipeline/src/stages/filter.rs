//! Takes frame numbers, gives upright progressive 4:2:0 pictures of the source's size, in eight bits, in ten,
//! or in both; holds the pictures beside the wanted one where deinterlacing needs them.
//!
//! The order matters: fields are only where the decoder left them, so deinterlacing comes first; light is
//! mapped before depth is lost; the turn comes after both, because 4:2:2 cannot be turned.

use super::{Decode, Pool, Shared};
use crate::error::{Error, InStage, Result};
use frame::ops::convert::Converter;
use frame::ops::deinterlace::{self, deinterlace};
use frame::ops::orient::{Mirror, Turn, orient};
use frame::ops::tonemap::{HdrTransfer, ToneMapper};
use frame::{Picture, PixelFormat, Range};
use libav::DecodedPicture;
use model::plan::{Filters, ToneMap};
use model::source::{FieldOrder, Orientation};

const STAGE: &str = "filter";

/// Which pictures of a frame are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depths {
    /// Eight bits, with HDR mapped to SDR.
    pub(crate) narrow: bool,
    /// Ten bits, with light as the source codes it.
    pub(crate) deep: bool,
}

/// The pictures of one frame that are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Filtered {
    narrow: Option<Shared>,
    deep: Option<Shared>,
}

impl Filtered {
    /// The picture in so many bits.
    pub(crate) fn of(&self, bit_depth: u8) -> Result<&Shared> {
        let found = match bit_depth {
            8 => self.narrow.as_ref(),
            _ => self.deep.as_ref(),
        };
        found
            .ok_or_else(|| Error::bug(STAGE, format!("nobody wanted pictures of {bit_depth} bits")))
    }
}

/// Filters the frames of a track.
pub(crate) struct Filter {
    decode: Decode,
    fields: Option<deinterlace::FieldOrder>,
    orientation: Orientation,
    depths: Depths,
    /// To eight and to ten bits.
    converters: [Option<Conversion>; 2],
    tonemap: Option<ToneMapper>,
    pool: Pool,
    /// Decoded frames by number: one, or three in a row for deinterlacing.
    window: [Held; 3],
}

/// A converter and what it takes.
type Conversion = ((PixelFormat, Range), Converter);

fn mapper(tonemap: ToneMap) -> ToneMapper {
    let transfer = match tonemap.transfer {
        model::hdr::HdrTransfer::Pq => HdrTransfer::Pq,
        model::hdr::HdrTransfer::Hlg => HdrTransfer::Hlg,
    };
    ToneMapper::new(transfer, tonemap.peak_nits)
}

struct Held {
    frame: Option<u32>,
    decoded: DecodedPicture,
}

impl Filter {
    /// Filters what `decode` gives.
    pub(crate) fn new(decode: Decode, filters: &Filters, depths: Depths, pool: Pool) -> Self {
        let fields = filters.deinterlace.and_then(|order| match order {
            FieldOrder::Progressive => None,
            FieldOrder::TopFirst => Some(deinterlace::FieldOrder::TopFirst),
            FieldOrder::BottomFirst => Some(deinterlace::FieldOrder::BottomFirst),
        });
        let held = || Held {
            frame: None,
            decoded: DecodedPicture::empty(),
        };
        Self {
            decode,
            fields,
            orientation: filters.orientation,
            depths,
            converters: [None, None],
            tonemap: filters.tonemap.map(mapper),
            pool,
            window: [held(), held(), held()],
        }
    }

    /// The filtered pictures of a source frame.
    pub(crate) fn frame(&mut self, wanted: u32) -> Result<Filtered> {
        let picture = match self.fields {
            Some(order) => self.progressive(wanted, order)?,
            None => {
                let decoded = &mut self.window[0].decoded;
                self.decode.frame(wanted, decoded)?;
                // The decoder gets a spent picture for the next frame in exchange.
                let (format, size) = (decoded.picture.format(), decoded.picture.size());
                let spent = self.pool.take(format, size)?;
                std::mem::replace(&mut decoded.picture, spent)
            }
        };
        let Depths { narrow, deep } = self.depths;
        let is_mapped = narrow && self.tonemap.is_some();
        if !deep && !is_mapped {
            let narrow = self.convert(picture, PixelFormat::Yuv420p8)?;
            return Ok(Filtered {
                narrow: Some(self.upright(narrow)?),
                deep: None,
            });
        }
        let directly = match narrow && !is_mapped {
            true => Some(self.converted(&picture, PixelFormat::Yuv420p8)?),
            false => None,
        };
        // Light is mapped at full depth.
        let full = self.convert(picture, PixelFormat::Yuv420p10)?;
        let narrow = match is_mapped {
            true => Some(self.mapped(&full)?),
            false => directly,
        };
        Ok(Filtered {
            narrow: narrow.map(|picture| self.upright(picture)).transpose()?,
            deep: if deep {
                Some(self.upright(full)?)
            } else {
                self.pool.give(full);
                None
            },
        })
    }

    /// The frame deinterlaced with its neighbours in time, whichever segment they are in.
    fn progressive(&mut self, wanted: u32, order: deinterlace::FieldOrder) -> Result<Picture> {
        let last = self.decode.frames().saturating_sub(1);
        let (first, last) = (wanted.saturating_sub(1), (wanted + 1).min(last));
        for frame in first..=last {
            self.hold(frame, first)?;
        }
        let held = |frame: Option<u32>| {
            let frame = frame?;
            let found = self.window.iter().find(|held| held.frame == Some(frame));
            found.map(|held| &held.decoded.picture)
        };
        let current = held(Some(wanted)).expect("the frame was just held");
        let before = held(wanted.checked_sub(1));
        let after = held(Some(wanted + 1));
        // A source that changes its size has no neighbour across the change.
        let alike = |picture: &&Picture| {
            (picture.format(), picture.size()) == (current.format(), current.size())
        };
        let mut target = self.pool.take(current.format(), current.size())?;
        deinterlace(
            before.filter(alike),
            current,
            after.filter(alike),
            order,
            &mut target,
        )
        .in_stage(STAGE)?;
        Ok(target)
    }

    /// Decodes a frame into a place that holds none from `first` on.
    fn hold(&mut self, frame: u32, first: u32) -> Result<()> {
        if self.window.iter().any(|held| held.frame == Some(frame)) {
            return Ok(());
        }
        let is_spent = |held: &Held| {
            held.frame
                .is_none_or(|number| number < first || number > first + 2)
        };
        let place = self.window.iter().position(is_spent).unwrap_or_default();
        let held = &mut self.window[place];
        held.frame = None;
        self.decode.frame(frame, &mut held.decoded)?;
        held.frame = Some(frame);
        Ok(())
    }

    /// The picture in a format; itself where it has that already.
    fn convert(&mut self, picture: Picture, to: PixelFormat) -> Result<Picture> {
        if (picture.format(), picture.range()) == (to, Range::Video) {
            return Ok(picture);
        }
        let target = self.converted(&picture, to)?;
        self.pool.give(picture);
        Ok(target)
    }

    /// A copy of the picture in a format.
    fn converted(&mut self, picture: &Picture, to: PixelFormat) -> Result<Picture> {
        let key = (picture.format(), picture.range());
        let place = &mut self.converters[usize::from(to.bit_depth() > 8)];
        let converter = match place {
            Some((known, converter)) if *known == key => converter,
            place => {
                let converter = Converter::new(key.0, key.1, to).in_stage(STAGE)?;
                &mut place.insert((key, converter)).1
            }
        };
        let mut target = self.pool.take(to, picture.size())?;
        converter.convert(picture, &mut target).in_stage(STAGE)?;
        Ok(target)
    }

    fn mapped(&mut self, picture: &Picture) -> Result<Picture> {
        let mut target = self.pool.take(PixelFormat::Yuv420p8, picture.size())?;
        if let Some(mapper) = &mut self.tonemap {
            mapper.map(picture, &mut target).in_stage(STAGE)?;
        }
        Ok(target)
    }

    fn upright(&self, picture: Picture) -> Result<Shared> {
        let picture = self.turn(picture)?;
        Ok(self.pool.share(picture))
    }

    fn turn(&self, picture: Picture) -> Result<Picture> {
        if self.orientation == Orientation::default() {
            return Ok(picture);
        }
        let mirror = if self.orientation.mirrored {
            Mirror::LeftRight
        } else {
            Mirror::None
        };
        let turn = Turn::from_quarters(self.orientation.quarter_turns);
        let mut target = self.pool.take(picture.format(), picture.size())?;
        orient(&picture, turn, mirror, &mut target).in_stage(STAGE)?;
        self.pool.give(picture);
        Ok(target)
    }
}
