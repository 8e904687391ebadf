//! The rules of the house that no lint knows. Each test names every place that breaks its rule, so
//! that one run is enough to mend them all. The words that are looked for are put together from
//! halves here, or this file would break the rules itself.

use anyhow::Result;
use std::path::Path;
use tests::sources::{Source, has_word, repository, sources};

/// Longest source file. Beyond it a file has become a drawer.
const LINES_MAX: usize = 500;

/// Longest `lib.rs` or `mod.rs`: they list what there is and hold no logic.
const INDEX_LINES_MAX: usize = 100;

/// Longest ARCHITECTURE.md: what is longer is not read.
const ARCHITECTURE_LINES_MAX: usize = 299;

/// Folders whose code is a function of its arguments alone.
const PURE: [&str; 5] = [
    "model/src/",
    "frame/src/",
    "package/src/",
    "scheduler/src/policy/",
    "scheduler/src/lifecycle/",
];

/// Files and folders that may write to the terminal.
const PRINTERS: &str = "cli/src/printer";

fn rust() -> Result<Vec<Source>> {
    let mut sources = sources()?;
    sources.retain(Source::is_rust);
    assert!(
        sources.len() > 50,
        "only {} files found: the search is broken",
        sources.len()
    );
    Ok(sources)
}

#[track_caller]
fn assert_none(rule: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

/// Places where shipped code of some files does what it must not.
fn offences(sources: &[Source], breaks: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = sources
        .iter()
        .flat_map(|source| source.shipped().into_iter().map(move |line| (source, line)));
    lines
        .filter(|(_, line)| breaks(line.code))
        .map(|(source, line)| format!("{}:{}: {}", source.path, line.number, line.code))
        .collect()
}

#[test]
fn no_file_is_longer_than_the_limit() -> Result<()> {
    let code = |source: &&Source| !source.path.ends_with(".md") && !source.path.ends_with(".toml");
    let found = sources()?
        .iter()
        .filter(code)
        .map(|source| (source.text.lines().count(), source))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, source)| format!("{}: {lines} lines", source.path))
        .collect();
    assert_none("a file has at most 500 lines", found);
    Ok(())
}

#[test]
fn lists_of_modules_hold_no_logic() -> Result<()> {
    let is_index = |path: &str| path.ends_with("/lib.rs") || path.ends_with("/mod.rs");
    let found = rust()?
        .iter()
        .filter(|source| is_index(&source.path))
        .filter(|source| source.text.lines().count() > INDEX_LINES_MAX)
        // The trait of a seam is what a reader of the room wants first, and it is mostly its doc.
        .filter(|source| !source.text.contains("\npub trait "))
        .map(|source| source.path.clone())
        .collect();
    assert_none("lib.rs and mod.rs have at most 100 lines", found);
    Ok(())
}

#[test]
fn every_file_says_what_it_is() -> Result<()> {
    let found = rust()?
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| source.path.clone())
        .collect();
    assert_none("a file starts with //!", found);
    Ok(())
}

#[test]
fn nothing_is_named_like_a_drawer() -> Result<()> {
    let banned = |part: &str| {
        let name = part.split('.').next().unwrap_or(part);
        matches!(name, "common" | "misc" | "shared" | "base")
            || ["util", "helper", "manager"]
                .iter()
                .any(|word| name.contains(word))
    };
    let found = sources()?
        .iter()
        .filter(|source| source.path.split('/').any(banned))
        .map(|source| source.path.clone())
        .collect();
    assert_none("a name says what is inside", found);
    Ok(())
}

#[test]
fn nothing_that_ships_unwraps() -> Result<()> {
    let unwrap = concat!(".unw", "rap()");
    assert_none(
        "no unwrap outside tests",
        offences(&rust()?, |code| code.contains(unwrap)),
    );
    Ok(())
}

#[test]
fn pure_code_has_no_clock_and_no_runtime() -> Result<()> {
    let mut pure = rust()?;
    pure.retain(|source| PURE.iter().any(|folder| source.path.starts_with(folder)));
    assert!(!pure.is_empty());
    let words = ["tokio", "async", "Instant", "SystemTime"];
    let found = offences(&pure, |code| words.iter().any(|word| has_word(code, word)));
    assert_none("no clock and no runtime in pure code", found);
    Ok(())
}

#[test]
fn the_reader_sees_where_a_name_comes_from() -> Result<()> {
    let glob = |code: &str| {
        let is_use = code.starts_with("use ") || code.starts_with("pub use ");
        is_use && (code.contains("::*") || code.contains("{*") || code.contains(", *"))
    };
    assert_none("no glob imports outside tests", offences(&rust()?, glob));
    Ok(())
}

#[test]
fn only_the_printer_prints() -> Result<()> {
    let mut sources = rust()?;
    // A build script talks to cargo by printing; an example is a program that a person runs.
    sources.retain(|source| {
        !source.path.starts_with(PRINTERS)
            && !source.path.ends_with("/build.rs")
            && !source.path.contains("/examples/")
    });
    let macros = ["print!", "println!", "eprint!", "eprintln!"];
    let found = offences(&sources, |code| {
        macros.iter().any(|name| prints(code, name))
    });
    assert_none("print only in the printer of the cli", found);
    Ok(())
}

