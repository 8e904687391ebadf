//! The arrows between rooms, as ARCHITECTURE.md draws them. A row of the table is what a room may
//! use; cargo enforces that nothing else is used, and this test that nobody widens it unseen.

use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use tests::sources::{repository, sources};
use toml::Table;

/// Room, and the rooms that it may use besides `model`, which all may use. `bench` is a command of
/// the program as well as a room of the proof, so `cli` may use it and nobody else.
const ARROWS: [(&str, &[&str]); 18] = [
    ("model", &[]),
    ("frame", &[]),
    ("libav", &["frame"]),
    ("kernels", &["frame"]),
    ("shaders", &["frame"]),
    ("codec", &["frame", "libav", "kernels", "shaders"]),
    ("pipeline", &["frame", "libav", "codec", "package"]),
    ("package", &[]),
    ("proto", &[]),
    ("store", &[]),
    ("storage", &[]),
    ("scheduler", &["proto", "store", "storage", "package"]),
    (
        "node-agent",
        &["proto", "storage", "pipeline", "libav", "package"],
    ),
    ("dashboard", &["scheduler", "storage"]),
    (
        "cli",
        &[
            "frame",
            "libav",
            "kernels",
            "shaders",
            "codec",
            "pipeline",
            "package",
            "proto",
            "store",
            "storage",
            "scheduler",
            "node-agent",
            "dashboard",
            "bench",
        ],
    ),
    ("bench", &[]),
    ("tests", &[]),
    ("xtask", &[]),
];

/// Who may never reach whom, through any number of rooms.
const WALLS: [(&str, &[&str]); 5] = [
    ("node-agent", &["store", "scheduler"]),
    ("pipeline", &["storage", "proto"]),
    (
        "scheduler",
        &["pipeline", "frame", "libav", "codec", "kernels", "shaders"],
    ),
    ("package", &["libav", "frame"]),
    ("store", &["proto", "scheduler"]),
];

/// Foreign crates that stand for a responsibility, and the rooms that have it.
const OWNED: [(&str, &[&str]); 9] = [
    ("redis", &["store"]),
    ("object_store", &["storage"]),
    ("ffmpeg-next", &["libav"]),
    ("ffmpeg-sys-next", &["libav"]),
    ("rav1e", &["codec"]),
    ("landlock", &["node-agent"]),
    ("seccompiler", &["node-agent"]),
    ("fast_image_resize", &["frame"]),
    ("indicatif", &["cli"]),
];

/// Rooms whose purpose is to call foreign code.
const UNSAFE_ROOMS: [&str; 4] = ["libav", "kernels", "shaders", "codec"];

/// The one place outside those rooms: what a worker does between fork and exec.
const UNSAFE_FILES: &str = "node-agent/src/sandbox";

fn manifest(room: &str) -> Result<Table> {
    let path = repository().join(room).join("Cargo.toml");
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    text.parse()
        .with_context(|| format!("parse {}", path.display()))
}

/// Names in the dependency tables with one of these titles, also under `[target.*]`.
fn dependencies(manifest: &Table, titles: &[&str]) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(|value| value.as_table());
    let tables = targets
        .into_iter()
        .flat_map(|targets| targets.values().filter_map(|value| value.as_table()));
    std::iter::once(manifest)
        .chain(tables)
        .flat_map(|table| {
            titles
                .iter()
                .filter_map(|title| table.get(*title)?.as_table())
        })
        .flat_map(|table| table.keys().cloned())
        .collect()
}

/// What each room ships with.
fn shipped() -> Result<BTreeMap<&'static str, BTreeSet<String>>> {
    let titles = ["dependencies", "build-dependencies"];
    ARROWS
        .iter()
        .map(|(room, _)| Ok((*room, dependencies(&manifest(room)?, &titles))))
        .collect()
}

fn is_room(name: &str) -> bool {
    ARROWS.iter().any(|(room, _)| *room == name)
}

