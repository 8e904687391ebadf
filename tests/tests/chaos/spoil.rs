//! Farms that are spoilt on purpose, each in one way. An outcome that is the same afterwards proves
//! nothing about the farms that are right.

use crate::farm::Farm;
use crate::outcome::Outcome;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use tests::hashes;

/// Runs a command in Lua in which `found` is the first key like a pattern.
fn change(farm: &Farm, pattern: &str, command: &str) -> Result<()> {
    let found = format!("local found = redis.call('KEYS', '{pattern}')[1]");
    let said = farm
        .redis()
        .evaluate(&format!("{found}\n{command}\nreturn found"))?;
    ensure!(!said.is_empty(), "nothing like {pattern}");
    Ok(())
}

fn one_file(folder: &Path, ends_with: &str) -> Result<std::path::PathBuf> {
    let files = hashes(folder)?;
    let name = files.into_keys().find(|name| name.ends_with(ends_with));
    Ok(folder.join(name.with_context(|| format!("no {ends_with}"))?))
}

fn damage_a_segment(farm: &Farm) -> Result<()> {
    let file = one_file(&farm.storage().join("titles/spoken"), ".m4s")?;
    let mut bytes = std::fs::read(&file)?;
    *bytes.last_mut().context("a segment has bytes")? ^= 1;
    std::fs::write(&file, bytes).context("damage a segment")
}

fn publish_again(farm: &Farm) -> Result<()> {
    let title = farm.storage().join("titles/spoken");
    let file = one_file(&title.join("v1"), "init.mp4")?;
    std::fs::create_dir_all(title.join("v2"))?;
    std::fs::copy(file, title.join("v2/init.mp4")).map(drop)?;
    Ok(())
}

fn forget_a_published_segment(farm: &Farm) -> Result<()> {
    let folder = farm.storage().join("titles/spoken/v1/video/h264-144p");
    std::fs::remove_file(one_file(&folder, "3.m4s")?).context("forget a segment")
}

fn leave_an_object(farm: &Farm) -> Result<()> {
    let folder = farm.storage().join("segments/nobody");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("left.m4s"), b"left").context("leave an object")
}

fn leave_a_lease(farm: &Farm) -> Result<()> {
    let add = "redis.call('ZADD', (string.gsub(found, 'accepted$', 'leases')), 1, 'x')";
    change(farm, "*:accepted", add)
}

fn commit_again(farm: &Farm) -> Result<()> {
    let set = "redis.call('HSET', found, 0, redis.call('HGET', found, 0))";
    change(farm, "*:units:*video-h264", set)
}

fn forget_a_commit(farm: &Farm) -> Result<()> {
    change(farm, "*:units:*video-h264", "redis.call('HDEL', found, 1)")
}

type Spoil = fn(&Farm) -> Result<()>;

/// What is done to the farm, and how the difference that it makes begins and ends.
const SPOILS: [(Spoil, &str, &str); 7] = [
    (damage_a_segment, "file spoken/v1/", ""),
    (publish_again, "file spoken/v2/init.mp4", ""),
    (forget_a_published_segment, "file spoken/v1/", "3.m4s"),
    (leave_an_object, "object segments", ""),
    (leave_a_lease, "left leases", ""),
    (commit_again, "", "video-h264 0"),
    (forget_a_commit, "ledger ", "video-h264"),
];

/// Spoils a farm at rest in every way, one after the other. Fails where one of them is not noticed.
pub(crate) fn each_is_noticed(farm: &Farm, jobs: &[(String, String)]) -> Result<usize> {
    let mut before = Outcome::of(farm, jobs)?;
    for (spoil, begins, ends) in SPOILS {
        spoil(farm)?;
        let after = Outcome::of(farm, jobs)?;
        let found = after.differences(&before);
        let names = found.iter().filter_map(|it| it.split_once(": "));
        let is_noticed = names
            .into_iter()
            .any(|(name, _)| name.starts_with(begins) && name.ends_with(ends));
        ensure!(is_noticed, "{begins}…{ends} is not noticed: {found:?}");
        before = after;
    }
    Ok(SPOILS.len())
}
