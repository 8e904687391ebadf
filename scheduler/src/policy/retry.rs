//! What a failure leads to. The one owner of task retries: nothing else in the farm tries again.
//! Only the kind decides; a message is for people.

use model::FailureKind;
use std::time::Duration;
use store::Disposition;

/// Attempts that count before a chunk rests in the DLQ. Three: the first, one elsewhere, and one
/// more in case that two nodes broke by themselves.
pub const ATTEMPTS_MAX: u32 = 3;

/// The longest wait after the first counted failure; doubled by every further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// No wait is longer: a person who watches should see something happen within a minute.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Shortest wait for room. A node that is full now is seldom free within a second.
const ROOM_WAIT_MIN: Duration = Duration::from_secs(1);

/// Spread of the wait for room.
const ROOM_WAIT_SPREAD: Duration = Duration::from_secs(4);

/// Decides about a failure. `attempts` counts the failures before this one, and `seed` is any random
/// number: waits have full jitter, because equal waits make a crowd come back together.
pub fn decide(kind: FailureKind, attempts: u32, seed: u64) -> Disposition {
    match kind {
        FailureKind::BadInput
        | FailureKind::Unsupported
        | FailureKind::Policy
        | FailureKind::Drm
        | FailureKind::Bug => Disposition::Dead,
        FailureKind::Cancelled => Disposition::Retry {
            delay: Duration::ZERO,
            counted: false,
            elsewhere: false,
        },
        FailureKind::Exhausted => Disposition::Retry {
            delay: ROOM_WAIT_MIN + jitter(ROOM_WAIT_SPREAD, seed),
            counted: false,
            elsewhere: true,
        },
        FailureKind::Transient | FailureKind::Storage | FailureKind::NodeFault => {
            if attempts.saturating_add(1) >= ATTEMPTS_MAX {
                return Disposition::Dead;
            }
            let delay = jitter(backoff(attempts), seed);
            Disposition::Retry {
                delay,
                counted: true,
                elsewhere: true,
            }
        }
    }
}

/// The longest wait after `attempts` earlier failures: exponential, capped.
pub fn backoff(attempts: u32) -> Duration {
    // 2^16 times the first wait is far above the cap.
    BACKOFF_FIRST
        .saturating_mul(1 << attempts.min(16))
        .min(BACKOFF_MAX)
}

/// A part of `longest` that `seed` picks.
pub fn jitter(longest: Duration, seed: u64) -> Duration {
    let longest_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX - 1);
    Duration::from_millis(seed % (longest_ms + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_try_cannot_help_is_dead_at_once() {
        for kind in [
            FailureKind::BadInput,
            FailureKind::Unsupported,
            FailureKind::Policy,
            FailureKind::Drm,
            FailureKind::Bug,
        ] {
            assert_eq!(decide(kind, 0, 7), Disposition::Dead, "{kind}");
        }
    }

    #[test]
    fn what_may_pass_is_tried_three_times_in_all_and_elsewhere() {
        for kind in [
            FailureKind::Transient,
            FailureKind::Storage,
            FailureKind::NodeFault,
        ] {
            for attempts in 0..ATTEMPTS_MAX - 1 {
                let Disposition::Retry {
                    delay,
                    counted: true,
                    elsewhere: true,
                } = decide(kind, attempts, 12_345_678)
                else {
                    panic!("{kind} after {attempts}");
                };
                assert!(delay <= backoff(attempts));
            }
            assert_eq!(decide(kind, ATTEMPTS_MAX - 1, 0), Disposition::Dead);
            assert_eq!(decide(kind, u32::MAX, 0), Disposition::Dead);
        }
    }

    #[test]
    fn a_lack_of_room_never_counts_and_waits_a_bounded_time() {
        for seed in [0, 1, 3_999, 4_000, 4_001, u64::MAX] {
            let Disposition::Retry {
                delay,
                counted: false,
                ..
            } = decide(FailureKind::Exhausted, 1_000, seed)
            else {
                panic!("counted");
            };
            assert!((ROOM_WAIT_MIN..=ROOM_WAIT_MIN + ROOM_WAIT_SPREAD).contains(&delay));
        }
    }

    #[test]
    fn a_cancelled_attempt_leaves_no_mark() {
        let unmarked = Disposition::Retry {
            delay: Duration::ZERO,
            counted: false,
            elsewhere: false,
        };
        assert_eq!(decide(FailureKind::Cancelled, 2, 9), unmarked);
    }

    #[test]
    fn waits_grow_and_are_capped() {
        assert_eq!(backoff(0), Duration::from_millis(500));
        assert_eq!(backoff(1), Duration::from_secs(1));
        assert_eq!(backoff(40), BACKOFF_MAX);
    }
}