#[test]
fn every_member_of_the_workspace_has_a_row_in_the_table() -> Result<()> {
    let members = manifest("")?["workspace"]["members"]
        .as_array()
        .context("members")?
        .clone();
    let members: BTreeSet<_> = members
        .iter()
        .filter_map(|member| member.as_str())
        .map(str::to_owned)
        .collect();
    let rows: BTreeSet<_> = ARROWS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(members, rows);
    Ok(())
}

#[test]
fn rooms_use_only_what_their_row_allows() -> Result<()> {
    let shipped = shipped()?;
    for (room, allowed) in ARROWS {
        for used in shipped[room].iter().filter(|name| is_room(name)) {
            let may = room != "model" && (used == "model" || allowed.contains(&used.as_str()));
            assert!(may, "{room} uses {used}; see the arrows in ARCHITECTURE.md");
        }
    }
    Ok(())
}

#[test]
fn no_wall_is_passed_through_another_room() -> Result<()> {
    let shipped = shipped()?;
    for (room, forbidden) in WALLS {
        let mut reached = BTreeSet::from([room.to_owned()]);
        let mut open = vec![room.to_owned()];
        while let Some(next) = open.pop() {
            for used in shipped[next.as_str()].iter().filter(|name| is_room(name)) {
                if reached.insert(used.clone()) {
                    open.push(used.clone());
                }
            }
        }
        for wall in forbidden {
            assert!(!reached.contains(*wall), "{room} reaches {wall}");
        }
    }
    Ok(())
}

#[test]
fn nothing_depends_on_the_proof() -> Result<()> {
    let titles = ["dependencies", "build-dependencies", "dev-dependencies"];
    for (room, _) in ARROWS {
        let used = dependencies(&manifest(room)?, &titles);
        for proof in ["bench", "tests", "xtask"] {
            let may = (room, proof) == ("cli", "bench");
            assert!(may || !used.contains(proof), "{room} depends on {proof}");
        }
    }
    Ok(())
}

#[test]
fn foreign_crates_stay_in_the_rooms_that_own_them() -> Result<()> {
    for (room, used) in shipped()? {
        for (owned, owners) in OWNED {
            assert!(
                !used.contains(owned) || owners.contains(&room),
                "{room} uses {owned}"
            );
        }
    }
    Ok(())
}

#[test]
fn the_vocabulary_has_no_runtime() -> Result<()> {
    let allowed = ["serde", "serde_json", "toml", "sha2", "hex", "thiserror"];
    let used = shipped()?.remove("model").context("model has a row")?;
    let extra: Vec<_> = used
        .iter()
        .filter(|name| !allowed.contains(&name.as_str()))
        .collect();
    assert!(extra.is_empty(), "model uses {extra:?}");
    Ok(())
}

#[test]
fn unsafe_code_stays_in_the_unsafe_rooms() -> Result<()> {
    for source in sources()?.iter().filter(|source| source.is_rust()) {
        if UNSAFE_ROOMS.contains(&source.room()) || source.path.starts_with(UNSAFE_FILES) {
            continue;
        }
        for line in source.shipped() {
            let found = is_unsafe(line.code) || line.code.contains("allow(unsafe_code)");
            assert!(!found, "{}:{} has unsafe code", source.path, line.number);
        }
    }
    Ok(())
}

/// The keyword in formatted code; a word such as `unsafe-inline` in a text is none.
fn is_unsafe(code: &str) -> bool {
    let keyword = [
        "unsafe {",
        "unsafe fn",
        "unsafe impl",
        "unsafe extern",
        "unsafe trait",
        "unsafe(",
    ];
    keyword.iter().any(|keyword| code.contains(keyword)) || code == "unsafe"
}

#[test]
fn every_safe_room_takes_the_lints_of_the_workspace() -> Result<()> {
    for (room, _) in ARROWS
        .iter()
        .filter(|(room, _)| !UNSAFE_ROOMS.contains(room))
    {
        let manifest = manifest(room)?;
        let inherits = manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        assert_eq!(
            inherits.and_then(|value| value.as_bool()),
            Some(true),
            "{room}"
        );
    }
    Ok(())
}
