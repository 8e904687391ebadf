//! What facts claim, held against the bytes that they are about and against the plan. Facts come out
//! of a worker, which its source may have taken over, or out of storage, which may be damaged: nothing
//! of them reaches a manifest that was not looked at here.
//!
//! Says what does not hold, and not whose fault that is: the caller knows.

mod source;

pub(super) use source::source;

use super::describe::{Sheet, sprite_tiles, thumbnails};
use model::Rational;
use model::facts::{
    AudioFacts, AudioSegment, CodecConfig, ImageFacts, ImageFile, LoudnessFacts, PictureFacts,
    SegmentFacts, TextFacts,
};
use model::plan::{AudioCodec, AudioOutput, Plan, VideoPlan};
use model::rendition::VideoCodec;
use package::cmaf::read::{self, media_segment};
use package::text::Cue;

/// What does not hold, in words.
pub(super) type Claim<T = ()> = std::result::Result<T, String>;

/// Longest configuration record; parameter sets of real encoders take some hundred bytes.
const RECORD_BYTES_MAX: usize = 8 << 10;

/// Longest encoder delay in samples. AAC-LC has 1024 to 2112, AC-3 256.
pub(super) const PRIMING_MAX: u32 = 4096;

/// Samples of one codec frame, AAC's or AC-3's, whichever is longer.
const CODEC_FRAME_MAX: u64 = 1536;

/// No level, gain or range in hundredths of a decibel is further from zero.
const CENTI_DB_MAX: i32 = 50_000;

/// Hexadecimal digits of a luma thumbnail of 32 x 18.
const THUMB_DIGITS: usize = 2 * 32 * 18;

/// Bytes of one sprite tile: 128 x 72 in yuv420p.
const TILE_BYTES: u64 = 128 * 72 * 3 / 2;

fn holds(condition: bool, message: impl FnOnce() -> String) -> Claim {
    if condition { Ok(()) } else { Err(message()) }
}

fn is_hex(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.bytes().all(digit)
}

/// A hash as the farm writes it; anything else could name another object.
pub(super) fn sha256(text: &str) -> Claim {
    let is_one = text.len() == 64 && is_hex(text);
    holds(is_one, || format!("{text:?} is no SHA-256"))
}

/// The record must parse, and the codecs parameter, which manifests repeat, is the record's own.
pub(super) fn config(stored: &CodecConfig) -> Claim<package::CodecConfig> {
    let digits = stored.record.len();
    holds(digits <= 2 * RECORD_BYTES_MAX, || {
        format!("a codec configuration of {digits} digits")
    })?;
    holds(is_hex(&stored.record), || {
        "the codec configuration is not hexadecimal".to_owned()
    })?;
    let record = hex::decode(&stored.record).map_err(|e| e.to_string())?;
    let config =
        package::CodecConfig::from_record(&stored.entry, &record).map_err(|e| e.to_string())?;
    let codecs = config.codecs_string().map_err(|e| e.to_string())?;
    holds(codecs == stored.codecs, || {
        format!("codecs {:?}, the record says {codecs}", stored.codecs)
    })?;
    Ok(config)
}

/// Sample entry type of a format of pictures.
pub(super) const fn entry_of(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "avc1",
        VideoCodec::Hevc => "hvc1",
        VideoCodec::Av1 => "av01",
    }
}

/// Codecs parameter of a format of sound.
const fn codecs_of(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Aac => "mp4a.40.2",
        AudioCodec::Ac3 => "ac-3",
    }
}

/// Facts of a segment of pictures against its bytes; gives what was read of them.
pub(super) fn segment(facts: &SegmentFacts, bytes: &[u8]) -> Claim<read::SegmentFacts> {
    sha256(&facts.sha256)?;
    let config = config(&facts.config)?;
    holds(config.is_video(), || {
        format!("{} is no format of pictures", facts.config.entry)
    })?;
    let found = media_segment(bytes).map_err(|e| e.to_string())?.facts();
    let claimed = (
        facts.size_bytes,
        facts.frames,
        facts.base_decode_time,
        facts.duration,
    );
    let read = (
        bytes.len() as u64,
        found.samples,
        found.base_decode_time,
        found.duration,
    );
    holds(claimed == read, || {
        format!("size, frames, start and length are {read:?}, said was {claimed:?}")
    })?;
    Ok(found)
}

/// Facts of the pictures of a segment against the bytes of its tiles.
pub(super) fn pictures(facts: &PictureFacts, tile_bytes: usize) -> Claim {
    let is_thumb = |thumb: &str| thumb.len() == THUMB_DIGITS && is_hex(thumb);
    holds(
        is_thumb(&facts.first_thumb) && is_thumb(&facts.last_thumb),
        || "a thumbnail is not 32 x 18 samples".to_owned(),
    )?;
    let tiles = facts.tiles.len();
    holds(tiles as u64 * TILE_BYTES == tile_bytes as u64, || {
        format!("{tiles} tiles in {tile_bytes} bytes")
    })?;
    if tiles > 0 {
        sha256(&facts.tiles_sha256)?;
    }
    let end = facts.first_frame as usize + facts.frames.len();
    let inside = |&frame: &u32| frame >= facts.first_frame && (frame as usize) < end;
    let in_order = facts.tiles.is_sorted_by(|one, next| one < next);
    holds(in_order && facts.tiles.iter().all(inside), || {
        "tiles of other frames".to_owned()
    })
}

