//! Turning and mirroring a decoded picture upright: first quarter turns clockwise, then left and
//! right swapped.
//!
//! Samples are moved, never computed. A quarter turn swaps the axes, so it takes formats whose
//! chroma is equally fine in both; the siting turns with the picture (from the left edge to the
//! top), which the ladder's scaling does not follow: an error of a quarter of a chroma sample.

use crate::{Error, Picture, Result, Samples, Size};

/// Clockwise turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// As it is.
    #[default]
    None,
    /// 90 degrees clockwise.
    Quarter,
    /// 180 degrees.
    Half,
    /// 270 degrees clockwise.
    ThreeQuarters,
}

impl Turn {
    /// The turn by a number of clockwise quarters, modulo 4.
    pub const fn from_quarters(quarters: u8) -> Self {
        match quarters % 4 {
            0 => Self::None,
            1 => Self::Quarter,
            2 => Self::Half,
            _ => Self::ThreeQuarters,
        }
    }
}

/// What happens after the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mirror {
    /// Nothing.
    #[default]
    None,
    /// Left and right are swapped.
    LeftRight,
}

/// Side of the squares that are moved together, so that both pictures stay in the cache.
const BLOCK: usize = 32;

/// Which source sample a target sample is: `origin + x * step_x + y * step_y`.
#[derive(Debug, Clone, Copy)]
struct Walk {
    origin: isize,
    step_x: isize,
    step_y: isize,
}

/// Writes `source`, turned and mirrored, into `target`, which is reshaped. Refuses odd quarter
/// turns of formats with unequal chroma shifts (4:2:2, 4:1:1): convert first.
pub fn orient(source: &Picture, turn: Turn, mirror: Mirror, target: &mut Picture) -> Result<()> {
    let swapped = matches!(turn, Turn::Quarter | Turn::ThreeQuarters);
    let (horizontal, vertical) = source.format().chroma_shifts();
    if swapped && horizontal != vertical {
        return Err(Error::Format {
            operation: "orient",
            format: source.format(),
        });
    }
    let Size { width, height } = source.size();
    let size = if swapped {
        Size::new(height, width)
    } else {
        source.size()
    };
    target.reshape(source.format(), size)?;
    target.set_range(source.range());
    for (from, to) in source.planes().iter().zip(target.planes_mut()) {
        let walk = Walk::new(from.width(), from.height(), turn, mirror);
        let width = to.width();
        match from.samples() {
            Samples::U8(data) => {
                if let Some(to) = to.as_u8_mut() {
                    walk.copy(data, to, width);
                }
            }
            Samples::U16(data) => {
                if let Some(to) = to.as_u16_mut() {
                    walk.copy(data, to, width);
                }
            }
        }
    }
    Ok(())
}

impl Walk {
    fn new(width: usize, height: usize, turn: Turn, mirror: Mirror) -> Self {
        // Bounded by the largest side of a picture, so nothing is lost.
        let (width, height) = (width as isize, height as isize);
        let (walk, columns) = match turn {
            Turn::None => (
                Self {
                    origin: 0,
                    step_x: 1,
                    step_y: width,
                },
                width,
            ),
            Turn::Quarter => (
                Self {
                    origin: (height - 1) * width,
                    step_x: -width,
                    step_y: 1,
                },
                height,
            ),
            Turn::Half => (
                Self {
                    origin: height * width - 1,
                    step_x: -1,
                    step_y: -width,
                },
                width,
            ),
            Turn::ThreeQuarters => (
                Self {
                    origin: width - 1,
                    step_x: width,
                    step_y: -1,
                },
                height,
            ),
        };
        match mirror {
            Mirror::None => walk,
            Mirror::LeftRight => Self {
                origin: walk.origin + (columns - 1) * walk.step_x,
                step_x: -walk.step_x,
                ..walk
            },
        }
    }

