//! The profiles that ship: all of them make sense, and the default one shows every key there is.

use anyhow::{Context, Result};
use model::profile::Profile;
use serde_json::Value;
use std::path::PathBuf;
use tests::sources::repository;

fn files() -> Result<Vec<PathBuf>> {
    let folder = repository().join("config/profiles");
    let entries = std::fs::read_dir(folder).context("list the profiles")?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

#[test]
fn every_profile_is_built_in_and_makes_sense() -> Result<()> {
    let files = files()?;
    assert!(files.len() >= 2, "{files:?}");
    for path in files {
        let name = path
            .file_stem()
            .context("a profile has a name")?
            .to_string_lossy();
        let read = Profile::from_toml(&name, &std::fs::read_to_string(&path)?)?;
        assert_eq!(read.name, name, "a profile has the name of its file");
        assert_eq!(Profile::built_in(&name)?, read, "{name}");
    }
    Ok(())
}

#[test]
fn the_default_profile_shows_every_key() -> Result<()> {
    let text = std::fs::read_to_string(repository().join("config/profiles/web.toml"))?;
    let written: Value = serde_json::to_value(text.parse::<toml::Table>()?)?;
    let all = serde_json::to_value(Profile::built_in("web")?)?;
    let missing: Vec<_> = keys(&all, "")
        .into_iter()
        .filter(|key| written.pointer(key).is_none())
        .collect();
    assert!(missing.is_empty(), "not in web.toml: {missing:?}");
    Ok(())
}

/// JSON pointers to every key of nested objects.
fn keys(value: &Value, at: &str) -> Vec<String> {
    let Some(object) = value.as_object() else {
        return Vec::new();
    };
    let nested = object
        .iter()
        .map(|(name, value)| (format!("{at}/{name}"), value));
    nested
        .flat_map(|(key, value)| {
            let below = keys(value, &key);
            std::iter::once(key).chain(below).collect::<Vec<_>>()
        })
        .collect()
}
