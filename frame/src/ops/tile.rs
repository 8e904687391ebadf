//! Small pictures for image tracks: a picture fitted into a tile, and tiles laid out on a sheet.
//!
//! A tile keeps the picture's display aspect; black bars fill the rest. Bars and sheets lie on even
//! samples, so that chroma never straddles a border.

use super::CpuLevel;
use super::scale::Scaler;
use crate::{Error, Picture, PixelFormat, Plane, Range, Result, Size};

/// The size of a tile.
pub const TILE: Size = Size::new(128, 72);

/// Fits pictures of one size into tiles.
#[derive(Debug)]
pub struct Fitter {
    scaler: Scaler,
    scaled: Picture,
    left: u32,
    top: u32,
}

impl Fitter {
    /// A fitter for `source` pictures that are shown with the aspect of `display` (the source's
    /// own size where samples are square). Fails on sizes that no picture can have.
    pub fn new(source: Size, display: Size, level: CpuLevel) -> Result<Self> {
        let inner = fit(display.checked()?);
        Ok(Self {
            scaler: Scaler::new(source, &[inner], level)?,
            scaled: Picture::new(PixelFormat::Yuv420p8, inner.width, inner.height)?,
            left: even_half(TILE.width - inner.width),
            top: even_half(TILE.height - inner.height),
        })
    }

    /// Writes the tile of an 8-bit 4:2:0 picture in video range; `tile` is reshaped.
    pub fn fit(&mut self, source: &Picture, tile: &mut Picture) -> Result<()> {
        if source.range() != Range::Video {
            return Err(Error::Shape {
                operation: "tile",
                expected: "video range".into(),
                got: "full range".into(),
            });
        }
        tile.reshape(PixelFormat::Yuv420p8, TILE)?;
        if self.scaled.size() == TILE {
            return self.scaler.scale_one(source, 0, tile);
        }
        self.scaler.scale_one(source, 0, &mut self.scaled)?;
        tile.fill_black();
        paste(&self.scaled, tile, self.left, self.top);
        Ok(())
    }
}

/// Lays tiles out row by row on a sheet of `columns` (at least 1), black where tiles are missing;
/// `sheet` is reshaped. Refuses an empty list, and tiles of another format or size.
pub fn compose(tiles: &[Picture], columns: u32, sheet: &mut Picture) -> Result<()> {
    let columns = columns.max(1);
    let rows = u32::try_from(tiles.len())
        .unwrap_or(u32::MAX)
        .div_ceil(columns);
    let (width, height) = (
        columns.saturating_mul(TILE.width),
        rows.saturating_mul(TILE.height),
    );
    sheet.reshape(PixelFormat::Yuv420p8, Size::new(width, height))?;
    sheet.fill_black();
    for (index, tile) in (0u32..).zip(tiles) {
        if (tile.format(), tile.size()) != (PixelFormat::Yuv420p8, TILE) {
            return Err(Error::Shape {
                operation: "tile",
                expected: format!("yuv420p8 {TILE}"),
                got: format!("{} {}", tile.format(), tile.size()),
            });
        }
        paste(
            tile,
            sheet,
            index % columns * TILE.width,
            index / columns * TILE.height,
        );
    }
    Ok(())
}

/// The largest even size of the display's aspect within a tile; never empty.
fn fit(display: Size) -> Size {
    let even = |length: u64, most: u32| {
        let nearest = u32::try_from(length.div_ceil(2) * 2).unwrap_or(most);
        nearest.clamp(2, most)
    };
    let (width, height) = (u64::from(display.width), u64::from(display.height));
    let (tile_width, tile_height) = (u64::from(TILE.width), u64::from(TILE.height));
    if width * tile_height >= height * tile_width {
        let height = (height * tile_width).div_euclid(width);
        Size::new(TILE.width, even(height, TILE.height))
    } else {
        let width = (width * tile_height).div_euclid(height);
        Size::new(even(width, TILE.width), TILE.height)
    }
}

/// Half of a length, rounded down to even.
fn even_half(length: u32) -> u32 {
    length / 4 * 2
}

