//! Boxes of an MP4 file (ISO/IEC 14496-12), as far as a test breaks them on purpose.

use anyhow::{Context, Result};

/// Tables of samples with their length when they are empty: version and flags, then counts of zero.
const TABLES: [(&[u8; 4], usize); 6] = [
    (b"stts", 8),
    (b"ctts", 8),
    (b"stss", 8),
    (b"stsc", 8),
    (b"stco", 8),
    (b"stsz", 12),
];

/// The same file with video tracks that describe no sample. Nothing is moved if the index is at the
/// end of the file, as it is unless `faststart` was asked for.
pub fn without_video_samples(file: &[u8]) -> Result<Vec<u8>> {
    rebuild(file, |name, content| match name {
        b"moov" => rebuild(content, |name, content| match name {
            b"trak" if is_video(content) => emptied(content),
            _ => Ok(content.to_vec()),
        }),
        _ => Ok(content.to_vec()),
    })
}

/// Video tracks have a video media header (section 12.1.2).
fn is_video(track: &[u8]) -> bool {
    track.windows(4).any(|name| name == b"vmhd")
}

fn emptied(content: &[u8]) -> Result<Vec<u8>> {
    rebuild(content, |name, content| match name {
        b"mdia" | b"minf" | b"stbl" => emptied(content),
        _ => {
            let table = TABLES.iter().find(|(table, _)| *table == name);
            Ok(table.map_or(content.to_vec(), |(_, length)| vec![0; *length]))
        }
    })
}

/// Every box with what `change` makes of its content.
fn rebuild(
    mut boxes: &[u8],
    change: impl Fn(&[u8; 4], &[u8]) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let mut built = Vec::new();
    while !boxes.is_empty() {
        let (size, rest) = boxes.split_first_chunk::<4>().context("a box has a size")?;
        let (name, _) = rest.split_first_chunk::<4>().context("a box has a name")?;
        let size = usize::try_from(u32::from_be_bytes(*size))?;
        let content = boxes.get(8..size).context("a box ends inside its parent")?;
        let content = change(name, content)?;
        built.extend(u32::try_from(content.len() + 8)?.to_be_bytes());
        built.extend(name);
        built.extend(content);
        boxes = &boxes[size..];
    }
    Ok(built)
}
