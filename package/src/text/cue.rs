//! The cue. Times are whole milliseconds, because that is what both formats can say.

use model::Rational;

/// One cue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// Start in milliseconds.
    pub start_ms: u64,
    /// End in milliseconds, after the start.
    pub end_ms: u64,
    /// WebVTT cue settings, only known ones, such as `line:0 align:start`; may be empty.
    pub settings: String,
    /// WebVTT cue text: escaped, no blank lines, no arrow.
    pub text: String,
}

/// Moves cues so that `zero` of the source becomes 0 and keeps what is shown before `duration`, in
/// order of time. Both in seconds.
pub fn clip(cues: &[Cue], zero: Rational, duration: Rational) -> Vec<Cue> {
    let (zero, end) = (milliseconds(zero), milliseconds(duration).max(0));
    let moved = |at: u64| {
        i64::try_from(at)
            .unwrap_or(i64::MAX)
            .saturating_sub(zero)
            .clamp(0, end)
    };
    let mut kept: Vec<Cue> = cues
        .iter()
        .map(|cue| Cue {
            start_ms: moved(cue.start_ms) as u64,
            end_ms: moved(cue.end_ms) as u64,
            ..cue.clone()
        })
        .filter(|cue| cue.end_ms > cue.start_ms)
        .collect();
    kept.sort_by_key(|cue| (cue.start_ms, cue.end_ms));
    kept
}

/// Seconds to the nearest millisecond.
pub(super) fn milliseconds(seconds: Rational) -> i64 {
    let thousand = Rational::whole(1000);
    seconds
        .checked_mul(thousand)
        .map_or(i64::MAX, Rational::round)
}
