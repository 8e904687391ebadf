//! Text tracks: from the source or from a file beside it to one WebVTT file.

use crate::error::{Error, InStage, Place, Result};
use crate::output::{TextInput, sha256};
use libav::{ByteSource, Demuxer, TextCue, TextDecoder};
use model::content_key;
use model::facts::TextFacts;
use model::plan::{Plan, TextPlan};
use model::source::TextOrigin;
use model::{FailureKind, Rational};
use package::text::{Cue, TimestampMap, clip, parse, whole};

const STAGE: &str = "text";

/// How long a cue stays whose end neither it nor the next one says.
const OPEN_CUE_MS: i64 = 5_000;

/// Longest track that is read, as the file that would be written of it: as long as a file may be.
const TRACK_BYTES_MAX: usize = 32 << 20;

/// What a cue takes in a file beside its text: times, an arrow, line ends.
const CUE_BYTES: usize = 32;

/// Cues on the container's clock, in milliseconds, and how many could not be read.
struct Read {
    cues: Vec<(i64, i64, Cue)>,
    skipped: u32,
}

/// Cues of a stream while it is read: bounded by bytes, because cues without end would fill the memory.
#[derive(Default)]
struct Found {
    cues: Vec<TextCue>,
    bytes: usize,
}

impl Found {
    fn add(&mut self, cues: Vec<TextCue>) -> Result<()> {
        let lengths = cues.iter().map(|cue| CUE_BYTES + cue.text.len());
        self.bytes += lengths.sum::<usize>();
        if self.bytes > TRACK_BYTES_MAX {
            let message = format!("a text of more than {TRACK_BYTES_MAX} bytes");
            return Err(Error::refused(STAGE, FailureKind::Unsupported, message));
        }
        self.cues.extend(cues);
        Ok(())
    }
}

/// Makes the WebVTT file of a text track. Cues before the title's start and after its end are cut.
pub fn run_text(plan: &Plan, index: u32, input: TextInput) -> Result<(TextFacts, Vec<u8>)> {
    let text = plan.text.iter().find(|text| text.index == index);
    let text = text.ok_or_else(|| Error::bug(STAGE, format!("the plan has no track {index}")))?;
    let (read, sidecar) = match (&text.track.origin, input) {
        (TextOrigin::Stream(stream), TextInput::Source(source)) => {
            let read = read_stream(source, *stream).map_err(|e| e.at(Place::Stream(*stream)))?;
            (read, None)
        }
        (TextOrigin::Sidecar(_), TextInput::Sidecar(bytes)) => {
            (read_file(&bytes)?, Some(sha256(&bytes)))
        }
        _ => return Err(Error::bug(STAGE, "the input is not what the plan names")),
    };
    let cues = on_timeline(read.cues, text, plan.duration);
    let file = whole(&cues, TimestampMap::Absent).into_bytes();
    let facts = TextFacts {
        key: content_key::of_text(plan, text, sidecar.as_deref()),
        id: format!("text-{index}"),
        sha256: sha256(&file),
        cues: u32::try_from(cues.len()).unwrap_or(u32::MAX),
        skipped: read.skipped,
    };
    Ok((facts, file))
}

fn read_file(bytes: &[u8]) -> Result<Read> {
    let parsed = parse(bytes).in_stage(STAGE)?;
    let times = |cue: Cue| {
        let ms = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        (ms(cue.start_ms), ms(cue.end_ms), cue)
    };
    Ok(Read {
        cues: parsed.cues.into_iter().map(times).collect(),
        skipped: u32::try_from(parsed.skipped_lines.len()).unwrap_or(u32::MAX),
    })
}

