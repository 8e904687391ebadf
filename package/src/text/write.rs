//! WebVTT files (W3C WebVTT). A cue that crosses a segment border is repeated in every segment it
//! overlaps, with its full times: players join the repetitions, and a viewer who seeks into the
//! middle still sees it (RFC 8216 3.5).

use super::cue::Cue;
use std::fmt::Write;
use std::ops::Range;

/// Whether a file says how its times relate to the media's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampMap {
    /// Times are those of the presentation.
    Absent,
    /// `X-TIMESTAMP-MAP`: zero is the media's zero (RFC 8216 3.5).
    Zero,
}

/// `HH:MM:SS.mmm`.
pub(super) fn timestamp(milliseconds: u64) -> String {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    format!(
        "{:02}:{:02}:{:02}.{rest:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// All cues in one file, in the given order.
pub fn whole(cues: &[Cue], map: TimestampMap) -> String {
    let mut file = header(map);
    for cue in cues {
        file.push_str(&written(cue));
    }
    file
}

fn header(map: TimestampMap) -> String {
    let mut header = "WEBVTT\n".to_owned();
    if map == TimestampMap::Zero {
        header.push_str("X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n");
    }
    header
}

fn written(cue: &Cue) -> String {
    let (start, end) = (timestamp(cue.start_ms), timestamp(cue.end_ms));
    let space = if cue.settings.is_empty() { "" } else { " " };
    let mut written = String::new();
    writeln!(
        written,
        "\n{start} --> {end}{space}{}\n{}",
        cue.settings, cue.text
    )
    .expect("writing to a string cannot fail");
    written
}

/// Where segments end, and between them the segments that cues overlap.
struct Borders {
    /// Ends in thousandths of a tick.
    ends: Vec<u128>,
    timescale: u128,
}

impl Borders {
    fn new(timescale: u32, durations: &[u64]) -> Self {
        let mut end = 0_u128;
        let ends = durations.iter().map(|&duration| {
            end += u128::from(duration) * 1000;
            end
        });
        Self {
            ends: ends.collect(),
            timescale: u128::from(timescale),
        }
    }

    /// The segments that a cue overlaps.
    fn of(&self, cue: &Cue) -> Range<usize> {
        let start = u128::from(cue.start_ms) * self.timescale;
        let end = u128::from(cue.end_ms) * self.timescale;
        let first = self.ends.partition_point(|&border| border <= start);
        let last = self.ends.partition_point(|&border| border < end);
        first..self.ends.len().min(last + 1).max(first)
    }
}

/// Sizes of the files that [`segments`] makes of the same arguments, without making them: cues that overlap
/// many segments make them far larger than the one file. Takes as long as reading cues and segments once.
pub fn segment_sizes(
    cues: &[Cue],
    timescale: u32,
    durations: &[u64],
    map: TimestampMap,
) -> Vec<u64> {
    let borders = Borders::new(timescale, durations);
    // Bytes of the cues that a segment is the first to hold, and of those that the one before was the last to.
    let mut changes = vec![(0_u64, 0_u64); durations.len() + 1];
    for cue in cues {
        let (bytes, within) = (written(cue).len() as u64, borders.of(cue));
        changes[within.start].0 += bytes;
        changes[within.end].1 += bytes;
    }
    let mut bytes = header(map).len() as u64;
    let sizes = changes.iter().take(durations.len()).map(|(come, gone)| {
        bytes = bytes + come - gone;
        bytes
    });
    sizes.collect()
}

/// One file for each segment of `durations` (in ticks of `timescale`); a segment without cues is a
/// file with a header only.
pub fn segments(cues: &[Cue], timescale: u32, durations: &[u64], map: TimestampMap) -> Vec<String> {
    let borders = Borders::new(timescale, durations);
    let mut files = vec![header(map); durations.len()];
    for cue in cues {
        let text = written(cue);
        for file in &mut files[borders.of(cue)] {
            file.push_str(&text);
        }
    }
    files
}
