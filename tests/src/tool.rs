//! Tools that a test needs and a machine may lack. A skip is never silent: it is printed, written
//! to the file named by `MAGPIE_SKIPS` (where `cargo xtask test` counts it), and an error when
//! `MAGPIE_REQUIRE_TOOLS=1`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Returns the path of a program, or records that this test is skipped and returns `None`.
///
/// # Panics
/// When the program is missing and `MAGPIE_REQUIRE_TOOLS=1`.
#[must_use = "a test that goes on without its tool fails for the wrong reason"]
pub fn require(tool: &str) -> Option<PathBuf> {
    let found = find(tool);
    if found.is_none() {
        skip(&format!("the program {tool} is not installed"));
    }
    found
}

/// The path of a program that a test can do without.
pub(crate) fn find(tool: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join(tool))
        .find(|path| path.is_file())
}

/// Records that the running test is skipped, and why.
///
/// # Panics
/// When `MAGPIE_REQUIRE_TOOLS=1`, because then nothing may be skipped.
pub fn skip(why: &str) {
    let line = format!("{}: {why}", test_name());
    assert!(
        std::env::var("MAGPIE_REQUIRE_TOOLS").as_deref() != Ok("1"),
        "{line}"
    );
    // Not being able to report must not turn a skip into a failure.
    let _ = writeln!(std::io::stderr(), "SKIPPED {line}");
    if let Some(path) = std::env::var_os("MAGPIE_SKIPS") {
        let file = OpenOptions::new().append(true).create(true).open(path);
        // In one write: tests of the same program append at the same time.
        let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }
}

/// The running test: nextest runs each in a process of its own, the standard runner in a thread.
fn test_name() -> String {
    let program = std::env::current_exe().ok();
    let binary = program
        .as_ref()
        .and_then(|path| path.file_stem())
        .map(|name| name.to_string_lossy());
    // Cargo adds a hash to the name of a test program.
    let binary = binary
        .as_deref()
        .and_then(|name| name.rsplit_once('-'))
        .map_or("", |(name, _)| name);
    let test = std::env::var("NEXTEST_TEST_NAME")
        .ok()
        .or_else(|| std::thread::current().name().map(str::to_owned))
        .unwrap_or_default();
    format!("{binary}::{test}")
}
