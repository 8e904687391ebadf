//! Takes full-size pictures, gives them in the size of a rendition; holds the last scaled picture and
//! the picture it was made of, so that a repeated frame is not scaled twice.

use super::{Pool, Shared};
use crate::error::{InStage, Result};
use frame::Size;
use frame::ops::scale::Scaler;

const STAGE: &str = "scale";

/// Scales to one size.
pub(crate) struct Scale {
    size: Size,
    scaler: Option<Scaler>,
    pool: Pool,
    /// The last source, and what was made of it.
    last: Option<(Shared, Shared)>,
}

impl Scale {
    /// Scales to a size. The pool keeps the scaled pictures' memory.
    pub(crate) fn new(size: Size, pool: Pool) -> Self {
        Self {
            size,
            scaler: None,
            pool,
            last: None,
        }
    }

    /// The picture in the wanted size; the source itself where it has that size.
    pub(crate) fn scale(&mut self, source: &Shared) -> Result<Shared> {
        if source.size() == self.size {
            return Ok(source.clone());
        }
        if let Some((_, scaled)) = self.last.as_ref().filter(|(known, _)| known.is(source)) {
            return Ok(scaled.clone());
        }
        let shape = (source.format(), source.size());
        let scaler = match &mut self.scaler {
            Some(scaler) if (scaler.format(), scaler.source()) == shape => scaler,
            place => {
                let scaler = Scaler::of(shape.0, shape.1, &[self.size], crate::cpu::level());
                place.insert(scaler.in_stage(STAGE)?)
            }
        };
        self.last = None;
        let mut scaled = self.pool.take(shape.0, self.size)?;
        scaler.scale_one(source, 0, &mut scaled).in_stage(STAGE)?;
        let scaled = self.pool.share(scaled);
        self.last = Some((source.clone(), scaled.clone()));
        Ok(scaled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame::{Picture, PixelFormat};

    #[test]
    fn a_picture_of_the_right_size_is_not_touched() {
        let pool = Pool::new(1);
        let picture = pool.share(Picture::black(PixelFormat::Yuv420p8, 64, 36).unwrap());
        let mut scale = Scale::new(Size::new(64, 36), pool.clone());
        assert!(scale.scale(&picture).unwrap().is(&picture));
        let mut half = Scale::new(Size::new(32, 18), pool.clone());
        let scaled = half.scale(&picture).unwrap();
        assert_eq!(scaled.size(), Size::new(32, 18));
        assert!(
            half.scale(&picture).unwrap().is(&scaled),
            "not scaled twice"
        );
    }
}
