//! Attribute lists of tags (RFC 8216 4.2). Quoted strings have no escapes: what would end one, or the
//! line, is replaced, so that a track name out of a source cannot write tags.

use std::fmt::{Display, Write};

/// A tag with attributes, in the order in which they are added.
pub(super) struct Tag {
    line: String,
    empty: bool,
}

impl Tag {
    pub(super) fn new(name: &str) -> Self {
        Self {
            line: format!("#{name}:"),
            empty: true,
        }
    }

    /// A number, enumerated value or resolution.
    pub(super) fn plain(mut self, name: &str, value: impl Display) -> Self {
        let comma = if self.empty { "" } else { "," };
        self.empty = false;
        write!(self.line, "{comma}{name}={value}").expect("writing to a string cannot fail");
        self
    }

    /// A quoted string.
    pub(super) fn quoted(self, name: &str, value: &str) -> Self {
        self.plain(name, format_args!("\"{}\"", quotable(value)))
    }

    /// A quoted string that is left out where it is empty.
    pub(super) fn quoted_unless_empty(self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            self
        } else {
            self.quoted(name, value)
        }
    }

    pub(super) fn end(mut self) -> String {
        self.line.push('\n');
        self.line
    }
}

/// The text without what cannot be inside quotes.
pub(super) fn quotable(text: &str) -> String {
    let safe = |letter: char| match letter {
        '"' => '\'',
        // A line separator is no control character, but some parsers break lines at it.
        '\u{2028}' | '\u{2029}' => ' ',
        control if control.is_control() => ' ',
        other => other,
    };
    text.chars().map(safe).collect()
}
