//! Looks into the sample descriptions of MP4 files for what libav's demuxer does not tell: encrypted
//! tracks and Dolby Vision. Everything else about the container is libav's business.
//!
//! Tolerant on purpose: a file that is no MP4, or a broken one, passes here and is judged by libav.

use super::STAGE;
use crate::error::{Error, Result};
use libav::ByteSource;
use model::FailureKind;
use std::ops::Range;

/// A film of ten hours has a `moov` of some 30 MB.
const MOOV_BYTES_MAX: u64 = 64 << 20;

/// Boxes at the top level that are looked at; fragmented files have two for each fragment.
const TOP_BOXES_MAX: usize = 4096;

/// Bytes of a visual sample entry before its boxes (ISO/IEC 14496-12 12.1.3).
const VISUAL_ENTRY_BYTES: usize = 78;

/// Refuses an MP4 file with encrypted tracks or Dolby Vision.
pub(super) fn refuse_protected(source: &mut dyn ByteSource) -> Result<()> {
    let Some(moov) = read_moov(source)? else {
        return Ok(());
    };
    for entry in sample_entries(&moov) {
        let kind = &moov[entry.start - 4..entry.start];
        if matches!(kind, b"encv" | b"enca" | b"enct" | b"encs") {
            let name = String::from_utf8_lossy(kind);
            let message = format!("a track is encrypted (sample entry {name})");
            return Err(Error::refused(STAGE, FailureKind::Drm, message));
        }
        let extension_start = (entry.start + VISUAL_ENTRY_BYTES).min(entry.end);
        let dolby = children(&moov, extension_start..entry.end)
            .find(|(kind, _)| matches!(kind, b"dvcC" | b"dvvC" | b"dvwC"));
        if let Some((kind, _)) = dolby {
            let name = String::from_utf8_lossy(&kind).into_owned();
            let message = format!("pictures in Dolby Vision (box {name})");
            return Err(Error::refused(STAGE, FailureKind::Unsupported, message));
        }
    }
    Ok(())
}

/// The payload of the `moov` box, where there is one of a size that can be read.
fn read_moov(source: &mut dyn ByteSource) -> Result<Option<Vec<u8>>> {
    let mut at = 0_u64;
    for _ in 0..TOP_BOXES_MAX {
        let mut header = [0; 16];
        let got = read_full(source, at, &mut header)?;
        if got < 8 {
            return Ok(None);
        }
        let short = u64::from(u32::from_be_bytes([
            header[0], header[1], header[2], header[3],
        ]));
        let kind = [header[4], header[5], header[6], header[7]];
        if !kind
            .iter()
            .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
        {
            return Ok(None);
        }
        let mut long = [0; 8];
        long.copy_from_slice(&header[8..]);
        let (size, header_bytes) = match short {
            0 => (source.len().saturating_sub(at), 8),
            1 if got == 16 => (u64::from_be_bytes(long), 16),
            size => (size, 8),
        };
        if size < header_bytes {
            return Ok(None);
        }
        if &kind == b"moov" {
            let length = (size - header_bytes).min(source.len());
            if length > MOOV_BYTES_MAX {
                return Ok(None);
            }
            let mut moov = vec![0; usize::try_from(length).unwrap_or_default()];
            let got = read_full(source, at + header_bytes, &mut moov)?;
            moov.truncate(got);
            return Ok(Some(moov));
        }
        at = at.saturating_add(size);
    }
    Ok(None)
}

fn read_full(source: &mut dyn ByteSource, at: u64, buffer: &mut [u8]) -> Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        let more = source
            .read_at(at.saturating_add(got as u64), &mut buffer[got..])
            .map_err(|error| Error::new(STAGE, libav::Error::Source { at, source: error }))?;
        if more == 0 {
            break;
        }
        got += more;
    }
    Ok(got)
}

/// Payload ranges of all sample entries of all tracks.
fn sample_entries(moov: &[u8]) -> Vec<Range<usize>> {
    let inside = |ranges: Vec<Range<usize>>, wanted: &[u8; 4]| -> Vec<Range<usize>> {
        ranges
            .into_iter()
            .flat_map(|range| children(moov, range))
            .filter(|(kind, _)| kind == wanted)
            .map(|(_, range)| range)
            .collect()
    };
    let tracks = children(moov, 0..moov.len()).filter(|(kind, _)| kind == b"trak");
    let mut ranges: Vec<Range<usize>> = tracks.map(|(_, range)| range).collect();
    for wanted in [b"mdia", b"minf", b"stbl", b"stsd"] {
        ranges = inside(ranges, wanted);
    }
    ranges
        .into_iter()
        // Version, flags and count come before the entries.
        .map(|stsd| (stsd.start + 8).min(stsd.end)..stsd.end)
        .flat_map(|entries| children(moov, entries))
        .map(|(_, range)| range)
        .collect()
}

/// The boxes in a range: type and payload; ends at the first that does not fit.
fn children(bytes: &[u8], range: Range<usize>) -> impl Iterator<Item = ([u8; 4], Range<usize>)> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let header = bytes.get(at..range.end)?.first_chunk::<8>()?;
        let size = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let end = at
            .checked_add(size)
            .filter(|end| size >= 8 && *end <= range.end)?;
        let payload = at + 8..end;
        at = end;
        Some(([header[4], header[5], header[6], header[7]], payload))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).unwrap();
        [&size.to_be_bytes(), &kind[..], payload].concat()
    }

    fn film(entry: &[u8]) -> libav::MemorySource {
        let stsd = boxed(b"stsd", &[&[0; 8], entry].concat());
        let nested = [b"stbl", b"minf", b"mdia", b"trak", b"moov"]
            .iter()
            .fold(stsd, |inner, kind| boxed(kind, &inner));
        libav::MemorySource([boxed(b"ftyp", b"isom"), nested].concat().into())
    }

    #[test]
    fn encryption_and_dolby_vision_are_named() {
        let encrypted = refuse_protected(&mut film(&boxed(b"encv", &[0; 78]))).unwrap_err();
        assert_eq!(encrypted.kind(), FailureKind::Drm);
        let entry = [&[0; 78], boxed(b"dvvC", &[0; 24]).as_slice()].concat();
        let dolby = refuse_protected(&mut film(&boxed(b"hvc1", &entry))).unwrap_err();
        assert_eq!(dolby.kind(), FailureKind::Unsupported);
        assert!(dolby.to_string().contains("Dolby Vision"), "{dolby}");
        refuse_protected(&mut film(&boxed(b"avc1", &[0; 78]))).unwrap();
    }

    #[test]
    fn broken_boxes_pass_to_the_demuxer() {
        let whole = film(&boxed(b"encv", &[0; 78]));
        for cut in 0..whole.0.len() {
            let mut part = libav::MemorySource(whole.0[..cut].into());
            let _ = refuse_protected(&mut part);
        }
        let endless = libav::MemorySource([0, 0, 0, 1, b'f', b'r', b'e', b'e'].repeat(4).into());
        refuse_protected(&mut endless.clone()).unwrap();
    }
}
