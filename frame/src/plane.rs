//! One component of a picture: rows without gaps, 8 bits in `u8`, deeper samples in `u16`.
//!
//! There is no stride: whoever copies from a decoder drops its padding once, and everything after
//! reads contiguous memory.

/// The samples of a plane, row after row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// 8-bit samples.
    U8(Vec<u8>),
    /// 10- or 12-bit samples in the low bits.
    U16(Vec<u16>),
}

/// A rectangle of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    width: u32,
    height: u32,
    samples: Samples,
}

impl Plane {
    /// A plane over `samples`; `None` when their number is not `width * height`.
    pub fn from_samples(width: u32, height: u32, samples: Samples) -> Option<Self> {
        let count = match &samples {
            Samples::U8(data) => data.len(),
            Samples::U16(data) => data.len(),
        };
        (count as u64 == u64::from(width) * u64::from(height)).then_some(Self {
            width,
            height,
            samples,
        })
    }

    /// A plane of zeros for samples of `bit_depth` bits.
    pub(crate) fn zeroed(width: u32, height: u32, bit_depth: u8) -> Self {
        let mut plane = Self {
            width,
            height,
            samples: Samples::U8(Vec::new()),
        };
        plane.reshape(width, height, bit_depth);
        plane
    }

    /// Changes size and sample type, keeping the allocation where the type stays. The samples are
    /// unspecified afterwards.
    pub(crate) fn reshape(&mut self, width: u32, height: u32, bit_depth: u8) {
        let count = width as usize * height as usize;
        (self.width, self.height) = (width, height);
        match &mut self.samples {
            Samples::U8(data) if bit_depth == 8 => data.resize(count, 0),
            Samples::U16(data) if bit_depth > 8 => data.resize(count, 0),
            other if bit_depth == 8 => *other = Samples::U8(vec![0; count]),
            other => *other = Samples::U16(vec![0; count]),
        }
    }

    /// Samples per row.
    pub fn width(&self) -> usize {
        self.width as usize
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height as usize
    }

    /// The samples of either type.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The samples, when they are 8-bit.
    pub fn as_u8(&self) -> Option<&[u8]> {
        match &self.samples {
            Samples::U8(data) => Some(data),
            Samples::U16(_) => None,
        }
    }

    /// The samples for writing, when they are 8-bit.
    pub fn as_u8_mut(&mut self) -> Option<&mut [u8]> {
        match &mut self.samples {
            Samples::U8(data) => Some(data),
            Samples::U16(_) => None,
        }
    }

    /// The samples, when they are deeper than 8 bits.
    pub fn as_u16(&self) -> Option<&[u16]> {
        match &self.samples {
            Samples::U16(data) => Some(data),
            Samples::U8(_) => None,
        }
    }

    /// The samples for writing, when they are deeper than 8 bits.
    pub fn as_u16_mut(&mut self) -> Option<&mut [u16]> {
        match &mut self.samples {
            Samples::U16(data) => Some(data),
            Samples::U8(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_must_have_all_its_samples() {
        assert!(Plane::from_samples(2, 2, Samples::U8(vec![0; 4])).is_some());
        assert!(Plane::from_samples(2, 2, Samples::U8(vec![0; 5])).is_none());
        assert!(Plane::from_samples(u32::MAX, u32::MAX, Samples::U16(vec![])).is_none());
    }

    #[test]
    fn reshaping_keeps_the_allocation() {
        let mut plane = Plane::zeroed(64, 64, 8);
        let before = plane.as_u8().unwrap().as_ptr();
        plane.reshape(32, 16, 8);
        assert_eq!((plane.width(), plane.height()), (32, 16));
        assert_eq!(plane.as_u8().unwrap().as_ptr(), before);
        plane.reshape(32, 16, 10);
        assert_eq!(plane.as_u16().unwrap().len(), 512);
    }
}
