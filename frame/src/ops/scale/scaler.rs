//! One source size, several target sizes: the weights and the scratch memory, made once.

use super::{Siting, Weights, plain, vector};
use crate::ops::CpuLevel;
use crate::{Error, Picture, PixelFormat, Result, Size};

/// Scales pictures of one size to one or more sizes.
#[derive(Debug)]
pub struct Scaler {
    source: Size,
    rungs: Vec<Rung>,
    level: CpuLevel,
    scratch: vector::Scratch,
}

#[derive(Debug)]
struct Rung {
    size: Size,
    luma: vector::Plan,
    chroma: vector::Plan,
}

impl Scaler {
    /// A scaler from `source` to each of `targets`, using at most `level` of the processor.
    /// Larger targets are scaled up. Fails on sizes that no picture can have.
    pub fn new(source: Size, targets: &[Size], level: CpuLevel) -> Result<Self> {
        source.checked()?;
        let rungs = targets
            .iter()
            .map(|&size| Rung::new(source, size))
            .collect::<Result<_>>()?;
        Ok(Self {
            source,
            rungs,
            level,
            scratch: vector::Scratch::default(),
        })
    }

    /// The source size it was made for.
    pub fn source(&self) -> Size {
        self.source
    }

    /// The target sizes, in the order of the pictures that [`Self::scale`] writes.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = Size> {
        self.rungs.iter().map(|rung| rung.size)
    }

    /// Scales an 8-bit 4:2:0 picture to all targets. Each target picture is reshaped and takes the
    /// source's range. Fails when format, size or the number of targets is not as agreed.
    pub fn scale(&mut self, source: &Picture, targets: &mut [Picture]) -> Result<()> {
        if targets.len() != self.rungs.len() {
            return Err(Error::Shape {
                operation: "scale",
                expected: format!("{} targets", self.rungs.len()),
                got: format!("{} targets", targets.len()),
            });
        }
        (0..targets.len()).try_for_each(|index| self.scale_one(source, index, &mut targets[index]))
    }

    /// Scales to the target at `index` alone; an index outside the targets is refused.
    pub fn scale_one(
        &mut self,
        source: &Picture,
        index: usize,
        target: &mut Picture,
    ) -> Result<()> {
        if source.format() != PixelFormat::Yuv420p8 {
            return Err(Error::Format {
                operation: "scale",
                format: source.format(),
            });
        }
        let rung = self.rungs.get(index);
        let Some(rung) = rung.filter(|_| source.size() == self.source) else {
            return Err(Error::Shape {
                operation: "scale",
                expected: format!("{} and a target below {}", self.source, self.rungs.len()),
                got: format!("{} and target {index}", source.size()),
            });
        };
        target.reshape(PixelFormat::Yuv420p8, rung.size)?;
        target.set_range(source.range());
        let planes = source.planes().iter().zip(target.planes_mut());
        for (index, (source, target)) in planes.enumerate() {
            let plan = if index == 0 { &rung.luma } else { &rung.chroma };
            let (Some(from), Some(to)) = (source.as_u8(), target.as_u8_mut()) else {
                continue;
            };
            if plan.is_copy() {
                to.copy_from_slice(from);
            } else if let Some(level) = self.level.simd() {
                vector::scale_plane(level, from, plan, &mut self.scratch, to);
            } else {
                plain::scale_plane(from, source.width(), plan.weights(), to);
            }
        }
        Ok(())
    }
}

impl Rung {
    fn new(source: Size, target: Size) -> Result<Self> {
        target.checked()?;
        let step_x = f64::from(source.width) / f64::from(target.width);
        let step_y = f64::from(source.height) / f64::from(target.height);
        let plan = |index: usize, siting: Siting| {
            let format = PixelFormat::Yuv420p8;
            let (from_width, from_height) = format.plane_size(index, source.width, source.height);
            let (to_width, to_height) = format.plane_size(index, target.width, target.height);
            vector::Plan::new(
                (from_width as usize, from_height as usize),
                Weights::new(from_width, to_width, step_x, siting),
                Weights::new(from_height, to_height, step_y, Siting::Centred),
            )
        };
        let (luma, chroma) = (plan(0, Siting::Centred), plan(1, Siting::Cosited));
        Ok(Self {
            size: target,
            luma,
            chroma,
        })
    }
}
