//! SubRip and WebVTT files into cues. Files from the wild are broken in many small ways: what is not a
//! cue is left out and reported by line, never a reason to lose the track. Only bytes that are no
//! text at all fail.

mod markup;

use super::cue::Cue;
use crate::error::{Error, Result};

/// How the bytes were read as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, as both formats should be.
    Utf8,
    /// The bytes are no UTF-8 and were read as ISO 8859-1, which never fails and may be wrong:
    /// the user should be told.
    Latin1,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// Cues in order of time.
    pub cues: Vec<Cue>,
    /// Lines (from 1) of cues that could not be read and were left out.
    pub skipped_lines: Vec<u32>,
    /// How the bytes were read.
    pub encoding: Encoding,
}

/// Reads SubRip or WebVTT; the latter begins with `WEBVTT`. Fails on UTF-16 and on NUL bytes. What it
/// takes is bounded by the file: a cue of it has 15 bytes at least, and takes some hundred in memory.
pub fn parse(bytes: &[u8]) -> Result<Parsed> {
    let (text, encoding) = decode(bytes)?;
    let is_webvtt = text
        .strip_prefix("WEBVTT")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']));
    let lines: Vec<&str> = split_lines(&text);
    let mut parsed = Parsed {
        cues: Vec::new(),
        skipped_lines: Vec::new(),
        encoding,
    };
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim().is_empty() {
            at += 1;
            continue;
        }
        let length = lines[at..]
            .iter()
            .take_while(|line| !line.trim().is_empty())
            .count();
        read_block(&lines[at..at + length], at, is_webvtt, &mut parsed);
        at += length;
    }
    parsed.cues.sort_by_key(|cue| (cue.start_ms, cue.end_ms));
    Ok(parsed)
}

fn decode(bytes: &[u8]) -> Result<(String, Encoding)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Error::unsupported("text in UTF-16"));
    }
    if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
        return Err(Error::malformed("text", at, "a NUL byte"));
    }
    Ok(match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), Encoding::Utf8),
        Err(_) => (
            bytes.iter().map(|&byte| char::from(byte)).collect(),
            Encoding::Latin1,
        ),
    })
}

/// Lines that end in LF, CRLF or CR.
fn split_lines(text: &str) -> Vec<&str> {
    let lines = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    lines.flat_map(|line| line.split('\r')).collect()
}

/// Reads one run of lines without blank ones; `at` is the index of the first.
fn read_block(block: &[&str], at: usize, is_webvtt: bool, parsed: &mut Parsed) {
    let line_number = |index: usize| u32::try_from(at + index + 1).unwrap_or(u32::MAX);
    let word = block[0].split([' ', '\t', ':']).next().unwrap_or_default();
    let is_head = at == 0 && is_webvtt;
    if is_head || is_webvtt && matches!(word, "NOTE" | "STYLE" | "REGION") && !has_times(block[0]) {
        return;
    }
    let times_at: Vec<usize> = (0..block.len())
        .filter(|&index| has_times(block[index]))
        .collect();
    if times_at.is_empty() {
        parsed.skipped_lines.push(line_number(0));
    }
    for (order, &times) in times_at.iter().enumerate() {
        // Files that forgot the blank line have the next cue's number before its times.
        let end = match times_at.get(order + 1) {
            Some(&next) if next > times + 1 && is_number(block[next - 1]) => next - 1,
            Some(&next) => next,
            None => block.len(),
        };
        match read_cue(block[times], &block[times + 1..end], is_webvtt) {
            Some(cue) => parsed.cues.push(cue),
            None => parsed.skipped_lines.push(line_number(times)),
        }
    }
}

/// Whether a line means to be the times of a cue: text may hold an arrow too.
fn has_times(line: &str) -> bool {
    line.split_once("-->").is_some_and(|(start, _)| {
        let of_clock = |byte: u8| byte.is_ascii_digit() || b":.,- \t".contains(&byte);
        start.contains(':') && start.bytes().all(of_clock)
    })
}

fn is_number(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
}

fn read_cue(times: &str, lines: &[&str], is_webvtt: bool) -> Option<Cue> {
    let (start, rest) = times.split_once("-->")?;
    let mut words = rest.split_whitespace();
    let (start_ms, end_ms) = (timestamp(start.trim())?, timestamp(words.next()?)?);
    let (text, mut settings) = markup::clean(&lines.join("\n"));
    if is_webvtt {
        settings = words
            .filter(|word| is_setting(word))
            .collect::<Vec<_>>()
            .join(" ");
    }
    (end_ms > start_ms && !text.is_empty()).then_some(Cue {
        start_ms,
        end_ms,
        settings,
        text,
    })
}

/// `[hours:]minutes:seconds[.,]fraction` in milliseconds.
fn timestamp(text: &str) -> Option<u64> {
    let (clock, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let number = |part: &str, digits: usize| {
        let valid = (1..=digits).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if valid {
            part.parse::<u64>().ok()
        } else {
            None
        }
    };
    let parts: Vec<u64> = clock
        .split(':')
        .map(|part| number(part.trim(), 4))
        .collect::<Option<_>>()?;
    let seconds = match parts[..] {
        [minutes, seconds] if seconds < 60 => minutes * 60 + seconds,
        [hours, minutes, seconds] if minutes < 60 && seconds < 60 => {
            hours * 3600 + minutes * 60 + seconds
        }
        _ => return None,
    };
    let scale = [100, 10, 1].get(fraction.len().checked_sub(1)?)?;
    Some(seconds * 1000 + number(fraction, 3)? * scale)
}

/// Whether a setting is one that is known and harmless; regions are not kept, so neither is a
/// reference to one.
fn is_setting(word: &str) -> bool {
    let Some((name, value)) = word.split_once(':') else {
        return false;
    };
    let known = matches!(name, "vertical" | "line" | "position" | "size" | "align");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"%.,-".contains(&byte);
    known && !value.is_empty() && value.len() <= 32 && value.bytes().all(plain) && value != "-->"
}
