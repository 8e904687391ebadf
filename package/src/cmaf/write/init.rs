//! The init segment: `ftyp` and a `moov` without samples. Every duration in it is zero, because the
//! same init segment serves a track whose end is not known yet.

use super::boxes::BoxWriter;
use super::sample_entry::sample_entry;
use super::{TrackInit, TrackKind};
use crate::error::{Error, Result};
use crate::language;

/// Unity, as every track and movie header repeats it (ISO/IEC 14496-12 8.2.2).
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The only track of the file.
const TRACK_ID: u32 = 1;

/// Writes an init segment. Fails on sizes that the boxes cannot hold, a record that does not parse
/// or that does not fit the kind of track.
pub fn init_segment(track: &TrackInit) -> Result<Vec<u8>> {
    check(track)?;
    let mut writer = BoxWriter::default();
    writer.boxed(b"ftyp", |ftyp| {
        ftyp.raw(b"iso6");
        ftyp.u32(0);
        ftyp.raw(b"iso6cmfc");
    });
    writer.boxed(b"moov", |moov| {
        movie_header(moov, track);
        moov.boxed(b"trak", |trak| track_box(trak, track));
        moov.boxed(b"mvex", |mvex| {
            mvex.full(b"trex", (0, 0), |trex| {
                trex.u32(TRACK_ID);
                trex.u32(1);
                trex.zeros(12);
            });
        });
    });
    Ok(writer.into_bytes())
}

fn check(track: &TrackInit) -> Result<()> {
    let fits = |value: u32| (1..=u32::from(u16::MAX)).contains(&value);
    let (is_video, sizes_fit) = match track.kind {
        TrackKind::Video { width, height, .. } => (true, fits(width) && fits(height)),
        TrackKind::Audio {
            channels,
            sample_rate,
        } => (false, fits(channels) && fits(sample_rate)),
    };
    if is_video != track.config.is_video() {
        return Err(Error::invalid(
            "init segment",
            "the codec does not fit the kind of track",
        ));
    }
    if !sizes_fit || track.timescale == 0 {
        return Err(Error::invalid(
            "init segment",
            format!("{:?} has no valid size", track.kind),
        ));
    }
    if track
        .edit
        .is_some_and(|start| i32::try_from(start).is_err())
    {
        return Err(Error::invalid(
            "elst",
            "the media time does not fit into 31 bits",
        ));
    }
    track.config.codecs_string().map(drop)
}

fn movie_header(moov: &mut BoxWriter, track: &TrackInit) {
    moov.full(b"mvhd", (0, 0), |mvhd| {
        mvhd.zeros(8);
        mvhd.u32(track.timescale);
        mvhd.u32(0);
        mvhd.u32(0x1_0000);
        mvhd.u16(0x100);
        mvhd.zeros(10);
        MATRIX.iter().for_each(|&entry| mvhd.u32(entry));
        mvhd.zeros(24);
        mvhd.u32(TRACK_ID + 1);
    });
}

fn track_box(trak: &mut BoxWriter, track: &TrackInit) {
    let (width, height, volume) = match track.kind {
        TrackKind::Video { width, height, .. } => (width, height, 0),
        TrackKind::Audio { .. } => (0, 0, 0x100),
    };
    // Enabled, in the movie, in the preview.
    trak.full(b"tkhd", (0, 7), |tkhd| {
        tkhd.zeros(8);
        tkhd.u32(TRACK_ID);
        tkhd.zeros(16);
        tkhd.zeros(4);
        tkhd.u16(volume);
        tkhd.u16(0);
        MATRIX.iter().for_each(|&entry| tkhd.u32(entry));
        tkhd.u32(width << 16);
        tkhd.u32(height << 16);
    });
    if let Some(start) = track.edit {
        trak.boxed(b"edts", |edts| {
            edts.full(b"elst", (0, 0), |elst| {
                elst.u32(1);
                // Zero: to the end of what the fragments hold (ISO/IEC 14496-12 8.6.6.1).
                elst.u32(0);
                elst.u32(start as u32);
                elst.u32(0x1_0000);
            });
        });
    }
    trak.boxed(b"mdia", |mdia| media(mdia, track));
}

fn media(mdia: &mut BoxWriter, track: &TrackInit) {
    mdia.full(b"mdhd", (0, 0), |mdhd| {
        mdhd.zeros(8);
        mdhd.u32(track.timescale);
        mdhd.u32(0);
        let letters = language::iso639_2t(&track.language);
        let packed = letters
            .iter()
            .fold(0, |packed, letter| packed << 5 | u16::from(letter - 0x60));
        mdhd.u16(packed);
        mdhd.u16(0);
    });
    mdia.full(b"hdlr", (0, 0), |hdlr| {
        hdlr.u32(0);
        hdlr.raw(match track.kind {
            TrackKind::Video { .. } => b"vide",
            TrackKind::Audio { .. } => b"soun",
        });
        hdlr.zeros(12);
        hdlr.u8(0);
    });
    if track.language != language::UNDETERMINED {
        mdia.full(b"elng", (0, 0), |elng| {
            elng.raw(track.language.as_bytes());
            elng.u8(0);
        });
    }
    mdia.boxed(b"minf", |minf| media_information(minf, track));
}

fn media_information(minf: &mut BoxWriter, track: &TrackInit) {
    match track.kind {
        TrackKind::Video { .. } => minf.full(b"vmhd", (0, 1), |vmhd| vmhd.zeros(8)),
        TrackKind::Audio { .. } => minf.full(b"smhd", (0, 0), |smhd| smhd.zeros(4)),
    }
    minf.boxed(b"dinf", |dinf| {
        dinf.full(b"dref", (0, 0), |dref| {
            dref.u32(1);
            // The media is in the same file.
            dref.full(b"url ", (0, 1), |_| {});
        });
    });
    minf.boxed(b"stbl", |stbl| {
        stbl.full(b"stsd", (0, 0), |stsd| {
            stsd.u32(1);
            sample_entry(stsd, track);
        });
        stbl.full(b"stts", (0, 0), |stts| stts.u32(0));
        stbl.full(b"stsc", (0, 0), |stsc| stsc.u32(0));
        stbl.full(b"stsz", (0, 0), |stsz| stsz.zeros(8));
        stbl.full(b"stco", (0, 0), |stco| stco.u32(0));
    });
}