    fn copy<T: Copy>(self, source: &[T], target: &mut [T], width: usize) {
        for (band, rows) in target.chunks_mut(BLOCK * width).enumerate() {
            for left in (0..width).step_by(BLOCK) {
                let right = width.min(left + BLOCK);
                for (y, row) in (band * BLOCK..).zip(rows.chunks_exact_mut(width)) {
                    let start = self.origin + y as isize * self.step_y;
                    let mut at = start + left as isize * self.step_x;
                    for sample in &mut row[left..right] {
                        *sample = source[at.cast_unsigned()];
                        at += self.step_x;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PixelFormat, Plane, Range};

    const TURNS: [Turn; 4] = [Turn::None, Turn::Quarter, Turn::Half, Turn::ThreeQuarters];

    fn gray(width: u32, height: u32, data: Vec<u8>) -> Picture {
        let plane = Plane::from_samples(width, height, Samples::U8(data)).unwrap();
        let size = Size::new(width, height);
        Picture::from_planes(PixelFormat::Gray8, size, Range::Full, vec![plane]).unwrap()
    }

    fn oriented(source: &Picture, turn: Turn, mirror: Mirror) -> Picture {
        let mut target = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
        orient(source, turn, mirror, &mut target).unwrap();
        target
    }

    #[test]
    fn each_orientation_moves_the_corners_as_it_says() {
        let source = gray(3, 2, vec![1, 2, 3, 4, 5, 6]);
        for (turn, mirror, width, height, expected) in [
            (Turn::None, Mirror::None, 3, 2, [1, 2, 3, 4, 5, 6]),
            (Turn::Quarter, Mirror::None, 2, 3, [4, 1, 5, 2, 6, 3]),
            (Turn::Half, Mirror::None, 3, 2, [6, 5, 4, 3, 2, 1]),
            (Turn::ThreeQuarters, Mirror::None, 2, 3, [3, 6, 2, 5, 1, 4]),
            (Turn::None, Mirror::LeftRight, 3, 2, [3, 2, 1, 6, 5, 4]),
            (Turn::Quarter, Mirror::LeftRight, 2, 3, [1, 4, 2, 5, 3, 6]),
            (Turn::Half, Mirror::LeftRight, 3, 2, [4, 5, 6, 1, 2, 3]),
            (
                Turn::ThreeQuarters,
                Mirror::LeftRight,
                2,
                3,
                [6, 3, 5, 2, 4, 1],
            ),
        ] {
            let expected = gray(width, height, expected.to_vec());
            assert_eq!(
                oriented(&source, turn, mirror),
                expected,
                "{turn:?} {mirror:?}"
            );
        }
    }

    #[test]
    fn four_quarters_are_the_identity() {
        let mut source = Picture::black(PixelFormat::Yuv420p10, 75, 41).unwrap();
        for plane in source.planes_mut() {
            for (index, sample) in plane.as_u16_mut().unwrap().iter_mut().enumerate() {
                *sample = (index * 7 % 1024) as u16;
            }
        }
        let quarter = |picture: &Picture| oriented(picture, Turn::Quarter, Mirror::None);
        let half = quarter(&quarter(&source));
        assert_eq!(half, oriented(&source, Turn::Half, Mirror::None));
        assert_eq!(quarter(&quarter(&half)), source);
        for turn in TURNS {
            let once = oriented(&source, turn, Mirror::LeftRight);
            let back = oriented(&once, Turn::None, Mirror::LeftRight);
            assert_eq!(back, oriented(&source, turn, Mirror::None));
        }
    }

    #[test]
    fn formats_whose_chroma_cannot_turn_are_refused() {
        let mut target = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
        let source = Picture::new(PixelFormat::Yuv422p8, 4, 4).unwrap();
        let refused = orient(&source, Turn::Quarter, Mirror::None, &mut target);
        assert!(matches!(refused, Err(Error::Format { .. })));
        assert!(orient(&source, Turn::Half, Mirror::LeftRight, &mut target).is_ok());
        assert_eq!(Turn::from_quarters(7), Turn::ThreeQuarters);
    }
}
