//! The books of a farm as Redis has them: units planned, counted and committed by task, and whatever of
//! work is still there. Redis drops a set with its last member, so that a key is a thing left over.

use crate::farm::Farm;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use tests::at;

/// Counts keys by what they are, and reads the counts of each task.
const READ: &str = r"
local left, tasks = {}, {}
for _, name in ipairs(redis.call('KEYS', '*')) do
  local kind, id = string.match(name, '}:%d+:([^:]*):?(.*)$')
  left[kind] = (left[kind] or 0) + 1
  if kind == 'task' then
    local counts = redis.call('HMGET', name, 'units', 'units_done')
    local records = redis.call('HLEN', (string.gsub(name, ':task:', ':units:')))
    tasks[id] = { tonumber(counts[1]), tonumber(counts[2]), records }
  end
end
return cjson.encode({ left = left, tasks = tasks })
";

/// What there is only while there is work: ends of leases, what nodes hold, what waits, live jobs.
const WORK: [&str; 10] = [
    "leases", "holds", "queue", "queues", "rich", "tenants", "urgent", "aged", "delayed", "live",
];

/// The books at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    /// Keys of work by kind.
    pub(crate) left: BTreeMap<String, u64>,
    /// Units planned, counted and recorded, by task with the id of its job.
    pub(crate) tasks: BTreeMap<String, [u64; 3]>,
}

impl Ledger {
    /// Reads it.
    pub(crate) fn of(farm: &Farm) -> Result<Self> {
        let text = farm.redis().evaluate(READ)?;
        let books: Value = serde_json::from_str(&text).context("the ledger is JSON")?;
        let mut ledger = Self::default();
        for kind in WORK {
            let count = at(&books, "/left")?[kind].as_u64().unwrap_or(0);
            ledger.left.insert(kind.to_owned(), count);
        }
        for (task, counts) in at(&books, "/tasks")?.as_object().into_iter().flatten() {
            let count = |at: usize| counts[at].as_u64().context("a task has counts");
            let counts = [count(0)?, count(1)?, count(2)?];
            ledger.tasks.insert(task.clone(), counts);
        }
        ensure!(!ledger.tasks.is_empty(), "no task in {books}");
        Ok(ledger)
    }

    /// Whether no work is left.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.left.values().all(|&count| count == 0)
    }
}
