//! `cargo xtask check` and `cargo xtask test`: the two commands that say whether a change is good.
//! CI calls exactly these, so there is no second definition of "checked". It builds nothing that
//! ships and knows no room of the farm; rules about the sources are tests in `tests/`.

mod check;
mod counts;
mod step;
mod test;

use std::io::Write;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  check           format, clippy, rustdoc and shellcheck, each with warnings as errors
  test [ARGS...]  every test of the workspace; ARGS go to cargo-nextest, or to cargo test
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        Some("check") => check::run(),
        Some("test") => test::run(&arguments.collect::<Vec<_>>()),
        _ => {
            step::say(USAGE);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to when standard error itself is gone.
            let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