/// What the bytes of a segment of sound say, of which start and number are due; the hash is left empty.
pub(super) fn sound_segment(due: (u64, u64), bytes: &[u8]) -> Claim<AudioSegment> {
    let found = media_segment(bytes).map_err(|e| e.to_string())?.facts();
    let place = (found.base_decode_time, u64::from(found.sequence_number));
    holds(place == due, || {
        format!("a segment of sound has start and number {place:?}, due is {due:?}")
    })?;
    // No sum of what a track may hold can overflow below this.
    holds(found.duration <= u64::from(u32::MAX), || {
        format!("a segment of sound lasts {} ticks", found.duration)
    })?;
    Ok(AudioSegment {
        sha256: String::new(),
        size_bytes: bytes.len() as u64,
        base_decode_time: found.base_decode_time,
        duration: found.duration,
    })
}

/// Facts of a sound track, whose segments are those that were read from the bytes.
pub(super) fn sound(facts: &AudioFacts) -> Claim {
    let id = &facts.id;
    config(&facts.config).map_err(|e| format!("{id}: {e}"))?;
    let mut ticks = 0;
    for segment in &facts.segments {
        sha256(&segment.sha256)?;
        holds(segment.base_decode_time == ticks, || {
            format!("{id}: a segment starts at {}", segment.base_decode_time)
        })?;
        ticks += segment.duration;
    }
    holds(facts.priming <= PRIMING_MAX, || {
        format!("{id}: an encoder delay of {} samples", facts.priming)
    })?;
    let heard = ticks.checked_sub(u64::from(facts.priming));
    holds(heard == Some(facts.samples) && facts.samples > 0, || {
        format!(
            "{id}: {} samples and {} before them in {ticks} ticks",
            facts.samples, facts.priming
        )
    })?;
    loudness(&facts.source)?;
    loudness(&facts.output)?;
    level(Some(facts.gain_centi_db))?;
    let ascending = facts.silences.iter().all(|(start, end)| start < end)
        && facts.silences.is_sorted_by(|one, next| one.1 <= next.0);
    holds(ascending, || format!("{id}: silences in no order"))
}

/// Facts of a sound track against the output that was planned, in so many segments at most.
pub(super) fn planned_sound(
    facts: &AudioFacts,
    output: &AudioOutput,
    (duration, segments): (Rational, usize),
) -> Claim {
    let id = &output.id;
    let claimed = (
        facts.config.codecs.as_str(),
        facts.channels,
        facts.sample_rate,
    );
    let planned = (codecs_of(output.codec), output.channels, output.sample_rate);
    holds(claimed == planned, || {
        format!("{id} is {claimed:?}, planned is {planned:?}")
    })?;
    let found = facts.segments.len();
    holds(found <= segments.max(1), || {
        format!("{id} has {found} segments, planned are {segments}")
    })?;
    let rate = Rational::whole(i64::from(output.sample_rate));
    let samples = duration.checked_mul(rate).map_or(0, Rational::ceil);
    // Sound may go on for a second after a title without pictures.
    let longest = u64::try_from(samples).unwrap_or(0) + u64::from(output.sample_rate);
    let longest = longest + CODEC_FRAME_MAX;
    let last_silence = facts.silences.last().map_or(0, |last| last.1);
    let is_short = facts.samples <= longest && last_silence <= longest;
    holds(is_short, || {
        format!("{id} has {} samples, the title {longest}", facts.samples)
    })
}

fn loudness(facts: &LoudnessFacts) -> Claim {
    level(facts.integrated_centi_lufs)?;
    level(facts.true_peak_centi_dbtp)?;
    level(facts.range_centi_lu)
}

fn level(value: Option<i32>) -> Claim {
    let is_level = value.is_none_or(|value| (-CENTI_DB_MAX..=CENTI_DB_MAX).contains(&value));
    holds(is_level, || {
        format!("a level of {value:?} hundredths of dB")
    })
}

/// Facts of a text track against its file; gives its cues.
pub(super) fn text(facts: &TextFacts, bytes: &[u8]) -> Claim<Vec<Cue>> {
    sha256(&facts.sha256)?;
    let parsed = package::text::parse(bytes).map_err(|e| e.to_string())?;
    let length = bytes.len();
    holds(facts.cues as usize <= length, || {
        format!("{} cues in {length} bytes", facts.cues)
    })?;
    Ok(parsed.cues)
}

/// A picture file against its bytes.
pub(super) fn picture(file: &ImageFile, bytes: &[u8]) -> Claim {
    sha256(&file.sha256)?;
    let (width, height) = package::jpeg::size(bytes).map_err(|e| e.to_string())?;
    let read = (bytes.len() as u64, width, height);
    let claimed = (file.size_bytes, file.width, file.height);
    holds(claimed == read, || {
        format!("a picture has bytes, width and height {read:?}, said was {claimed:?}")
    })
}

/// Sprites and poster against the plan.
pub(super) fn planned_images(facts: &ImageFacts, plan: &Plan, video: &VideoPlan) -> Claim {
    let sheets: Vec<Sheet> = facts.sheets.iter().map(Sheet::from).collect();
    thumbnails(plan, video, &sheets)?;
    let tiles = sprite_tiles(plan, video);
    holds(facts.tiles == tiles, || {
        format!("{} sprite tiles, planned are {tiles}", facts.tiles)
    })?;
    let edge = plan.profile.images.poster_edge_max.max(2);
    let mut posters = facts.poster.iter();
    let fits = posters.all(|poster| poster.width.max(poster.height) <= edge);
    holds(fits, || format!("the poster is longer than {edge}"))?;
    let frames = video.grid.frames;
    holds(facts.poster_frame < frames.max(1), || {
        format!("the poster shows frame {} of {frames}", facts.poster_frame)
    })
}

#[cfg(test)]
mod tests;
