//! The size that a JPEG file states (ITU-T T.81 B.2.2): what a sheet of thumbnails must agree with
//! before a manifest says so. Walks over marker segments and decodes nothing.

use crate::error::{Error, Result};

const WHAT: &str = "JPEG file";

/// Width and height of a whole file. Fails where it does not begin and end as one, and where the scan
/// begins before the size was stated.
pub fn size(bytes: &[u8]) -> Result<(u32, u32)> {
    if !bytes.starts_with(&[0xff, 0xd8]) || !bytes.ends_with(&[0xff, 0xd9]) {
        return Err(Error::malformed(WHAT, 0, "is cut off or none"));
    }
    let mut at = 2;
    loop {
        let cut_off = || Error::truncated(WHAT, at);
        let header = bytes.get(at..at + 4).ok_or_else(cut_off)?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[0] != 0xff || length < 2 {
            return Err(Error::malformed(
                WHAT,
                at,
                "has no marker where one must be",
            ));
        }
        let body = bytes.get(at + 4..at + 2 + length).ok_or_else(cut_off)?;
        match header[1] {
            // Start of frame; the three left out are tables and an extension.
            marker @ 0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let side = |from: usize| match body.get(from..from + 2) {
                    Some(side) => Ok(u32::from(u16::from_be_bytes([side[0], side[1]]))),
                    None => Err(cut_off()),
                };
                return Ok((side(3)?, side(1)?));
            }
            0xda => return Err(Error::malformed(WHAT, at, "has a scan before its size")),
            _ => at += 2 + length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An application segment, then a frame of 256 x 144.
    const FILE: [u8; 21] = [
        0xff, 0xd8, 0xff, 0xe0, 0, 4, 7, 7, 0xff, 0xc0, 0, 9, 8, 0, 144, 1, 0, 3, 0, 0xff, 0xd9,
    ];

    #[test]
    fn the_size_is_found_behind_other_segments() {
        assert_eq!(size(&FILE), Ok((256, 144)));
    }

    #[test]
    fn what_is_cut_off_or_states_no_size_is_refused() {
        for end in 0..FILE.len() {
            let cut = [&FILE[..end], &[0xff, 0xd9]].concat();
            // The last two bytes of the frame header are no part of the size.
            if end < 17 {
                assert!(size(&cut).is_err(), "cut at {end}");
            }
            assert!(size(&FILE[..end]).is_err(), "ends at {end}");
        }
        let mut scan = FILE;
        scan[9] = 0xda;
        assert!(size(&scan).is_err());
        let mut short = FILE;
        short[5] = 1;
        assert!(size(&short).is_err());
    }
}
