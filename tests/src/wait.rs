//! Waiting for something to become true, with a bound. A test never sleeps a guessed time: it asks
//! again until the answer is there, and says what it waited for when it never came.

use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Pause between two looks: short against what the farm does, long against the cost of a look.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `look` gives a value, at most for `bound`. An error of `look` ends the wait.
pub fn wait_until<T>(
    what: &str,
    bound: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if start.elapsed() >= bound {
            bail!("waited {bound:?} in vain for {what}");
        }
        std::thread::sleep(PAUSE);
    }
}
