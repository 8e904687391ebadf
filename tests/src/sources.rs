//! The files of the repository as text, for the tests that hold them to the rules of the house.
//! Code is told from comments and from tests line by line: enough for rules about words, and not a
//! parser.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// Kinds of text that are read; everything else in the repository is passed over.
const EXTENSIONS: [&str; 13] = [
    "rs", "toml", "md", "proto", "lua", "sh", "css", "html", "js", "service", "conf", "env", "acl",
];

/// One file.
#[derive(Debug)]
pub struct Source {
    /// Path from the top of the repository, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// One line of a file.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    /// Without comment and without the white space around it.
    pub code: &'a str,
}

/// The top folder of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests is a folder of the workspace")
}

/// Every text file of the repository, build outputs aside, in the order of their paths.
pub fn sources() -> Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = repository().join(&folder);
        for entry in std::fs::read_dir(&path).with_context(|| format!("list {}", path.display()))? {
            let entry = entry?;
            let name = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                if !is_output(&entry.file_name().to_string_lossy()) {
                    folders.push(name);
                }
            } else if is_text(&name) {
                let text = std::fs::read_to_string(entry.path())
                    .with_context(|| format!("read {}", name.display()))?;
                found.push(Source {
                    path: name.to_string_lossy().into_owned(),
                    text,
                });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn is_output(folder: &str) -> bool {
    folder == ".git" || folder == "target" || folder.starts_with("target-")
}

fn is_text(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    path.file_name().is_some_and(|name| name == "run")
        || extension.is_some_and(|extension| EXTENSIONS.contains(&extension))
}

impl Source {
    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The crate that it is a part of, by folder; empty for a file at the top.
    pub fn room(&self) -> &str {
        self.path.split_once('/').map_or("", |(room, _)| room)
    }

    /// Whether none of it ships: the test crate, a `tests` or `benches` folder, a `tests.rs`.
    pub fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| matches!(part, "tests" | "tests.rs" | "benches"))
    }

    /// The lines of Rust code that ship: no comments, no blank lines, nothing under `#[cfg(test)]`.
    pub fn shipped(&self) -> Vec<Line<'_>> {
        if self.is_test() {
            return Vec::new();
        }
        let mut lines = self.text.lines().enumerate();
        let mut shipped = Vec::new();
        while let Some((index, line)) = lines.next() {
            if line.trim() == "#[cfg(test)]" {
                skip_item(&mut lines);
                continue;
            }
            let code = without_comment(line).trim();
            if !code.is_empty() {
                shipped.push(Line {
                    number: index + 1,
                    code,
                });
            }
        }
        shipped
    }
}

/// Skips one item of formatted code: to its `;`, or to the brace that closes it at its own indent.
fn skip_item<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>) {
    let Some((_, first)) = lines.find(|(_, line)| !line.trim_start().starts_with("#[")) else {
        return;
    };
    if first.trim_end().ends_with([';', '}', ',']) {
        return;
    }
    let indent = first.len() - first.trim_start().len();
    let ends = |line: &str| {
        line.len() - line.trim_start().len() == indent && line.trim_start().starts_with('}')
    };
    // Nothing after the item is lost: the search stops at the line that closes it.
    let _ = lines.find(|(_, line)| ends(line));
}

/// The line up to `//`, unless that stands in a string, as in a URL.
fn without_comment(line: &str) -> &str {
    let comment = line
        .match_indices("//")
        .find(|(at, _)| line[..*at].matches('"').count().is_multiple_of(2));
    comment.map_or(line, |(at, _)| &line[..at])
}

/// Whether a word stands in the code with no letter, digit or underscore at either side.
pub fn has_word(code: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(text: &str) -> Vec<&'static str> {
        let source = Source {
            path: "model/src/a.rs".to_owned(),
            text: text.to_owned(),
        };
        let source = Box::leak(Box::new(source));
        source.shipped().iter().map(|line| line.code).collect()
    }

    #[test]
    fn tests_and_comments_do_not_ship() {
        let text = "//! doc\nfn a() {} // why\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        assert_eq!(shipped(text), ["fn a() {}", "fn c() {}"]);
        let text = "#[cfg(test)]\nmod tests;\nconst URL: &str = \"http://a\";\n";
        assert_eq!(shipped(text), ["const URL: &str = \"http://a\";"]);
    }

    #[test]
    fn a_word_is_not_found_inside_another() {
        assert!(has_word("unsafe {", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(!has_word("eprintln!(", "println!"));
    }
}
