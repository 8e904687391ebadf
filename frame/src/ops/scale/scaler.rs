//! One source size, several target sizes: the weights and the scratch memory, made once.

use super::{Siting, Weights, deep, plain, vector};
use crate::ops::CpuLevel;
use crate::{Error, Picture, PixelFormat, Result, Samples, Size};

/// Scales pictures of one size to one or more sizes.
#[derive(Debug)]
pub struct Scaler {
    format: PixelFormat,
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
    /// A scaler of 8-bit pictures from `source` to each of `targets`, using at most `level` of the
    /// processor. Larger targets are scaled up. Fails on sizes that no picture can have.
    pub fn new(source: Size, targets: &[Size], level: CpuLevel) -> Result<Self> {
        Self::of(PixelFormat::Yuv420p8, source, targets, level)
    }

    /// The same for pictures of a format, which is 4:2:0 in 8 or 10 bits; others are refused.
    pub fn of(
        format: PixelFormat,
        source: Size,
        targets: &[Size],
        level: CpuLevel,
    ) -> Result<Self> {
        if !matches!(format, PixelFormat::Yuv420p8 | PixelFormat::Yuv420p10) {
            return Err(Error::Format {
                operation: "scale",
                format,
            });
        }
        source.checked()?;
        let rungs = targets
            .iter()
            .map(|&size| Rung::new(format, source, size))
            .collect::<Result<_>>()?;
        Ok(Self {
            format,
            source,
            rungs,
            level,
            scratch: vector::Scratch::default(),
        })
    }

    /// The format it was made for.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// The source size it was made for.
    pub fn source(&self) -> Size {
        self.source
    }

    /// The target sizes, in the order of the pictures that [`Self::scale`] writes.
    pub fn targets(&self) -> impl ExactSizeIterator<Item = Size> {
        self.rungs.iter().map(|rung| rung.size)
    }

    /// Scales a 4:2:0 picture to all targets. Each target picture is reshaped and takes the
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
        if source.format() != self.format {
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
        target.reshape(self.format, rung.size)?;
        target.set_range(source.range());
        let planes = source.planes().iter().zip(target.planes_mut());
        for (index, (source, target)) in planes.enumerate() {
            let plan = if index == 0 { &rung.luma } else { &rung.chroma };
            let (level, scratch) = (self.level.simd(), &mut self.scratch);
            match (source.samples(), target.as_u8_mut()) {
                (Samples::U8(from), Some(to)) => match level {
                    _ if plan.is_copy() => to.copy_from_slice(from),
                    Some(level) => vector::scale_plane(level, from, plan, scratch, to),
                    None => plain::scale_plane(from, source.width(), plan.weights(), to),
                },
                (Samples::U16(from), _) => {
                    let Some(to) = target.as_u16_mut() else {
                        continue;
                    };
                    match level {
                        _ if plan.is_copy() => to.copy_from_slice(from),
                        Some(level) => deep::scale_plane(level, from, plan, scratch, to),
                        None => plain::scale_plane(from, source.width(), plan.weights(), to),
                    }
                }
                (Samples::U8(_), None) => {}
            }
        }
        Ok(())
    }
}

impl Rung {
    fn new(format: PixelFormat, source: Size, target: Size) -> Result<Self> {
        target.checked()?;
        let step_x = f64::from(source.width) / f64::from(target.width);
        let step_y = f64::from(source.height) / f64::from(target.height);
        let plan = |index: usize, siting: Siting| {
            let depth = format.bit_depth();
            let (from_width, from_height) = format.plane_size(index, source.width, source.height);
            let (to_width, to_height) = format.plane_size(index, target.width, target.height);
            vector::Plan::new(
                (from_width as usize, from_height as usize),
                Weights::new(from_width, to_width, step_x, siting, depth),
                Weights::new(from_height, to_height, step_y, Siting::Centred, depth),
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
