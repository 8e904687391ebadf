//! A calm farm and many disturbed ones, compared, with one line of JSON for each seed.

use crate::outcome::Outcome;
use crate::plan::{Plan, Storm};
use crate::{Seen, Tools, run, say};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use tests::require;

/// The first seed, or the only one where no number is given; how many; a file for what was seen.
const SEED: &str = "MAGPIE_CHAOS_SEED";
const SEEDS: &str = "MAGPIE_CHAOS_SEEDS";
const RESULTS: &str = "MAGPIE_CHAOS_RESULTS";

fn number(name: &str) -> Result<Option<u64>> {
    let Ok(text) = std::env::var(name) else {
        return Ok(None);
    };
    let number = text.parse().with_context(|| format!("{name}: {text:?}"));
    Ok(Some(number?))
}

fn seeds(usual: u64) -> Result<std::ops::Range<u64>> {
    let (first, count) = (number(SEED)?, number(SEEDS)?);
    let one_or_usual = first.map_or(usual, |_| 1);
    let first = first.unwrap_or(0);
    Ok(first..first + count.unwrap_or(one_or_usual))
}

/// Runs a calm farm and one for each seed, and compares.
pub(crate) fn sweep(storm: Storm, usual: u64) -> Result<()> {
    let (Some(ffmpeg), Some(redis)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let tools = Tools { ffmpeg, redis };
    let titles = 2 + storm.long_titles().len();
    let calm = run(&Plan::calm(titles), storm, &tools).context("the calm farm")?;
    let (calm, elapsed) = (calm.outcome, calm.elapsed.as_secs_f64());
    let units = calm.commits.len();
    say(&format!(
        "calm: {units} units, {} files, {elapsed:.1} s",
        calm.files()
    ));
    ensure!(units >= 30 && calm.files() >= 90, "{calm:?}");
    ensure!(
        calm.duplicates() == 0 && calm.unbalanced().is_empty(),
        "{calm:?}"
    );
    let mut kinds = BTreeMap::new();
    let (mut farms, mut failed) = (0, Vec::new());
    for seed in seeds(usual)? {
        let plan = Plan::of(seed, storm, titles);
        for (kind, count) in plan.counts() {
            *kinds.entry(kind).or_insert(0) += count;
        }
        farms += 1;
        let compared =
            run(&plan, storm, &tools).and_then(|seen| compare(seed, &plan, &seen, &calm));
        if let Err(error) = compared {
            let replay = format!(
                "seed {seed}; replay: {SEED}={seed} cargo test -p tests --test chaos -- --nocapture \
                 --include-ignored {}: {error:#}",
                storm.name()
            );
            say(&replay);
            failed.push(replay);
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    say(&format!(
        "{farms} seeds like the calm one: {kinds:?}, {} jobs, {} units",
        farms * titles,
        farms * units,
    ));
    Ok(())
}

/// Notes what was seen of a seed, and fails where it is not what it should be.
fn compare(seed: u64, plan: &Plan, seen: &Seen, calm: &Outcome) -> Result<()> {
    let outcome = &seen.outcome;
    let (differences, unbalanced) = (outcome.differences(calm), outcome.unbalanced());
    let is_file = |it: &&String| it.starts_with("file ");
    let line = json!({
        "seed": seed,
        "disturbances": plan.counts(),
        "jobs": plan.submissions.len(),
        "units": outcome.commits.len(),
        "duplicates": outcome.duplicates(),
        "lost": outcome.lost(calm),
        "files": outcome.files(),
        "differing_files": differences.iter().filter(is_file).count(),
        "differences": differences.len(),
        "unbalanced_tasks": unbalanced.len(),
        "begun_files": outcome.begun,
        "repeated_submissions": seen.repeated,
        "seconds": (seen.elapsed.as_secs_f64() * 10.0).round() / 10.0,
    });
    say(&line.to_string());
    if let Some(path) = std::env::var_os(RESULTS) {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path);
        writeln!(file.context("open the results")?, "{line}")?;
    }
    ensure!(unbalanced.is_empty(), "{}", unbalanced.join("\n"));
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}
