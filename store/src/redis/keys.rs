//! Every key of a cell, in one place. They are written in Lua, because nothing but the scripts
//! touches them. All begin with the hash tag of the cell, so that they lie in one slot of a cluster
//! and a script may reach any of them.

use crate::error::{Error, Result};

/// Head of every script: `KEYS[1]` is the tag, `key` names everything under it.
pub(super) const FRAGMENT: &str = r"
-- The number changes when keys come to mean something else: then a cell starts empty, and is rebuilt
-- from storage like a lost one.
local tag = KEYS[1] .. ':4:'
local key = {
  -- strings: epoch of new tokens; what the tenant granted last had been served; counters of grants and
  -- accepted jobs
  epoch = tag .. 'epoch', level = tag .. 'level', grants = tag .. 'grants', accepted = tag .. 'accepted',
  -- string: which run of the server was looked at for what it may have lost
  lapse = tag .. 'lapse',
  -- string: when ended leases were asked for last, and up to which end they were spared last
  reaped = tag .. 'reaped',
  -- hash: queued chunks that may be granted and those of paused jobs: queued, paused; work of the former
  -- and of held ones: units, micros
  totals = tag .. 'totals',
  -- hash: learned microseconds of a unit, by cost class; sorted set: the classes by when
  costs = tag .. 'costs', cost_ages = tag .. 'cost_ages',
  -- hash: learned microseconds that moving work costs, where the source was at hand (1) and elsewhere (0)
  moves = tag .. 'moves',
  -- sorted sets of jobs: by number; by the time from which they may be handed out; by nudge
  jobs = tag .. 'jobs', attention = tag .. 'attention', nudges = tag .. 'nudges',
  -- sorted set: jobs that are not in a final phase, by number
  live = tag .. 'live',
  -- sorted sets of chunks: by earliest time; by end of lease; by time of death
  delayed = tag .. 'delayed', leases = tag .. 'leases', dead = tag .. 'dead',
  -- sorted set: receivers by the time from which they may be served; hash: how often each was put off
  deliveries = tag .. 'deliveries', failures = tag .. 'failures',
  -- hash: how many notices wait: in all, of each tenant and of each receiver
  lengths = tag .. 'lengths',
  -- hash: until when which job is what a node yielded for
  summons = tag .. 'summons',
  -- sorted sets of nodes: by last sign of life; by when a step of a job last ended leases of theirs
  seen = tag .. 'seen', losses = tag .. 'losses',
}
-- hash; list of its tasks
function key.job(id) return tag .. 'job:' .. id end
function key.tasks(job) return tag .. 'tasks:' .. job end
-- hash; hash of its committed units: frames, milliseconds, 1 where it was found, node and digest of each;
-- sorted set of the numbers of its unfinished chunks; set of the
-- tasks that wait for it
function key.task(id) return tag .. 'task:' .. id end
function key.units(task) return tag .. 'units:' .. task end
function key.chunks(task) return tag .. 'chunks:' .. task end
function key.waiting(task) return tag .. 'waiting:' .. task end
-- hash
function key.chunk(id) return tag .. 'chunk:' .. id end
-- sorted sets of chunks by the builds that they need: queued ones of a job by place, of which it is a
-- set in which builds there are some; held ones by what is to steal
function key.queue(builds, job) return tag .. 'queue:' .. builds .. ':' .. job end
function key.queues(job) return tag .. 'queues:' .. job end
function key.rich(builds) return tag .. 'rich:' .. builds end
-- sorted sets of what may be granted to nodes with these builds: tenants by what they were served; jobs
-- of one by urgency (in the member; scores are 0) and by number
function key.tenants(builds) return tag .. 'tenants:' .. builds end
function key.urgent(builds, tenant) return tag .. 'urgent:' .. builds .. ':' .. tenant end
function key.aged(builds, tenant) return tag .. 'aged:' .. builds .. ':' .. tenant end
-- hash; set of the builds in which jobs of it may be granted
function key.tenant(id) return tag .. 'tenant:' .. id end
function key.waits(tenant) return tag .. 'waits:' .. tenant end
-- hash; set of the chunks that it holds; sorted set of the queued chunks that it held last, by place
function key.node(id) return tag .. 'node:' .. id end
function key.holds(node) return tag .. 'holds:' .. node end
function key.left(node) return tag .. 'left:' .. node end
-- list: time, version, job, `end` where it tells of one, and JSON of what waits for a receiver
function key.notices(receiver) return tag .. 'notices:' .. receiver end
-- string: when one who asked went away with nothing last and its room, by builds of what it may have
function key.hungry(builds) return tag .. 'hungry:' .. builds end
-- sorted set: nodes with these builds ('' for all) that do not drain, by last sign of life
function key.able(builds) return tag .. 'able:' .. builds end
";

/// The hash tag of a cell.
pub(super) fn tag(cell: &str) -> Result<String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if cell.is_empty() || !cell.bytes().all(is_name) {
        return Err(Error::Conflict {
            id: format!("{cell:?}"),
            reason: "not a name of a cell: letters, digits, dot, underscore, hyphen".to_owned(),
        });
    }
    Ok(format!("{{magpie:{cell}}}"))
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn a_cell_cannot_break_out_of_its_hash_tag() {
        assert_eq!(tag("eu-1").unwrap(), "{magpie:eu-1}");
        for bad in ["", "a}b", "a:b", "a b"] {
            assert!(tag(bad).is_err(), "{bad:?} was let in");
        }
    }
}
