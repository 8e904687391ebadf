//! What a source is: its tracks, and every frame with its time. Reads all packets once and decodes
//! only the first pictures and the first sound of each track.
//!
//! Not here: decisions about the output, and hashing. The one fact to know: what the frame table
//! lists is a promise that every frame decodes under exactly that time, and the chunks hold the
//! source to it. So packets that show nothing, and frames that no access point reaches, are left out.

mod boxes;
mod first_pictures;
mod frames;
mod scan;
mod tracks;

use crate::error::{Error, InStage, Place, Result};
use first_pictures::Seen;
use frames::Frames;
use libav::{ByteSource, Demuxer, StreamInfo};
use model::FailureKind;
use model::hdr::HdrTransfer;
use model::source::{Color, FieldOrder, SourceInfo, VideoTrack};
use scan::Scan;

pub(crate) const STAGE: &str = "probe";

/// Longest side of a source picture: 8K, of square and upright material too.
const SIDE_MAX: u32 = 8192;

/// Reads a whole source and says what is in it. `sha256` is left empty: the caller, who reads all
/// bytes anyway, hashes. Refuses, with what and where, a source that is broken, encrypted, too
/// large, of colours that nothing here can map, or has neither pictures nor sound.
pub fn probe(mut source: Box<dyn ByteSource>) -> Result<SourceInfo> {
    let size_bytes = source.len();
    boxes::refuse_protected(source.as_mut())?;
    let mut demuxer = Demuxer::open(source).in_stage(STAGE)?;
    let container = demuxer.format_name();
    let streams = demuxer.streams().to_vec();
    let mut notes = Vec::new();
    let chosen = tracks::choose_video(&streams, &mut notes);
    if let Some(stream) = chosen {
        refuse_pictures(stream)?;
    }
    let mut scan = Scan::open(&streams, chosen)?;
    scan.run(&mut demuxer)?;
    let video = match chosen {
        Some(stream) => Some(video_track(stream, &mut scan, &mut notes)?),
        None => None,
    };
    let audio = tracks::audio(&streams, &scan, &mut notes);
    if video.is_none() && audio.is_empty() {
        return Err(Error::bad_input(
            STAGE,
            format!("{container} with neither pictures nor sound"),
        ));
    }
    let text = tracks::text(&streams, &mut notes);
    Ok(SourceInfo {
        sha256: String::new(),
        size_bytes,
        container,
        video,
        audio,
        text,
        notes,
    })
}

/// What can be refused before any packet is read.
fn refuse_pictures(stream: &StreamInfo) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::refused(STAGE, FailureKind::Unsupported, what).at(Place::Stream(stream.index)))
    };
    if let Some(vision) = stream
        .dolby_vision
        .filter(|vision| vision.compatibility == 0)
    {
        let profile = vision.profile;
        return refuse(format!(
            "Dolby Vision of profile {profile}, whose base layer no other decoder can show"
        ));
    }
    // RGB, constant luminance, ICtCp, other primaries: a guess would show wrong colours.
    let Color {
        primaries, matrix, ..
    } = stream.color;
    let is_bt2020 = matches!(primaries, 2 | 9) && matches!(matrix, 2 | 9);
    if HdrTransfer::of(stream.color.transfer).is_some() && !is_bt2020 {
        return refuse(format!(
            "HDR pictures with primaries {primaries} and matrix {matrix} (ITU-T H.273); BT.2020 with \
             non-constant luminance (9 and 9) is taken"
        ));
    }
    if stream.width > SIDE_MAX || stream.height > SIDE_MAX {
        let (width, height) = (stream.width, stream.height);
        return refuse(format!(
            "pictures of {width}x{height}, sides may have {SIDE_MAX}"
        ));
    }
    Ok(())
}

fn video_track(
    stream: &StreamInfo,
    scan: &mut Scan,
    notes: &mut Vec<String>,
) -> Result<VideoTrack> {
    let place = Place::Stream(stream.index);
    let mut frames = Frames::build(stream, scan.take_video_packets()).map_err(|e| e.at(place))?;
    let seen = scan.seen_pictures().map_err(|error| error.at(place))?;
    if !frames.is_ordinal {
        if let Some(first) = seen.first_time() {
            frames.start_at(first);
        }
        seen.refuse_other_times(&frames.table)?;
    }
    notes.append(&mut frames.notes);
    let size = seen.picture.picture.size();
    Ok(VideoTrack {
        stream: stream.index,
        codec: stream.codec.clone(),
        width: size.width,
        height: size.height,
        sample_aspect: stream.sample_aspect,
        orientation: stream.orientation,
        field_order: field_order(stream, &seen),
        pixel_format: stream.pixel_format.clone(),
        bit_depth: seen.picture.picture.format().bit_depth(),
        color: color(stream, &seen),
        hdr: seen.hdr.or(stream.hdr),
        time_base: stream.time_base,
        nominal_frame_rate: stream.real_frame_rate.or(stream.average_frame_rate),
        frames: frames.table,
    })
}

/// Codecs whose pictures say nothing about fields, so that the container's word is taken.
const SILENT_ABOUT_FIELDS: [&str; 4] = ["rawvideo", "v210", "ffv1", "huffyuv"];

fn field_order(stream: &StreamInfo, seen: &Seen) -> FieldOrder {
    if SILENT_ABOUT_FIELDS.contains(&stream.codec.as_str()) {
        return stream.field_order.unwrap_or(FieldOrder::Progressive);
    }
    seen.field_order()
}

/// What the stream says, where the decoded pictures do not know better.
fn color(stream: &StreamInfo, seen: &Seen) -> Color {
    let is_rgb = stream.color.matrix == 0;
    Color {
        // RGB arrives as BT.709 in video range.
        matrix: if is_rgb { 1 } else { stream.color.matrix },
        full_range: seen.picture.picture.range() == frame::Range::Full,
        ..stream.color
    }
}
