//! The only retry of storage operations. Bounded, with jitter; what cannot change by waiting (absent,
//! denied, corrupt, full) is not retried at all.

use rand::RngExt;
use std::future::Future;
use std::time::Duration;
use storage::Error;

/// Tries in all: with the delays below, 12 to 25 seconds of patience. Longer outages are the task
/// retry's, which the scheduler owns.
const TRIES_MAX: u32 = 7;

const FIRST_DELAY: Duration = Duration::from_millis(200);

const DELAY_MAX: Duration = Duration::from_secs(8);

/// Half of the delay is certain and half is chance, so that nodes that failed together do not come
/// back together.
pub(crate) fn delay(failures: u32, first: Duration, longest: Duration) -> Duration {
    let full = first.saturating_mul(1 << failures.min(16)).min(longest);
    full / 2 + full.mul_f64(rand::rng().random_range(0.0..0.5))
}

fn may_pass(error: &Error) -> bool {
    matches!(error, Error::Failed { .. } | Error::Raced { .. })
}

/// Runs a storage operation until it works, cannot work, or was tried often enough.
pub(crate) async fn retrying<T, F, Fut>(operation: F) -> Result<T, Error>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let mut failures = 0;
    loop {
        match operation().await {
            Err(error) if may_pass(&error) && failures + 1 < TRIES_MAX => {
                tracing::warn!(%error, failures, "storage failed, trying again");
                tokio::time::sleep(delay(failures, FIRST_DELAY, DELAY_MAX)).await;
                failures += 1;
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn failed() -> Error {
        Error::Failed {
            path: "x".to_owned(),
            reason: "busy".to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_not_for_ever() {
        let tries = Cell::new(0);
        let result = retrying(|| async {
            tries.set(tries.get() + 1);
            if tries.get() < 3 {
                Err(failed())
            } else {
                Ok(tries.get())
            }
        });
        assert_eq!(result.await.unwrap(), 3);
        tries.set(0);
        let never = retrying(|| async {
            tries.set(tries.get() + 1);
            Err::<(), _>(failed())
        });
        assert!(never.await.is_err());
        assert_eq!(tries.get(), TRIES_MAX);
    }

    #[tokio::test]
    async fn what_cannot_pass_is_tried_once() {
        let tries = Cell::new(0);
        let full = retrying(|| async {
            tries.set(tries.get() + 1);
            Err::<(), _>(Error::Full {
                path: "x".to_owned(),
            })
        });
        assert!(full.await.is_err());
        assert_eq!(tries.get(), 1);
    }

    #[test]
    fn delays_grow_and_stay_below_their_bound() {
        for failures in 0..40 {
            let found = delay(failures, FIRST_DELAY, DELAY_MAX);
            assert!(found <= DELAY_MAX && found >= FIRST_DELAY / 2);
        }
    }
}
