//! Cue text: from the markup of either format to WebVTT that is safe to write. Bold, italic,
//! underline and WebVTT's own spans stay, fonts and override codes go, all else is text and escaped.

/// Tags that WebVTT has too.
const SPANS: [&str; 8] = ["b", "i", "u", "c", "v", "lang", "ruby", "rt"];

/// Character references that stay as they are.
const REFERENCES: [&str; 6] = ["amp;", "lt;", "gt;", "nbsp;", "lrm;", "rlm;"];

/// The text, and the settings that override codes of SubRip (`{\an8}`) stand for.
pub(super) fn clean(raw: &str) -> (String, String) {
    let mut text = String::with_capacity(raw.len());
    let mut settings = String::new();
    let mut rest = raw;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        rest = match letter {
            '<' => match tag(after) {
                Some((written, behind)) => {
                    text.push_str(&written);
                    behind
                }
                None => {
                    text.push_str("&lt;");
                    after
                }
            },
            '{' if after.starts_with('\\') && after.contains('}') => {
                let (code, behind) = after.split_once('}').expect("it was looked for");
                settings = alignment(code).unwrap_or(settings);
                behind
            }
            '&' if REFERENCES.iter().any(|known| after.starts_with(known)) => {
                text.push('&');
                after
            }
            _ => {
                push_letter(&mut text, letter);
                after
            }
        };
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    (lines.collect::<Vec<_>>().join("\n"), settings)
}

fn push_letter(text: &mut String, letter: char) {
    match letter {
        '&' => text.push_str("&amp;"),
        '>' => text.push_str("&gt;"),
        '\n' => text.push('\n'),
        control if control.is_control() => text.push(' '),
        other => text.push(other),
    }
}

/// What a tag becomes, and what follows it; `None` where `<` begins no tag. Unknown tags become
/// nothing.
fn tag(after: &str) -> Option<(String, &str)> {
    let (inside, behind) = after.split_once('>')?;
    let name_at = inside.strip_prefix('/').unwrap_or(inside);
    let begins = name_at.starts_with(|first: char| first.is_ascii_alphanumeric());
    if inside.len() > 256 || inside.contains(['<', '\n']) || !begins {
        return None;
    }
    let name = name_at
        .split([' ', '\t', '.'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    if !SPANS.contains(&name.as_str()) {
        return Some((String::new(), behind));
    }
    if inside.starts_with('/') {
        return Some((format!("</{name}>"), behind));
    }
    // Only these three carry something besides classes.
    let annotation = inside
        .split_once([' ', '\t'])
        .map_or("", |(_, annotation)| annotation.trim());
    let keeps = matches!(name.as_str(), "v" | "lang") && !annotation.is_empty();
    let mut written = format!("<{name}");
    if keeps {
        written.push(' ');
        annotation
            .chars()
            .for_each(|letter| push_letter(&mut written, letter));
    }
    written.push('>');
    Some((written, behind))
}

/// `\an1` to `\an9` are the keys of a number pad; only its upper rows differ from WebVTT's default.
fn alignment(code: &str) -> Option<String> {
    let key = code.strip_prefix("\\an")?.chars().next()?.to_digit(10)?;
    let row = match key {
        7..=9 => "line:0",
        4..=6 => "line:50%",
        _ => return Some(String::new()),
    };
    Some(row.to_owned())
}
