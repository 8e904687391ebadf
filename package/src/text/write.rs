//! WebVTT files (W3C WebVTT). A cue that crosses a segment border is repeated in every segment it
//! overlaps, with its full times: players join the repetitions, and a viewer who seeks into the
//! middle still sees it (RFC 8216 3.5).

use super::cue::Cue;
use std::fmt::Write;

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
    file(cues.iter(), map)
}

fn file<'a>(cues: impl Iterator<Item = &'a Cue>, map: TimestampMap) -> String {
    let mut file = "WEBVTT\n".to_owned();
    if map == TimestampMap::Zero {
        file.push_str("X-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n");
    }
    for cue in cues {
        let (start, end) = (timestamp(cue.start_ms), timestamp(cue.end_ms));
        let space = if cue.settings.is_empty() { "" } else { " " };
        writeln!(
            file,
            "\n{start} --> {end}{space}{}\n{}",
            cue.settings, cue.text
        )
        .expect("writing to a string cannot fail");
    }
    file
}

/// One file for each segment of `durations` (in ticks of `timescale`); a segment without cues is a
/// file with a header only.
pub fn segments(cues: &[Cue], timescale: u32, durations: &[u64], map: TimestampMap) -> Vec<String> {
    let thousandth = |ticks: u128| ticks * 1000;
    let timescale = u128::from(timescale);
    let mut start = 0_u128;
    durations
        .iter()
        .map(|&duration| {
            let end = start + u128::from(duration);
            let overlaps = |cue: &&Cue| {
                u128::from(cue.start_ms) * timescale < thousandth(end)
                    && u128::from(cue.end_ms) * timescale > thousandth(start)
            };
            let text = file(cues.iter().filter(overlaps), map);
            start = end;
            text
        })
        .collect()
}
