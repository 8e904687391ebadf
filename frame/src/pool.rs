//! Pictures that wait to be used again, so that a running pipeline allocates nothing. Not shared
//! between threads by itself: each stage that makes pictures owns one.

use crate::{Picture, PixelFormat, Result, Size};

/// A bounded store of spent pictures.
#[derive(Debug)]
pub struct PicturePool {
    spent: Vec<Picture>,
    capacity: usize,
}

impl PicturePool {
    /// A pool that keeps at most `capacity` spent pictures.
    pub fn new(capacity: usize) -> Self {
        Self {
            spent: Vec::with_capacity(capacity),
            capacity,
        }
    }

    /// A picture of the wanted shape in video range, with unspecified samples.
    pub fn take(&mut self, format: PixelFormat, size: Size) -> Result<Picture> {
        size.checked()?;
        let same = self
            .spent
            .iter()
            .position(|p| (p.format(), p.size()) == (format, size));
        let spent = match same {
            Some(index) => Some(self.spent.swap_remove(index)),
            None => self.spent.pop(),
        };
        let Some(mut picture) = spent else {
            return Picture::new(format, size.width, size.height);
        };
        picture.reshape(format, size)?;
        Ok(picture)
    }

    /// Gives a spent picture back; beyond the capacity it is freed.
    pub fn give(&mut self, picture: Picture) {
        if self.spent.len() < self.capacity {
            self.spent.push(picture);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_picture_is_used_again() {
        let mut pool = PicturePool::new(2);
        let size = Size::new(16, 8);
        let picture = pool.take(PixelFormat::Yuv420p8, size).unwrap();
        let address = picture.planes()[0].as_u8().unwrap().as_ptr();
        pool.give(picture);
        pool.give(Picture::new(PixelFormat::Gray8, 4, 4).unwrap());
        let again = pool.take(PixelFormat::Yuv420p8, size).unwrap();
        assert_eq!(again.planes()[0].as_u8().unwrap().as_ptr(), address);
    }

    #[test]
    fn a_pool_keeps_no_more_than_its_capacity() {
        let mut pool = PicturePool::new(1);
        for _ in 0..3 {
            pool.give(Picture::new(PixelFormat::Gray8, 4, 4).unwrap());
        }
        assert_eq!(pool.spent.len(), 1);
        assert!(pool.take(PixelFormat::Gray8, Size::new(0, 4)).is_err());
    }
}