fn read_stream(source: Box<dyn ByteSource>, index: u32) -> Result<Read> {
    let mut demuxer = Demuxer::open(source).in_stage(STAGE)?;
    let stream = demuxer.streams().get(index as usize).cloned();
    let stream = stream.ok_or_else(|| Error::bad_input(STAGE, "the track is not there"))?;
    let mut decoder = TextDecoder::open(&stream).in_stage(STAGE)?;
    demuxer.select(&[index]);
    let mut found = Found::default();
    let mut skipped = 0;
    while let Some(packet) = demuxer.next_packet().in_stage(STAGE)? {
        if packet.stream() != index {
            continue;
        }
        match decoder.decode(&packet) {
            Ok(cues) => found.add(cues)?,
            Err(libav::Error::Corrupt { .. }) => skipped += 1,
            Err(error) => return Err(Error::new(STAGE, error)),
        }
    }
    found.cues.sort_by_key(|cue| cue.start);
    Ok(Read {
        cues: ended(&found.cues, stream.time_base),
        skipped,
    })
}

/// Gives every cue an end: its own, or the start of the next; cues without text only end others.
fn ended(cues: &[TextCue], time_base: Rational) -> Vec<(i64, i64, Cue)> {
    let ms = |ticks: i64| {
        let seconds = Rational::whole(ticks).checked_mul(time_base);
        let thousandths = seconds.and_then(|s| s.checked_mul(Rational::whole(1000)));
        thousandths.map_or(0, Rational::round)
    };
    let mut ended = Vec::new();
    for (index, cue) in cues
        .iter()
        .enumerate()
        .filter(|(_, cue)| !cue.text.is_empty())
    {
        let start = ms(cue.start);
        let next = cues
            .get(index + 1)
            .map_or(start + OPEN_CUE_MS, |next| ms(next.start));
        let end = cue
            .duration
            .map_or(next, |ticks| ms(cue.start.saturating_add(ticks)));
        let line = Cue {
            start_ms: 0,
            end_ms: 0,
            settings: String::new(),
            text: cue.text.clone(),
        };
        ended.push((start, end, line));
    }
    ended
}

/// Cues on the title's clock. Container times may be below zero, which cues cannot be, so the move is
/// made before the clip.
fn on_timeline(cues: Vec<(i64, i64, Cue)>, text: &TextPlan, duration: Rational) -> Vec<Cue> {
    let zero = text
        .zero
        .checked_mul(Rational::whole(1000))
        .map_or(0, Rational::round);
    let moved: Vec<Cue> = cues
        .into_iter()
        .filter_map(|(start, end, cue)| {
            let at = |time: i64| u64::try_from(time.saturating_sub(zero).max(0)).unwrap_or(0);
            let (start_ms, end_ms) = (at(start), at(end));
            (end_ms > start_ms).then_some(Cue {
                start_ms,
                end_ms,
                ..cue
            })
        })
        .collect();
    clip(&moved, Rational::ZERO, duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(start: i64, duration: Option<i64>, text: &str) -> TextCue {
        TextCue {
            start,
            duration,
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_track_is_bounded_by_its_bytes_and_not_by_its_cues() {
        let mut found = Found::default();
        let many = (0..300_000).map(|start| cue(start, Some(1), "a line of a song"));
        found.add(many.collect()).unwrap();
        assert_eq!(found.cues.len(), 300_000);
        let mut found = Found::default();
        let page = "a".repeat(1 << 20);
        for start in 0..31 {
            found.add(vec![cue(start, Some(1), &page)]).unwrap();
        }
        let crowd = found.add(vec![cue(31, Some(1), &page)]).unwrap_err();
        assert_eq!(crowd.kind(), FailureKind::Unsupported, "{crowd}");
        let nothing = vec![cue(0, None, ""); TRACK_BYTES_MAX / CUE_BYTES + 1];
        let crowd = Found::default().add(nothing).unwrap_err();
        assert_eq!(crowd.kind(), FailureKind::Unsupported, "{crowd}");
    }

    #[test]
    fn a_cue_without_an_end_stays_until_the_next() {
        let second = Rational::ONE;
        let cues = [
            cue(1, None, "a"),
            cue(4, None, ""),
            cue(6, Some(2), "b"),
            cue(9, None, "c"),
        ];
        let times: Vec<_> = ended(&cues, second)
            .iter()
            .map(|(s, e, _)| (*s, *e))
            .collect();
        assert_eq!(times, [(1000, 4000), (6000, 8000), (9000, 14_000)]);
    }
}
