//! What a failure leads to. The one owner of task retries: nothing else in the farm tries again.
//! Only the kind decides; a message is for people.

use model::FailureKind;
use std::time::Duration;
use store::{Counts, Disposition};

/// Failed attempts before a chunk rests in the DLQ. Three: the first, one elsewhere, and one
/// more in case that two nodes broke by themselves.
pub const ATTEMPTS_MAX: u32 = 3;

/// The longest wait after the first counted failure; doubled by every further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// No wait is longer: a person who watches should see something happen within a minute.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Attempts that find no room before a chunk rests in the DLQ. A full node becomes free
/// and a full disk is emptied, but not always: the waits between twelve attempts add up to a
/// quarter of an hour at least, after which a person has to make room.
pub const ROOM_ATTEMPTS_MAX: u32 = 12;

/// The longest wait for room after the first attempt; doubled by every further one.
const ROOM_WAIT_FIRST: Duration = Duration::from_secs(5);

/// No wait for room is longer.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(300);

/// Attempts that end without a word before a chunk rests in the DLQ. Five: machines die all the time,
/// and where one in twenty goes while it makes a segment, one title of 300 segments in 10,000 is given up for
/// that; with three it were one in 27. A chunk that takes its nodes with it takes no more than five.
pub const SILENT_ATTEMPTS_MAX: u32 = 5;

/// What a chunk has met since its holder last committed a unit, before the failure that is decided
/// about. Failures, waits for room and silences are counted apart: none uses up what another may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried {
    /// Failed attempts that counted.
    pub attempts: u32,
    /// Attempts that found no room.
    pub room: u32,
    /// Attempts that ended without a word from the node.
    pub silent: u32,
}

/// Decides about a failure. `seed` is any random number: waits have jitter, because equal waits make a
/// crowd come back together.
pub fn decide(kind: FailureKind, tried: Tried, seed: u64) -> Disposition {
    let Tried { attempts, room, .. } = tried;
    match kind {
        FailureKind::BadInput
        | FailureKind::Unsupported
        | FailureKind::Policy
        | FailureKind::Drm
        | FailureKind::Bug => Disposition::Dead,
        FailureKind::Cancelled => Disposition::Retry {
            delay: Duration::ZERO,
            counts: Counts::Nothing,
            elsewhere: false,
        },
        FailureKind::Exhausted => {
            if room.saturating_add(1) >= ROOM_ATTEMPTS_MAX {
                return Disposition::Dead;
            }
            // Half of it at least: what is full now is seldom free at once.
            let half = room_wait(room) / 2;
            Disposition::Retry {
                delay: half + jitter(half, seed),
                counts: Counts::Room,
                elsewhere: true,
            }
        }
        FailureKind::Transient | FailureKind::Storage | FailureKind::NodeFault => {
            again(attempts, ATTEMPTS_MAX, Counts::Attempt, seed)
        }
    }
}

/// Decides about an attempt that ended without a word.
pub fn decide_silent(tried: Tried, seed: u64) -> Disposition {
    again(tried.silent, SILENT_ATTEMPTS_MAX, Counts::Silent, seed)
}

/// Another try elsewhere after a while, unless it was the last of `most`.
fn again(before: u32, most: u32, counts: Counts, seed: u64) -> Disposition {
    if before.saturating_add(1) >= most {
        return Disposition::Dead;
    }
    Disposition::Retry {
        delay: jitter(backoff(before), seed),
        counts,
        elsewhere: true,
    }
}

/// The longest wait after `attempts` earlier failures: exponential, capped.
pub fn backoff(attempts: u32) -> Duration {
    doubled(BACKOFF_FIRST, attempts).min(BACKOFF_MAX)
}

/// The longest wait for room after `attempts` earlier failures: exponential, capped.
pub fn room_wait(attempts: u32) -> Duration {
    doubled(ROOM_WAIT_FIRST, attempts).min(ROOM_WAIT_MAX)
}

fn doubled(first: Duration, times: u32) -> Duration {
    // 2^16 times either first wait is far above its cap.
    first.saturating_mul(1 << times.min(16))
}

