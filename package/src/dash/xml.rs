//! XML with elements and attributes. Values are escaped here and nowhere else; control characters,
//! which XML 1.0 cannot express, become spaces.

use std::fmt::{Display, Write};

/// A document that grows.
pub(super) struct XmlWriter {
    text: String,
    depth: usize,
}

/// Attributes of one element, in the order in which they are added.
#[derive(Default)]
pub(super) struct Attributes {
    text: String,
}

impl Attributes {
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        write!(self.text, " {name}=\"{}\"", escaped(&value.to_string()))
            .expect("writing to a string cannot fail");
        self
    }

    /// Adds the attribute where there is a value.
    pub(super) fn with_some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

impl XmlWriter {
    pub(super) fn new() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
            depth: 0,
        }
    }

    /// An element around what `body` writes.
    pub(super) fn element(
        &mut self,
        name: &str,
        attributes: Attributes,
        body: impl FnOnce(&mut Self),
    ) {
        self.line(format_args!("<{name}{}>", attributes.text));
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line(format_args!("</{name}>"));
    }

    /// An element without content.
    pub(super) fn empty(&mut self, name: &str, attributes: Attributes) {
        self.line(format_args!("<{name}{}/>", attributes.text));
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.line(format_args!("<{name}>{}</{name}>", escaped(text)));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let indent = 2 * self.depth;
        writeln!(self.text, "{:indent$}{line}", "").expect("writing to a string cannot fail");
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => safe.push(' '),
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}
