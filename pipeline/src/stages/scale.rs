//! Takes full-size pictures, gives them in the size of a rendition; holds one scaled picture, and the
//! picture it was made of, so that a repeated frame is not scaled twice.

use super::Shared;
use crate::error::{InStage, Result};
use frame::ops::scale::Scaler;
use frame::{Picture, PixelFormat, Size};

const STAGE: &str = "scale";

/// Scales to one size.
pub(crate) struct Scale {
    size: Size,
    scaler: Option<Scaler>,
    scaled: Picture,
    source: Option<Shared>,
}

impl Scale {
    /// Scales to a size.
    pub(crate) fn new(size: Size) -> Result<Self> {
        Ok(Self {
            size,
            scaler: None,
            scaled: Picture::new(PixelFormat::Yuv420p8, size.width, size.height).in_stage(STAGE)?,
            source: None,
        })
    }

    /// The picture in the wanted size; the source itself where it has that size.
    pub(crate) fn scale<'a>(&'a mut self, source: &'a Shared) -> Result<&'a Picture> {
        if source.size() == self.size {
            return Ok(source);
        }
        if self.source.as_ref().is_some_and(|known| known.is(source)) {
            return Ok(&self.scaled);
        }
        let scaler = match &mut self.scaler {
            Some(scaler) if scaler.source() == source.size() => scaler,
            place => {
                let scaler = Scaler::new(source.size(), &[self.size], crate::cpu::level());
                place.insert(scaler.in_stage(STAGE)?)
            }
        };
        scaler
            .scale_one(source, 0, &mut self.scaled)
            .in_stage(STAGE)?;
        self.source = Some(source.clone());
        Ok(&self.scaled)
    }

    /// Lets the last source go, so that its memory is used again.
    pub(crate) fn rest(&mut self) {
        self.source = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::Pool;

    #[test]
    fn a_picture_of_the_right_size_is_not_touched() {
        let pool = Pool::new(1);
        let picture = pool.share(Picture::black(PixelFormat::Yuv420p8, 64, 36).unwrap());
        let mut scale = Scale::new(Size::new(64, 36)).unwrap();
        assert!(std::ptr::eq(
            scale.scale(&picture).unwrap(),
            &raw const *picture
        ));
        let mut half = Scale::new(Size::new(32, 18)).unwrap();
        assert_eq!(half.scale(&picture).unwrap().size(), Size::new(32, 18));
    }
}