/// A part of `longest` that `seed` picks.
pub fn jitter(longest: Duration, seed: u64) -> Duration {
    let longest_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX - 1);
    Duration::from_millis(seed % (longest_ms + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts(attempts: u32) -> Tried {
        Tried {
            attempts,
            ..Tried::default()
        }
    }

    fn room(room: u32) -> Tried {
        Tried {
            room,
            ..Tried::default()
        }
    }

    #[test]
    fn what_another_try_cannot_help_is_dead_at_once() {
        for kind in [
            FailureKind::BadInput,
            FailureKind::Unsupported,
            FailureKind::Policy,
            FailureKind::Drm,
            FailureKind::Bug,
        ] {
            assert_eq!(decide(kind, attempts(0), 7), Disposition::Dead, "{kind}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_three_times_in_all_and_elsewhere() {
        for kind in [
            FailureKind::Transient,
            FailureKind::Storage,
            FailureKind::NodeFault,
        ] {
            for before in 0..ATTEMPTS_MAX - 1 {
                let Disposition::Retry {
                    delay,
                    counts: Counts::Attempt,
                    elsewhere: true,
                } = decide(kind, attempts(before), 12_345_678)
                else {
                    panic!("{kind} after {before}");
                };
                assert!(delay <= backoff(before));
            }
            assert_eq!(
                decide(kind, attempts(ATTEMPTS_MAX - 1), 0),
                Disposition::Dead
            );
            assert_eq!(decide(kind, attempts(u32::MAX), 0), Disposition::Dead);
        }
    }

    #[test]
    fn nodes_that_fall_silent_are_forgiven_more_often() {
        let silent = |silent| Tried {
            silent,
            ..attempts(ATTEMPTS_MAX - 1)
        };
        for before in 0..SILENT_ATTEMPTS_MAX - 1 {
            let Disposition::Retry {
                delay,
                counts: Counts::Silent,
                elsewhere: true,
            } = decide_silent(silent(before), 12_345_678)
            else {
                panic!("after {before}");
            };
            assert!(delay <= backoff(before));
        }
        let last = silent(SILENT_ATTEMPTS_MAX - 1);
        assert_eq!(decide_silent(last, 0), Disposition::Dead);
    }

    #[test]
    fn a_lack_of_room_is_waited_out_for_a_quarter_of_an_hour_and_then_ends() {
        for seed in [0, 1, 3_999, u64::MAX] {
            let (mut waits, mut waited) = (0, Duration::ZERO);
            while let Disposition::Retry {
                delay,
                counts: Counts::Room,
                elsewhere: true,
            } = decide(FailureKind::Exhausted, room(waits), seed)
            {
                assert!((room_wait(waits) / 2..=room_wait(waits)).contains(&delay));
                waited += delay;
                waits += 1;
                assert!(waits < 100, "it never ends");
            }
            let dead = decide(FailureKind::Exhausted, room(waits), seed);
            assert_eq!((waits + 1, dead), (ROOM_ATTEMPTS_MAX, Disposition::Dead));
            let bounds = Duration::from_secs(15 * 60)..Duration::from_secs(40 * 60);
            assert!(bounds.contains(&waited), "{waited:?}");
        }
        let last = decide(FailureKind::Exhausted, room(u32::MAX), 0);
        assert_eq!(last, Disposition::Dead);
    }

    #[test]
    fn neither_waits_for_room_nor_failures_use_up_the_other() {
        let waited = room(ROOM_ATTEMPTS_MAX - 1);
        let failed = attempts(ATTEMPTS_MAX - 1);
        for (kind, tried, counts) in [
            (FailureKind::NodeFault, waited, Counts::Attempt),
            (FailureKind::Exhausted, failed, Counts::Room),
        ] {
            let decided = decide(kind, tried, 0);
            let Disposition::Retry {
                counts: as_what, ..
            } = decided
            else {
                panic!("{kind}: {decided:?}");
            };
            assert_eq!(as_what, counts);
        }
    }

    #[test]
    fn a_cancelled_attempt_leaves_no_mark() {
        let unmarked = Disposition::Retry {
            delay: Duration::ZERO,
            counts: Counts::Nothing,
            elsewhere: false,
        };
        assert_eq!(decide(FailureKind::Cancelled, attempts(2), 9), unmarked);
    }

    #[test]
    fn waits_grow_and_are_capped() {
        assert_eq!(backoff(0), Duration::from_millis(500));
        assert_eq!(backoff(1), Duration::from_secs(1));
        assert_eq!(backoff(40), BACKOFF_MAX);
    }
}
