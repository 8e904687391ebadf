//! How many tests passed, failed and were skipped, read from what the two test runners print.
//! A runner counts a test that lacked a tool as passed; [`Counts::move_to_skipped`] corrects that.

use std::fmt;

/// Results of one or more test runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// Reads the `Summary` line of cargo-nextest; `None` when there is none.
    pub(crate) fn from_nextest(output: &str) -> Option<Self> {
        let line = output
            .lines()
            .rev()
            .find(|line| line.contains("Summary ["))?;
        let (_, results) = line.split_once(" run: ")?;
        Some(Self::from_results(results.split(',')))
    }

    /// Adds up the `test result:` lines of `cargo test`; `None` when there is none.
    pub(crate) fn from_cargo_test(output: &str) -> Option<Self> {
        let mut lines = output
            .lines()
            .filter(|line| line.starts_with("test result: "))
            .peekable();
        lines.peek()?;
        // The first result follows the verdict: `test result: ok. 3 passed; 0 failed; ...`.
        let results = lines
            .filter_map(|line| line.split_once(". "))
            .flat_map(|(_, results)| results.split(';'));
        Some(Self::from_results(results))
    }

    fn from_results<'a>(results: impl Iterator<Item = &'a str>) -> Self {
        let mut counts = Self::default();
        for result in results {
            let mut words = result.split_whitespace();
            let number = words.next().and_then(|word| word.parse::<u64>().ok());
            let (Some(number), Some(word)) = (number, words.next()) else {
                continue;
            };
            match word {
                "passed" => counts.passed += number,
                // `timed out` and `exec failed` are nextest's other ways to fail.
                "failed" | "timed" | "exec" => counts.failed += number,
                "skipped" | "ignored" => counts.skipped += number,
                _ => {}
            }
        }
        counts
    }

    /// The sum of two runs.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }

    /// Counts tests as skipped that a runner has counted as passed.
    pub(crate) fn move_to_skipped(self, tests: u64) -> Self {
        let tests = tests.min(self.passed);
        Self {
            passed: self.passed - tests,
            failed: self.failed,
            skipped: self.skipped + tests,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
        Some(Counts {
            passed,
            failed,
            skipped,
        })
    }

    #[test]
    fn the_summary_of_nextest_is_read() {
        let clean =
            "  PASS [ 0.0s] a b\n     Summary [   0.005s] 1 test run: 1 passed, 0 skipped\n";
        assert_eq!(Counts::from_nextest(clean), counts(1, 0, 0));
        let bad = "     Summary [  9.1s] 7/9 tests run: 3 passed (1 slow, 1 leaky), 2 failed, 1 timed out, 1 exec failed, 4 skipped\n  FAIL x\n";
        assert_eq!(Counts::from_nextest(bad), counts(3, 4, 4));
        assert_eq!(Counts::from_nextest("error: could not compile"), None);
    }

    #[test]
    fn the_results_of_cargo_test_are_added_up() {
        let output = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s\n\
                      noise\n\
                      test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s\n";
        assert_eq!(Counts::from_cargo_test(output), counts(6, 2, 1));
        assert_eq!(Counts::from_cargo_test("error: could not compile"), None);
    }

    #[test]
    fn a_test_without_its_tool_is_not_a_passed_test() {
        let run = Counts {
            passed: 5,
            failed: 1,
            skipped: 0,
        };
        assert_eq!(
            run.move_to_skipped(2).to_string(),
            "3 passed, 1 failed, 2 skipped"
        );
        assert_eq!(
            run.move_to_skipped(9).to_string(),
            "0 passed, 1 failed, 5 skipped"
        );
    }
}