fn prints(code: &str, name: &str) -> bool {
    code.match_indices(name)
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn every_module_is_reached() -> Result<()> {
    let sources = rust()?;
    let found = sources
        .iter()
        .filter(|source| source.path.contains("/src/") && !source.path.contains("/src/bin/"))
        .filter(|source| !is_declared(source, &sources))
        .map(|source| source.path.clone())
        .collect();
    assert_none("no file that no module declares", found);
    Ok(())
}

fn is_declared(source: &Source, sources: &[Source]) -> bool {
    let path = Path::new(&source.path);
    let stem = |path: &Path| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    let (Some(mut name), Some(mut folder)) = (stem(path), path.parent()) else {
        return false;
    };
    if name == "lib" || name == "main" {
        return true;
    }
    if name == "mod" {
        let (Some(module), Some(above)) = (stem(folder), folder.parent()) else {
            return false;
        };
        (name, folder) = (module, above);
    }
    let declaration = format!("mod {name};");
    let parents = ["lib.rs", "main.rs", "mod.rs"].map(|file| folder.join(file));
    let parents = parents.into_iter().chain([folder.with_extension("rs")]);
    let is_parent = |other: &&Source| {
        parents
            .clone()
            .any(|parent| Path::new(&other.path) == parent)
    };
    sources.iter().filter(is_parent).any(|parent| {
        parent.text.lines().any(|line| {
            let line = line.trim();
            line == declaration
                || line
                    .strip_suffix(&declaration)
                    .is_some_and(|start| start.ends_with(' '))
        })
    })
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() -> Result<()> {
    let paths = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    let mut found = Vec::new();
    for source in sources()? {
        for (index, line) in source.text.lines().enumerate() {
            if paths.iter().any(|path| line.contains(path)) {
                found.push(format!("{}:{}: {line}", source.path, index + 1));
            }
        }
    }
    assert_none("no machine paths", found);
    Ok(())
}

#[test]
fn what_is_left_to_do_has_an_issue() -> Result<()> {
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let has_issue = |line: &str, word: &str| {
        let after = line.split_once(word).map_or("", |(_, after)| after);
        after
            .strip_prefix("(#")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut found = Vec::new();
    for source in sources()? {
        for (index, line) in source.text.lines().enumerate() {
            if words
                .iter()
                .any(|word| has_word(line, word) && !has_issue(line, word))
            {
                found.push(format!("{}:{}: {line}", source.path, index + 1));
            }
        }
    }
    assert_none("work that is left names its issue", found);
    Ok(())
}

#[test]
fn links_between_documents_lead_somewhere() -> Result<()> {
    let mut found = Vec::new();
    let mut links = 0;
    for source in sources()?
        .iter()
        .filter(|source| source.path.ends_with(".md"))
    {
        let folder = Path::new(&source.path).parent().unwrap_or(Path::new(""));
        for link in local_links(&source.text) {
            links += 1;
            if !repository().join(folder).join(link).exists() {
                found.push(format!("{}: {link}", source.path));
            }
        }
    }
    assert!(links > 10, "only {links} links found: the search is broken");
    assert_none("a link leads to a file", found);
    Ok(())
}

/// Targets of markdown links that are files, without their fragments.
fn local_links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

#[test]
fn the_architecture_stays_short_enough_to_read() -> Result<()> {
    let text = std::fs::read_to_string(repository().join("ARCHITECTURE.md"))?;
    let lines = text.lines().count();
    assert!(
        lines <= ARCHITECTURE_LINES_MAX,
        "ARCHITECTURE.md has {lines} lines"
    );
    Ok(())
}

#[test]
fn the_architecture_has_a_section_for_every_room() -> Result<()> {
    let text = std::fs::read_to_string(repository().join("ARCHITECTURE.md"))?;
    let manifest: toml::Table =
        std::fs::read_to_string(repository().join("Cargo.toml"))?.parse()?;
    let members = manifest["workspace"]["members"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(!members.is_empty());
    let found = members
        .iter()
        .filter_map(|member| member.as_str())
        .filter(|room| !text.lines().any(|line| line == format!("### `{room}/`")))
        .map(str::to_owned)
        .collect();
    assert_none("a room has a section in ARCHITECTURE.md", found);
    Ok(())
}

#[test]
fn every_kind_of_failure_is_in_the_table() -> Result<()> {
    let text = std::fs::read_to_string(repository().join("ARCHITECTURE.md"))?;
    let kinds = model::FailureKind::ALL.map(model::FailureKind::as_str);
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows: Vec<_> = rows
        .map(|(kind, _)| kind)
        .filter(|name| kinds.contains(name))
        .collect();
    assert_eq!(
        rows, kinds,
        "the table in ARCHITECTURE.md and FailureKind::ALL"
    );
    Ok(())
}
