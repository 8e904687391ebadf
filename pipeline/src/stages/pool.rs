//! A full-size picture that several threads read at once. When the last of them drops it, its memory
//! goes back to the pool it came from, so that a running chunk allocates no pictures.

use crate::error::{InStage, Result};
use frame::{Picture, PicturePool, PixelFormat, Size};
use parking_lot::Mutex;
use std::ops::Deref;
use std::sync::Arc;

/// Where pictures come from and go back to; shared by all stages of a chunk.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Mutex<PicturePool>>);

/// A picture that is only read from now on.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Lent>);

#[derive(Debug)]
struct Lent {
    // Always there until dropped.
    picture: Option<Picture>,
    home: Pool,
}

impl Pool {
    /// A pool that keeps so many spent pictures.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(PicturePool::new(capacity))))
    }

    /// A picture of the wanted shape with unspecified samples.
    pub(crate) fn take(&self, format: PixelFormat, size: Size) -> Result<Picture> {
        self.0.lock().take(format, size).in_stage("filter")
    }

    /// Gives a picture back.
    pub(crate) fn give(&self, picture: Picture) {
        self.0.lock().give(picture);
    }

    /// Makes a picture readable by many.
    pub(crate) fn share(&self, picture: Picture) -> Shared {
        Shared(Arc::new(Lent {
            picture: Some(picture),
            home: self.clone(),
        }))
    }
}

impl Shared {
    /// Whether both are the very same picture.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Deref for Shared {
    type Target = Picture;

    fn deref(&self) -> &Picture {
        self.0
            .picture
            .as_ref()
            .expect("only drop takes the picture out")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(picture) = self.picture.take() {
            self.home.give(picture);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reader_gives_the_memory_back() {
        let pool = Pool::new(2);
        let size = Size::new(16, 16);
        let picture = pool.take(PixelFormat::Yuv420p8, size).unwrap();
        let address = picture.planes()[0].as_u8().unwrap().as_ptr();
        let first = pool.share(picture);
        let second = first.clone();
        assert!(first.is(&second));
        drop(first);
        let other = pool.take(PixelFormat::Yuv420p8, size).unwrap();
        assert_ne!(other.planes()[0].as_u8().unwrap().as_ptr(), address);
        drop(second);
        let again = pool.take(PixelFormat::Yuv420p8, size).unwrap();
        assert_eq!(again.planes()[0].as_u8().unwrap().as_ptr(), address);
    }
}
