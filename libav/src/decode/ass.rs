//! The text of an ASS event as a WebVTT cue payload. libav gives all text formats as ASS events;
//! of their styling, bold, italic and underline survive, places and colours do not.

/// Fields of an event before its text, as libav writes them: read order, layer, style, name, three
/// margins, effect.
const FIELDS_BEFORE_TEXT: usize = 8;

/// The text of an event line such as `0,0,Default,,0,0,0,,Hello\Nworld`.
pub(super) fn to_webvtt(event: &str) -> String {
    let text = event
        .splitn(FIELDS_BEFORE_TEXT + 1, ',')
        .nth(FIELDS_BEFORE_TEXT)
        .unwrap_or("");
    let mut payload = Payload::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let block = rest
            .strip_prefix('{')
            .and_then(|inside| inside.split_once('}'));
        if let Some((overrides, after)) = block {
            payload.apply(overrides);
            rest = after;
        } else if let Some(after) = escape_of(rest, &mut payload) {
            rest = after;
        } else {
            payload.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    payload.finish()
}

fn escape_of<'a>(rest: &'a str, payload: &mut Payload) -> Option<&'a str> {
    let mut chars = rest.chars();
    let character = match (chars.next()?, chars.next()?) {
        ('\\', 'N' | 'n') => '\n',
        ('\\', 'h') => '\u{a0}',
        _ => return None,
    };
    payload.push(character);
    Some(chars.as_str())
}

#[derive(Default)]
struct Payload {
    text: String,
    open: Vec<char>,
    is_drawing: bool,
}

impl Payload {
    fn push(&mut self, character: char) {
        if self.is_drawing {
            return;
        }
        match character {
            '&' => self.text.push_str("&amp;"),
            '<' => self.text.push_str("&lt;"),
            '>' => self.text.push_str("&gt;"),
            '\r' => {}
            other => self.text.push(other),
        }
    }

    fn apply(&mut self, overrides: &str) {
        for tag in overrides.split('\\').skip(1) {
            let mut chars = tag.chars();
            let name = chars.next();
            let value = chars.as_str().trim();
            match (name, value.parse::<i32>()) {
                (Some(style @ ('b' | 'i' | 'u')), Ok(value)) => self.style(style, value),
                (Some('p'), Ok(value)) => self.is_drawing = value != 0,
                (Some('r'), _) => self.close_all(),
                _ => {}
            }
        }
    }

    fn style(&mut self, style: char, value: i32) {
        let is_open = self.open.contains(&style);
        if value != 0 && !is_open {
            self.open.push(style);
            self.text.push_str(&format!("<{style}>"));
        } else if value == 0 && is_open {
            // Tags nest: those opened later are closed too and opened again.
            let mut again = Vec::new();
            while let Some(last) = self.open.pop() {
                self.text.push_str(&format!("</{last}>"));
                if last == style {
                    break;
                }
                again.push(last);
            }
            for later in again.into_iter().rev() {
                self.style(later, 1);
            }
        }
    }

    fn close_all(&mut self) {
        while let Some(last) = self.open.pop() {
            self.text.push_str(&format!("</{last}>"));
        }
    }

    /// An empty line would end the cue in a WebVTT file (W3C WebVTT 4.1), so there is none.
    fn finish(mut self) -> String {
        self.close_all();
        let lines = self
            .text
            .split('\n')
            .map(str::trim_end)
            .filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        to_webvtt(&format!("0,0,Default,,0,0,0,,{text}"))
    }

    #[test]
    fn breaks_styles_and_escapes_become_webvtt() {
        assert_eq!(text("one, two\\Nthree"), "one, two\nthree");
        assert_eq!(text("{\\i1}a{\\i0} b"), "<i>a</i> b");
        assert_eq!(text("{\\b1\\i1}a{\\b0}b"), "<b><i>a</i></b><i>b</i>");
        assert_eq!(text("a < b & c > d"), "a &lt; b &amp; c &gt; d");
        assert_eq!(text("{\\an8\\pos(1,2)\\bord2\\c&HFF&}up"), "up");
    }

    #[test]
    fn drawings_and_empty_lines_vanish() {
        assert_eq!(text("{\\p1}m 0 0 l 1 1{\\p0}seen"), "seen");
        assert_eq!(text("a\\N\\N \\Nb"), "a\nb");
        assert_eq!(text("{\\i1}open {brace"), "<i>open {brace</i>");
        assert_eq!(to_webvtt("nonsense"), "");
        assert_eq!(text(""), "");
    }
}
