//! The one place that prints. Standard output is data that can be piped; everything else goes to
//! standard error. A reader that closes the pipe early ends the output, not the command.

use serde::Serialize;
use std::io::{IsTerminal, Write};

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Tables and sentences.
    Human,
    /// One JSON value a line.
    Json,
}

/// Writes results and messages.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    format: Format,
}

impl Printer {
    /// A printer of the given format.
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether machines read the output.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Whether progress bars make sense.
    pub fn draws(self) -> bool {
        self.format == Format::Human && std::io::stderr().is_terminal()
    }

    /// A line of data.
    pub fn line(self, text: &str) {
        write_ignoring_closed_pipe(&mut std::io::stdout().lock(), text);
    }

    /// A value, as one line of JSON.
    pub fn json<T: Serialize>(self, value: &T) -> anyhow::Result<()> {
        self.line(&serde_json::to_string(value)?);
        Ok(())
    }

    /// A message for the person at the keyboard; silent where machines read.
    pub fn note(self, text: &str) {
        if self.format == Format::Human {
            write_ignoring_closed_pipe(&mut std::io::stderr().lock(), text);
        }
    }

    /// An error; shown always.
    pub fn error(self, text: &str) {
        write_ignoring_closed_pipe(&mut std::io::stderr().lock(), text);
    }
}

fn write_ignoring_closed_pipe(out: &mut impl Write, text: &str) {
    // A closed pipe is how `magpie jobs | head` ends; there is nobody left to tell about it.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
