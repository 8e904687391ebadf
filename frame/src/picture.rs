//! A decoded picture: its planes, and what their codes mean. Time is not here; a picture does not
//! know when it is shown.

use crate::{Error, PixelFormat, Plane, Range, Result};
use std::fmt;

/// Longest side of a picture: twice 8K, and small enough that a plane's index fits `u32`.
pub const SIDE_MAX: u32 = 16384;

/// Width and height in samples of luma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// Samples per row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// A size; not checked until a picture or an operation is made of it.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Refuses sides outside 1..=[`SIDE_MAX`].
    pub fn checked(self) -> Result<Self> {
        let Self { width, height } = self;
        if (1..=SIDE_MAX).contains(&width) && (1..=SIDE_MAX).contains(&height) {
            return Ok(self);
        }
        Err(Error::Dimensions { width, height })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A picture. Planes always have the size and depth that format and size ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    format: PixelFormat,
    size: Size,
    range: Range,
    planes: Vec<Plane>,
}

impl Picture {
    /// A picture of zeros in video range.
    pub fn new(format: PixelFormat, width: u32, height: u32) -> Result<Self> {
        let size = Size::new(width, height).checked()?;
        let planes = (0..format.planes())
            .map(|index| {
                let (width, height) = format.plane_size(index, width, height);
                Plane::zeroed(width, height, format.bit_depth())
            })
            .collect();
        Ok(Self {
            format,
            size,
            range: Range::Video,
            planes,
        })
    }

    /// A black picture in video range.
    pub fn black(format: PixelFormat, width: u32, height: u32) -> Result<Self> {
        let mut picture = Self::new(format, width, height)?;
        picture.fill_black();
        Ok(picture)
    }

    /// A picture of given planes; each must have the size and depth that the format asks for.
    pub fn from_planes(
        format: PixelFormat,
        size: Size,
        range: Range,
        planes: Vec<Plane>,
    ) -> Result<Self> {
        let Size { width, height } = size.checked()?;
        let fits = |index: usize, plane: &Plane| {
            let (width, height) = format.plane_size(index, width, height);
            (plane.width(), plane.height()) == (width as usize, height as usize)
                && plane.as_u8().is_some() == (format.bit_depth() == 8)
        };
        let wrong = planes
            .iter()
            .enumerate()
            .position(|(index, plane)| !fits(index, plane));
        let count = (planes.len() != format.planes()).then(|| planes.len().min(format.planes()));
        if let Some(index) = wrong.filter(|&index| index < format.planes()).or(count) {
            return Err(Error::PlaneMismatch {
                index,
                format,
                size,
            });
        }
        Ok(Self {
            format,
            size,
            range,
            planes,
        })
    }

    /// Turns this picture into one of another shape, keeping allocations where it can. Samples are
    /// unspecified afterwards; the range is video.
    pub fn reshape(&mut self, format: PixelFormat, size: Size) -> Result<()> {
        size.checked()?;
        (self.format, self.size, self.range) = (format, size, Range::Video);
        self.planes.truncate(format.planes());
        for index in 0..format.planes() {
            let (width, height) = format.plane_size(index, size.width, size.height);
            match self.planes.get_mut(index) {
                Some(plane) => plane.reshape(width, height, format.bit_depth()),
                None => self
                    .planes
                    .push(Plane::zeroed(width, height, format.bit_depth())),
            }
        }
        Ok(())
    }

    /// Makes all samples black, in video range.
    pub fn fill_black(&mut self) {
        self.range = Range::Video;
        let shift = self.format.bit_depth() - 8;
        for (index, plane) in self.planes.iter_mut().enumerate() {
            let code: u8 = if index == 0 { 16 } else { 128 };
            if let Some(data) = plane.as_u8_mut() {
                data.fill(code);
            } else if let Some(data) = plane.as_u16_mut() {
                data.fill(u16::from(code) << shift);
            }
        }
    }

    /// The layout.
    pub fn format(&self) -> PixelFormat {
        self.format
    }

    /// Width and height of the luma plane.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Width of the luma plane.
    pub fn width(&self) -> u32 {
        self.size.width
    }

    /// Height of the luma plane.
    pub fn height(&self) -> u32 {
        self.size.height
    }

    /// What the codes mean.
    pub fn range(&self) -> Range {
        self.range
    }

    /// Says what the codes mean; changes no sample.
    pub fn set_range(&mut self, range: Range) {
        self.range = range;
    }

    /// Y, Cb, Cr, or Y alone.
    pub fn planes(&self) -> &[Plane] {
        &self.planes
    }

    /// The planes for writing their samples; their sizes stay.
    pub fn planes_mut(&mut self) -> &mut [Plane] {
        &mut self.planes
    }

    /// Bytes that the samples occupy.
    pub fn byte_len(&self) -> usize {
        let bytes = if self.format.bit_depth() == 8 { 1 } else { 2 };
        self.planes
            .iter()
            .map(|plane| plane.width() * plane.height() * bytes)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Samples;

    #[test]
    fn sides_outside_the_bounds_are_refused() {
        for (width, height) in [(0, 1), (1, 0), (SIDE_MAX + 1, 1), (1, SIDE_MAX + 1)] {
            assert_eq!(
                Picture::new(PixelFormat::Yuv420p8, width, height),
                Err(Error::Dimensions { width, height })
            );
        }
        assert!(Picture::new(PixelFormat::Gray8, SIDE_MAX, 1).is_ok());
    }

    #[test]
    fn every_format_makes_a_picture_of_one_sample() {
        for format in PixelFormat::ALL {
            let picture = Picture::new(format, 1, 1).unwrap();
            assert_eq!(picture.planes().len(), format.planes());
            assert!(
                picture
                    .planes()
                    .iter()
                    .all(|plane| plane.width() * plane.height() == 1)
            );
        }
    }

    #[test]
    fn planes_that_do_not_fit_are_named() {
        let plane = |w: u32, h: u32| {
            Plane::from_samples(w, h, Samples::U8(vec![0; (w * h) as usize])).unwrap()
        };
        let size = Size::new(4, 4);
        let make = |planes| Picture::from_planes(PixelFormat::Yuv420p8, size, Range::Full, planes);
        assert!(make(vec![plane(4, 4), plane(2, 2), plane(2, 2)]).is_ok());
        for (planes, wrong) in [
            (vec![plane(4, 4), plane(2, 2)], 2),
            (vec![plane(4, 4), plane(2, 3), plane(2, 2)], 1),
            (vec![plane(4, 4), plane(2, 2), plane(2, 2), plane(2, 2)], 3),
        ] {
            let format = PixelFormat::Yuv420p8;
            assert_eq!(
                make(planes),
                Err(Error::PlaneMismatch {
                    index: wrong,
                    format,
                    size
                })
            );
        }
    }

    #[test]
    fn reshaping_takes_any_shape_and_back() {
        let mut picture = Picture::black(PixelFormat::Yuv422p10, 31, 17).unwrap();
        picture
            .reshape(PixelFormat::Gray8, Size::new(8, 8))
            .unwrap();
        assert_eq!(picture.planes().len(), 1);
        picture
            .reshape(PixelFormat::Yuv420p8, Size::new(9, 9))
            .unwrap();
        picture.fill_black();
        assert_eq!(
            picture,
            Picture::black(PixelFormat::Yuv420p8, 9, 9).unwrap()
        );
        assert!(
            picture
                .reshape(PixelFormat::Gray8, Size::new(0, 8))
                .is_err()
        );
    }
}
