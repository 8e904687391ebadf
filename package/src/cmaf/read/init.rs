//! The init segment, box by box in the order of the writer. What the writer leaves constant is
//! compared, so that a flipped bit anywhere is found.

use super::cursor::Cursor;
use super::sample_entry::{Handler, sample_entry};
use crate::cmaf::write::{TrackInit, TrackKind};
use crate::error::Result;
use crate::language;

const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// What `tkhd` says that `stsd` must repeat.
struct TrackHeader {
    width: u32,
    height: u32,
    volume: u16,
}

/// Reads an init segment. Fails on anything that [`crate::cmaf::write::init_segment`] does not write.
pub fn init_segment(bytes: &[u8]) -> Result<TrackInit> {
    let mut file = Cursor::file(bytes);
    file_type(file.child(b"ftyp")?)?;
    let mut movie = file.child(b"moov")?;
    file.end()?;
    let timescale = movie_header(&mut movie)?;
    let track = movie.child(b"trak")?;
    let mut extends = movie.child(b"mvex")?;
    let mut defaults = extends.full_with(b"trex", (0, 0))?;
    extends.end()?;
    movie.end()?;
    defaults.exactly(&[0, 0, 0, 1, 0, 0, 0, 1])?;
    defaults.zeros(12)?;
    defaults.end()?;
    read_track(track, timescale)
}

fn file_type(mut body: Cursor<'_>) -> Result<()> {
    body.exactly(b"iso6\0\0\0\0")?;
    let problem = body.problem("brand cmfc is missing");
    let mut brands = body.rest().chunks(4);
    if brands.any(|brand| brand == b"cmfc") {
        Ok(())
    } else {
        Err(problem)
    }
}

fn matrix(body: &mut Cursor<'_>) -> Result<()> {
    MATRIX
        .iter()
        .try_for_each(|entry| body.exactly(&entry.to_be_bytes()))
}

fn movie_header(movie: &mut Cursor<'_>) -> Result<u32> {
    let mut header = movie.full_with(b"mvhd", (0, 0))?;
    header.zeros(8)?;
    let timescale = header.u32()?;
    header.zeros(4)?;
    header.exactly(&[0, 1, 0, 0, 1, 0])?;
    header.zeros(10)?;
    matrix(&mut header)?;
    header.zeros(24)?;
    header.exactly(&[0, 0, 0, 2])?;
    header.end()?;
    Ok(timescale)
}

fn read_track(mut track: Cursor<'_>, timescale: u32) -> Result<TrackInit> {
    let header = track_header(&mut track)?;
    let edit = if track.is_next(b"edts") {
        Some(edit_list(track.child(b"edts")?)?)
    } else {
        None
    };
    let mut media = track.child(b"mdia")?;
    track.end()?;

    let mut media_header = media.full_with(b"mdhd", (0, 0))?;
    media_header.zeros(8)?;
    if media_header.u32()? != timescale || timescale == 0 {
        return Err(media_header.problem("timescale is zero or differs from that of mvhd"));
    }
    media_header.zeros(4)?;
    let packed = media_header.u16()?;
    let language_problem = media_header.problem("language differs from that of elng");
    media_header.zeros(2)?;
    media_header.end()?;

    let handler = handler(&mut media)?;
    let language = extended_language(&mut media)?;
    let letters = [10, 5, 0].map(|shift| (packed >> shift & 0x1f) as u8 + 0x60);
    if letters != language::iso639_2t(&language) {
        return Err(language_problem);
    }
    let mut information = media.child(b"minf")?;
    media.end()?;
    let (kind, config) = read_information(&mut information, handler)?;
    information.end()?;
    let expected = match kind {
        TrackKind::Video { width, height, .. } => (width << 16, height << 16, 0),
        TrackKind::Audio { .. } => (0, 0, 0x100),
    };
    if expected != (header.width, header.height, header.volume) {
        return Err(track.problem("tkhd disagrees with the sample entry"));
    }
    Ok(TrackInit {
        kind,
        timescale,
        language,
        config,
        edit,
    })
}

fn track_header(track: &mut Cursor<'_>) -> Result<TrackHeader> {
    let mut header = track.full_with(b"tkhd", (0, 7))?;
    header.zeros(8)?;
    header.exactly(&[0, 0, 0, 1])?;
    header.zeros(20)?;
    let volume = header.u16()?;
    header.zeros(2)?;
    matrix(&mut header)?;
    let (width, height) = (header.u32()?, header.u32()?);
    header.end()?;
    Ok(TrackHeader {
        width,
        height,
        volume,
    })
}

fn edit_list(mut edits: Cursor<'_>) -> Result<u64> {
    let mut list = edits.full_with(b"elst", (0, 0))?;
    edits.end()?;
    list.exactly(&[0, 0, 0, 1, 0, 0, 0, 0])?;
    let start = list.u32()?;
    if start > i32::MAX as u32 {
        return Err(list.problem("empty edit"));
    }
    list.exactly(&[0, 1, 0, 0])?;
    list.end()?;
    Ok(u64::from(start))
}

fn handler(media: &mut Cursor<'_>) -> Result<Handler> {
    let mut body = media.full_with(b"hdlr", (0, 0))?;
    body.zeros(4)?;
    let problem = body.problem("handler is neither vide nor soun");
    let handler = match &body.four()? {
        b"vide" => Handler::Video,
        b"soun" => Handler::Audio,
        _ => return Err(problem),
    };
    body.zeros(13)?;
    body.end()?;
    Ok(handler)
}

fn extended_language(media: &mut Cursor<'_>) -> Result<String> {
    if !media.is_next(b"elng") {
        return Ok(language::UNDETERMINED.to_owned());
    }
    let mut body = media.full_with(b"elng", (0, 0))?;
    let problem = body.problem("is not a normal language tag");
    let Some((0, text)) = body.rest().split_last() else {
        return Err(problem);
    };
    let tag = String::from_utf8_lossy(text).into_owned();
    if tag == language::bcp47(&tag) && tag != language::UNDETERMINED {
        Ok(tag)
    } else {
        Err(problem)
    }
}

fn read_information(
    information: &mut Cursor<'_>,
    handler: Handler,
) -> Result<(TrackKind, crate::CodecConfig)> {
    let (mut header, zeros) = match handler {
        Handler::Video => (information.full_with(b"vmhd", (0, 1))?, 8),
        Handler::Audio => (information.full_with(b"smhd", (0, 0))?, 4),
    };
    header.zeros(zeros)?;
    header.end()?;
    let mut data = information.child(b"dinf")?;
    let mut references = data.full_with(b"dref", (0, 0))?;
    data.end()?;
    references.exactly(&[0, 0, 0, 1])?;
    references.full_with(b"url ", (0, 1))?.end()?;
    references.end()?;

    let mut table = information.child(b"stbl")?;
    let mut descriptions = table.full_with(b"stsd", (0, 0))?;
    descriptions.exactly(&[0, 0, 0, 1])?;
    let entry = sample_entry(&mut descriptions, handler)?;
    descriptions.end()?;
    for (kind, zeros) in [(b"stts", 4), (b"stsc", 4), (b"stsz", 8), (b"stco", 4)] {
        let mut empty = table.full_with(kind, (0, 0))?;
        empty.zeros(zeros)?;
        empty.end()?;
    }
    table.end()?;
    Ok(entry)
}
