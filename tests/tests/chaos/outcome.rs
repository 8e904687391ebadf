//! What came of all titles, without what may differ between two farms: the ids of jobs, times, and which
//! node did what.

use crate::farm::Farm;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tests::{at, hashes, lines_of_json, read_json};

/// The end of a farm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Facts by name: of jobs, of the catalog, of dead chunks, and digests of published files.
    facts: BTreeMap<String, String>,
    /// How often each unit was committed, by title, task and unit.
    pub(crate) commits: BTreeMap<String, u32>,
}

impl Outcome {
    /// Reads it from a farm that has come to rest.
    pub(crate) fn of(farm: &Farm, jobs: &[(String, String)]) -> Result<Self> {
        let mut outcome = Self::default();
        let listed = farm.ask(0, &["jobs", "--json"])?;
        let listed = lines_of_json(&listed.context("a farm that answers")?.stdout)?;
        ensure!(
            listed.len() == jobs.len(),
            "not one job a title: {listed:?}"
        );
        for (id, title) in jobs {
            let found = listed.iter().find(|job| job["id"] == id.as_str());
            let job = found.with_context(|| format!("{title} is lost: {listed:?}"))?;
            outcome.take_job(title, job)?;
        }
        outcome.take_dead(farm, jobs)?;
        outcome.take_storage(farm.storage())?;
        outcome.take_commits(farm, jobs)?;
        Ok(outcome)
    }

    fn take_job(&mut self, title: &str, job: &Value) -> Result<()> {
        for name in ["phase", "title", "title_version", "units", "units_done"] {
            self.note(&["job", title, name], &job[name]);
        }
        let failure = &job["failure"];
        for name in ["kind", "place", "message"] {
            self.note(&["job", title, "failure", name], &failure[name]);
        }
        let is_done = job["units"] == job["units_done"];
        ensure!(
            is_done || job["phase"] != "published",
            "units are left: {job}"
        );
        Ok(())
    }

    fn take_dead(&mut self, farm: &Farm, jobs: &[(String, String)]) -> Result<()> {
        let dead = farm.ask(0, &["dlq", "list", "--json"])?;
        for chunk in lines_of_json(&dead.context("a farm that answers")?.stdout)? {
            let id = at(&chunk, "/id")?.as_str().unwrap_or_default().to_owned();
            let id = jobs
                .iter()
                .fold(id, |id, (job, title)| id.replace(job, title));
            let attempts = chunk["attempts"].as_array().into_iter().flatten();
            let last = attempts
                .map(|attempt| &attempt["failure"]["kind"])
                .next_back();
            let last = last.cloned().unwrap_or_default();
            self.note(&["dead", &id, &chunk["units"].to_string()], &last);
        }
        Ok(())
    }

    fn take_storage(&mut self, storage: &Path) -> Result<()> {
        for (path, digest) in hashes(&storage.join("titles"))? {
            // It names the job that filled the folder.
            let is_about_the_job = path.ends_with("/version.json");
            let digest = if is_about_the_job {
                String::new()
            } else {
                digest
            };
            self.note(&["file", &path], &Value::String(digest));
        }
        let mut made = BTreeMap::new();
        // Content keys name the place of a text file, and facts say how long the work took.
        for (path, digest) in hashes(&storage.join("segments"))? {
            let digest = if path.ends_with(".json") {
                "facts".to_owned()
            } else {
                digest
            };
            *made.entry(digest).or_insert(0) += 1;
        }
        for (digest, count) in made {
            self.note(&["segment", &digest], &Value::from(count));
        }
        for (path, _) in hashes(&storage.join("catalog"))? {
            let entry = read_json(&storage.join("catalog").join(&path))?;
            self.note(&["catalog", &path, "version"], at(&entry, "/version")?);
            self.note(&["catalog", &path, "history"], at(&entry, "/history")?);
        }
        Ok(())
    }

    /// What Redis wrote down. A commit of a unit that is done already writes nothing.
    fn take_commits(&mut self, farm: &Farm, jobs: &[(String, String)]) -> Result<()> {
        for words in farm.redis().written()? {
            let [command, key, unit, ..] = &words[..] else {
                continue;
            };
            let task = key.split_once(":units:").map(|(_, task)| task);
            let Some(task) = task.filter(|_| command == "HSET") else {
                continue;
            };
            let named = jobs.iter().find(|(job, _)| task.starts_with(job.as_str()));
            let (job, title) = named.with_context(|| format!("nobody's unit: {task}"))?;
            let task = task.replace(job.as_str(), title);
            *self.commits.entry(format!("{task} {unit}")).or_insert(0) += 1;
        }
        Ok(())
    }

    fn note(&mut self, name: &[&str], value: &Value) {
        self.facts.insert(name.join(" "), value.to_string());
    }

    /// Files that were published.
    pub(crate) fn files(&self) -> usize {
        self.facts
            .keys()
            .filter(|name| name.starts_with("file "))
            .count()
    }

    /// Commits beyond the first of a unit.
    pub(crate) fn duplicates(&self) -> u32 {
        self.commits.values().map(|count| count - 1).sum()
    }

    /// Units and files of another outcome that are not in this one.
    pub(crate) fn lost(&self, calm: &Self) -> usize {
        let units = calm
            .commits
            .keys()
            .filter(|unit| !self.commits.contains_key(*unit));
        let facts = calm
            .facts
            .keys()
            .filter(|fact| !self.facts.contains_key(*fact));
        units.count() + facts.count()
    }

    /// In what it is not like another; each once, with what is and what should be.
    pub(crate) fn differences(&self, calm: &Self) -> Vec<String> {
        let mut found = Vec::new();
        compare(&self.facts, &calm.facts, &mut found);
        compare(&self.commits, &calm.commits, &mut found);
        found
    }
}

fn compare<T: PartialEq + std::fmt::Debug>(
    is: &BTreeMap<String, T>,
    should: &BTreeMap<String, T>,
    found: &mut Vec<String>,
) {
    let names = is
        .keys()
        .chain(should.keys().filter(|name| !is.contains_key(*name)));
    for name in names {
        let (is, should) = (is.get(name), should.get(name));
        if is != should {
            found.push(format!("{name}: {is:?} instead of {should:?}"));
        }
    }
}
