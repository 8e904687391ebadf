//! What came of all titles, without what may differ between two farms: the ids of jobs, times, and which
//! node did what.

use crate::farm::Farm;
use crate::ledger::Ledger;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tests::{at, hashes, lines_of_json, read_json};

/// It is raised, and made at first, whenever a store may have lost a job: a submission that is repeated
/// while the first is between ticket and store is enough.
const EPOCH: &str = "epoch.json";

/// The end of a farm.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// Facts by name: of jobs, of the catalog, of dead chunks, and digests of published files.
    facts: BTreeMap<String, String>,
    /// How often each unit was committed, by title, task and unit.
    pub(crate) commits: BTreeMap<String, u32>,
    /// Units planned, counted and recorded, by title and task.
    tasks: BTreeMap<String, [u64; 3]>,
    /// Files that killed writers had begun. Their names keep readers from taking them for objects.
    pub(crate) begun: usize,
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
        outcome.take_objects(farm.storage(), jobs)?;
        outcome.take_commits(farm, jobs)?;
        outcome.take_ledger(&Ledger::of(farm)?, jobs);
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
            let id = named(&id, jobs);
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

    /// Which objects there are, whatever is in them. Content keys name the place of a text file, so that
    /// names below `segments` are counted.
    fn take_objects(&mut self, storage: &Path, jobs: &[(String, String)]) -> Result<()> {
        let mut made = 0;
        for path in hashes(storage)?.into_keys() {
            let is_begun = |(_, mark): (&str, &str)| {
                !mark.is_empty() && mark.bytes().all(|byte| byte.is_ascii_digit())
            };
            if path.rsplit_once('#').is_some_and(is_begun) {
                self.begun += 1;
            } else if path.starts_with("segments/") {
                made += 1;
            } else if !path.starts_with(".locks/") && path != EPOCH {
                self.note(&["object", &named(&path, jobs)], &Value::Null);
            }
        }
        self.note(&["object segments"], &Value::from(made));
        Ok(())
    }

    /// Units planned, counted and recorded of each task, and what work is left.
    fn take_ledger(&mut self, ledger: &Ledger, jobs: &[(String, String)]) {
        for (kind, count) in &ledger.left {
            self.note(&["left", kind], &Value::from(*count));
        }
        for (task, counts) in &ledger.tasks {
            let task = named(task, jobs);
            self.note(&["ledger", &task], &Value::from(&counts[..]));
            self.tasks.insert(task, *counts);
        }
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

    /// Tasks of published titles of which not as many units were committed as planned, by the count of the
    /// store, by its records, and by what was written down.
    pub(crate) fn unbalanced(&self) -> Vec<String> {
        let is_bad = |(task, [units, counted, recorded]): &(&String, &[u64; 3])| {
            let prefix = format!("{task} ");
            let written = self.commits.keys().filter(|it| it.starts_with(&prefix));
            let title = task.split('/').next().unwrap_or_default();
            let phase = self.facts.get(&format!("job {title} phase"));
            let is_published = phase.is_some_and(|phase| phase == "\"published\"");
            let all = [*counted, *recorded, written.count() as u64];
            is_published && all != [*units; 3]
        };
        let bad = self.tasks.iter().filter(is_bad);
        bad.map(|(task, counts)| format!("{task}: {counts:?}"))
            .collect()
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

/// A text with titles for the ids of their jobs.
fn named(text: &str, jobs: &[(String, String)]) -> String {
    let text = text.to_owned();
    jobs.iter()
        .fold(text, |text, (job, title)| text.replace(job, title))
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