/// Copies an 8-bit 4:2:0 picture to an even position inside a larger one.
fn paste(from: &Picture, to: &mut Picture, left: u32, top: u32) {
    for (index, (from, to)) in from.planes().iter().zip(to.planes_mut()).enumerate() {
        let shift = u32::from(index > 0);
        paste_plane(from, to, (left >> shift) as usize, (top >> shift) as usize);
    }
}

fn paste_plane(from: &Plane, to: &mut Plane, left: usize, top: usize) {
    let (width, stride) = (from.width(), to.width());
    let (Some(from), Some(to)) = (from.as_u8(), to.as_u8_mut()) else {
        return;
    };
    let rows = to.chunks_exact_mut(stride).skip(top);
    for (from, to) in from.chunks_exact(width).zip(rows) {
        to[left..left + width].copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn white(width: u32, height: u32) -> Picture {
        let mut picture = Picture::black(PixelFormat::Yuv420p8, width, height).unwrap();
        picture.planes_mut()[0].as_u8_mut().unwrap().fill(235);
        picture
    }

    fn tile_of(source: &Picture, display: Size) -> Picture {
        let mut tile = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
        let mut fitter = Fitter::new(source.size(), display, CpuLevel::Best).unwrap();
        fitter.fit(source, &mut tile).unwrap();
        tile
    }

    /// Columns of the middle row and rows of the middle column that are white.
    fn lit(tile: &Picture) -> (usize, usize) {
        let luma = tile.planes()[0].as_u8().unwrap();
        let row = luma[35 * 128..36 * 128]
            .iter()
            .filter(|&&code| code == 235)
            .count();
        let column = luma[64..]
            .iter()
            .step_by(128)
            .filter(|&&code| code == 235)
            .count();
        (row, column)
    }

    #[test]
    fn bars_keep_the_display_aspect() {
        for (width, height, display, expected) in [
            (1920, 1080, Size::new(1920, 1080), (128, 72)),
            (720, 576, Size::new(768, 576), (96, 72)),
            (720, 576, Size::new(1024, 576), (128, 72)),
            (1920, 800, Size::new(1920, 800), (128, 54)),
            (1080, 1920, Size::new(1080, 1920), (40, 72)),
            (1, 1, Size::new(1, 1), (72, 72)),
            (64, 1, Size::new(16384, 1), (128, 2)),
        ] {
            assert_eq!(
                lit(&tile_of(&white(width, height), display)),
                expected,
                "{display}"
            );
        }
    }

    #[test]
    fn a_sheet_holds_its_tiles_in_reading_order() {
        let tiles: Vec<Picture> = (0..5u8)
            .map(|index| {
                let mut tile = white(128, 72);
                tile.planes_mut()[0].as_u8_mut().unwrap().fill(100 + index);
                tile
            })
            .collect();
        let mut sheet = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
        compose(&tiles, 3, &mut sheet).unwrap();
        assert_eq!(sheet.size(), Size::new(384, 144));
        let luma = sheet.planes()[0].as_u8().unwrap();
        let at = |x: usize, y: usize| luma[(y * 72 + 40) * 384 + x * 128 + 5];
        let codes = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)].map(|(x, y)| at(x, y));
        assert_eq!(codes, [100, 101, 102, 103, 104, 16]);
    }

    #[test]
    fn what_cannot_be_a_sheet_is_refused() {
        let mut sheet = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
        assert!(matches!(
            compose(&[], 3, &mut sheet),
            Err(Error::Dimensions { .. })
        ));
        assert!(matches!(
            compose(&[white(16, 16)], 1, &mut sheet),
            Err(Error::Shape { .. })
        ));
        assert!(compose(&[white(128, 72)], 129, &mut sheet).is_err());
        let mut full = white(16, 16);
        full.set_range(Range::Full);
        let mut fitter = Fitter::new(full.size(), full.size(), CpuLevel::Best).unwrap();
        assert!(matches!(
            fitter.fit(&full, &mut sheet),
            Err(Error::Shape { .. })
        ));
    }
}
