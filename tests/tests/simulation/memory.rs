//! What a witness remembers of a store's answers, and what each new answer must not contradict.

use super::random::Fnv;
use model::job::Phase;
use model::task::{Claim, Committed, Grant, NewTask, Token};
use model::{ChunkId, FailureKind, JobId, NodeId, TaskId, TenantId};
use scheduler::policy::retry::{ATTEMPTS_MAX, ROOM_ATTEMPTS_MAX, SILENT_ATTEMPTS_MAX, Tried};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{Debug, Write};
use std::hash::Hasher;
use store::{Counts as CountsAs, Disposition, Share, Want};

/// A lease as it was handed out.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    pub(super) token: Token,
    pub(super) until_ms: u64,
    pub(super) claimed: BTreeSet<u32>,
}

/// What is known from answers alone.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) now_ms: u64,
    pub(super) highest: Option<Token>,
    /// The last lease of each chunk; it may have ended by time.
    pub(super) holders: BTreeMap<ChunkId, Holder>,
    /// Chunks whose holders claimed a unit that is not committed.
    claims: BTreeMap<TaskId, BTreeMap<u32, BTreeSet<ChunkId>>>,
    pub(super) done: BTreeMap<TaskId, BTreeMap<u32, String>>,
    pub(super) tasks: BTreeMap<TaskId, NewTask>,
    pub(super) phases: BTreeMap<JobId, Phase>,
    /// Chunks that the policy gave up.
    pub(super) buried: BTreeSet<ChunkId>,
    pub(super) draining: BTreeSet<NodeId>,
    pub(super) tenants: BTreeMap<JobId, TenantId>,
    pub(super) shares: BTreeMap<TenantId, Share>,
    /// Expected seconds of the units that were claimed.
    pub(super) served: BTreeMap<TenantId, f64>,
    /// What each chunk has met since its holder last committed a unit.
    pub(super) tried: BTreeMap<ChunkId, Tried>,
    /// Before when a chunk that failed is not to be tried again.
    not_before_ms: BTreeMap<ChunkId, u64>,
    /// Chunks that came from a split.
    pub(super) halves: BTreeSet<ChunkId>,
    pub(super) violations: Vec<String>,
    pub(super) counts: Counts,
    pub(super) log: Fnv,
    pub(super) tail: VecDeque<String>,
}

/// How often things happened, to see that a run met what it was made for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    /// Calls of the store, those included that changed nothing.
    pub(crate) calls: u64,
    pub(crate) grants: u64,
    pub(crate) steals: u64,
    pub(crate) yields: u64,
    pub(crate) accepted: u64,
    pub(crate) adopted: u64,
    pub(crate) already: u64,
    pub(crate) lost: u64,
    pub(crate) expired: u64,
    pub(crate) failed: u64,
    pub(crate) buried: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.calls += other.calls;
        self.grants += other.grants;
        self.steals += other.steals;
        self.yields += other.yields;
        self.accepted += other.accepted;
        self.adopted += other.adopted;
        self.already += other.already;
        self.lost += other.lost;
        self.expired += other.expired;
        self.failed += other.failed;
        self.buried += other.buried;
    }
}

impl Memory {
    pub(super) fn hold(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            let line = format!("{} ms: {}", self.now_ms, what());
            self.violations.push(line);
        }
    }

    /// Whether the token is that of the chunk's last lease.
    pub(super) fn is_current(&self, chunk: &ChunkId, token: Token) -> bool {
        self.holders
            .get(chunk)
            .is_some_and(|held| held.token == token)
    }

    pub(super) fn is_alive(&self, chunk: &ChunkId, token: Token) -> bool {
        let held = self.holders.get(chunk);
        held.is_some_and(|held| held.token == token && held.until_ms > self.now_ms)
    }

    fn has_ended(&self, job: &JobId) -> bool {
        self.phases.get(job).is_some_and(|phase| phase.is_final())
    }

    pub(super) fn is_done(&self, task: &TaskId) -> bool {
        let units = self.tasks.get(task).map(|task| task.units as usize);
        units.is_some_and(|units| self.done.get(task).is_some_and(|done| done.len() == units))
    }

    pub(super) fn tried(&self, chunk: &ChunkId) -> Tried {
        self.tried.get(chunk).copied().unwrap_or_default()
    }

    /// Notes a failure that ended a lease. What may pass is given up after as many attempts as the policy
    /// says and not before.
    pub(super) fn failed(&mut self, chunk: &ChunkId, kind: FailureKind, disposition: Disposition) {
        let tried = self.tried(chunk);
        let early = match kind {
            FailureKind::Exhausted => tried.room + 1 < ROOM_ATTEMPTS_MAX,
            FailureKind::Bug | FailureKind::BadInput => false,
            _ => tried.attempts + 1 < ATTEMPTS_MAX,
        };
        self.hold(disposition != Disposition::Dead || !early, || {
            format!("{chunk} is given up for {kind} after {tried:?}")
        });
        self.ended(chunk, disposition);
    }

    /// Notes that a lease ended without a word.
    pub(super) fn fell_silent(&mut self, chunk: &ChunkId, disposition: Disposition) {
        let tried = self.tried(chunk);
        let early = tried.silent + 1 < SILENT_ATTEMPTS_MAX;
        self.hold(disposition != Disposition::Dead || !early, || {
            format!("{chunk} is given up silently after {tried:?}")
        });
        self.ended(chunk, disposition);
    }

    fn ended(&mut self, chunk: &ChunkId, disposition: Disposition) {
        self.counts.failed += 1;
        self.holders.remove(chunk);
        let mut tried = self.tried(chunk);
        match disposition {
            Disposition::Dead => {
                tried.attempts += 1;
                self.counts.buried += 1;
                self.buried.insert(chunk.clone());
            }
            Disposition::Retry { counts, delay, .. } => {
                let at_ms = self.now_ms + delay.as_millis() as u64;
                self.not_before_ms.insert(chunk.clone(), at_ms);
                tried.attempts += u32::from(counts == CountsAs::Attempt);
                tried.room += u32::from(counts == CountsAs::Room);
                tried.silent += u32::from(counts == CountsAs::Silent);
            }
        }
        self.tried.insert(chunk.clone(), tried);
    }

    /// Notes that a person led a job back.
    pub(super) fn dig_up(&mut self, job: &JobId) {
        for chunk in &self.buried {
            if chunk.task.job == *job {
                self.tried.remove(chunk);
                self.not_before_ms.remove(chunk);
            }
        }
        self.buried.retain(|chunk| chunk.task.job != *job);
    }

    pub(super) fn log(&mut self, event: &dyn Debug) {
        // Most of a large run's time would go into the growth of these lines.
        let mut line = String::with_capacity(160);
        write!(line, "{} {event:?}", self.now_ms).expect("a string takes everything");
        self.log.write(line.as_bytes());
        self.counts.events += 1;
        self.tail.push_back(line);
        if self.tail.len() > 25 {
            self.tail.pop_front();
        }
    }
}

impl Memory {
    pub(super) fn granted(&mut self, want: &Want, grant: &Grant) {
        let chunk = &grant.chunk;
        self.counts.grants += 1;
        let rising = self.highest.is_none_or(|highest| grant.token > highest);
        self.hold(rising, || format!("the token of {chunk} did not rise"));
        self.highest = self.highest.max(Some(grant.token));
        let now_ms = self.now_ms;
        let held = self
            .holders
            .get(chunk)
            .is_some_and(|held| held.until_ms > now_ms);
        self.hold(!held, || format!("{chunk} is held by two"));
        let ended = self.has_ended(&chunk.task.job);
        self.hold(!ended, || format!("{chunk} of a job that ended is granted"));
        let tried = self.tried(chunk);
        self.hold(grant.attempts == tried.attempts + tried.silent, || {
            format!(
                "{chunk} is granted after {}, it met {tried:?}",
                grant.attempts
            )
        });
        let due_ms = self.not_before_ms.remove(chunk).unwrap_or(0);
        self.hold(due_ms <= now_ms, || {
            format!("{chunk} is granted before {due_ms} ms")
        });
        let drains = self.draining.contains(&want.node);
        self.hold(!drains, || format!("{} drains and got {chunk}", want.node));
        let task = self.tasks.get(&chunk.task);
        let early = task.is_none_or(|task| !task.after.iter().all(|after| self.is_done(after)));
        self.hold(!early, || {
            format!("{chunk} is granted before what it waits for")
        });
        self.holders.insert(
            chunk.clone(),
            Holder {
                token: grant.token,
                until_ms: self.now_ms + want.ttl.as_millis() as u64,
                claimed: BTreeSet::new(),
            },
        );
    }

    pub(super) fn claimed(&mut self, chunk: &ChunkId, token: Token, claim: Claim) {
        let current = self.is_current(chunk, token);
        let Claim::Unit(unit) = claim else {
            let lost = claim == Claim::Lost;
            self.counts.lost += u64::from(lost);
            self.counts.yields += u64::from(claim == Claim::Yield);
            // A chunk is gone with its last unit, which its holder may not know yet.
            let finished = self.is_done(&chunk.task) || self.has_ended(&chunk.task.job);
            let whole = self
                .holders
                .get(chunk)
                .is_some_and(|held| held.claimed.is_empty());
            let alive = self.is_alive(chunk, token);
            self.hold(!(lost && alive) || finished || whole, || {
                format!("a live lease of {chunk} is said to be lost")
            });
            return;
        };
        let job = &chunk.task.job;
        if let (Some(tenant), Some(task)) = (self.tenants.get(job), self.tasks.get(&chunk.task)) {
            *self.served.entry(tenant.clone()).or_default() += task.unit_seconds;
        }
        self.hold(current, || {
            format!("a stale token claimed unit {unit} of {chunk}")
        });
        let done = self
            .done
            .get(&chunk.task)
            .is_some_and(|done| done.contains_key(&unit));
        self.hold(!done, || {
            format!("unit {unit} of {chunk} was claimed after its commit")
        });
        let claims = self.claims.entry(chunk.task.clone()).or_default();
        let claims = claims.entry(unit).or_default();
        let (now_ms, holders) = (self.now_ms, &self.holders);
        let elsewhere = claims.iter().any(|other| {
            let held = holders.get(other).filter(|held| held.until_ms > now_ms);
            other != chunk && held.is_some_and(|held| held.claimed.contains(&unit))
        });
        claims.insert(chunk.clone());
        self.hold(!elsewhere, || {
            format!("unit {unit} of {chunk} is claimed by two")
        });
        if let Some(held) = self.holders.get_mut(chunk).filter(|_| current) {
            held.claimed.insert(unit);
            let many = held.claimed.len() > 2;
            self.hold(!many, || {
                format!("more than two units of {chunk} are claimed")
            });
        }
    }

    pub(super) fn committed(
        &mut self,
        chunk: &ChunkId,
        token: Token,
        (unit, digest): (u32, &str),
        committed: Committed,
    ) {
        let known = self
            .done
            .get(&chunk.task)
            .and_then(|done| done.get(&unit))
            .cloned();
        let ended = self.has_ended(&chunk.task.job);
        let current = self.is_current(chunk, token);
        let claims = self
            .holders
            .get(chunk)
            .is_some_and(|held| held.claimed.contains(&unit));
        match committed {
            Committed::Accepted | Committed::Adopted => {
                let accepted = committed == Committed::Accepted;
                self.counts.accepted += u64::from(accepted);
                self.counts.adopted += u64::from(!accepted);
                self.hold(known.is_none(), || {
                    format!("unit {unit} of {chunk} was counted twice")
                });
                self.hold(!ended, || {
                    format!("a commit to {chunk} changed a job that ended")
                });
                self.hold(!accepted || (current && claims), || {
                    format!("a stale commit of unit {unit} of {chunk} was accepted")
                });
                if accepted {
                    self.tried.remove(chunk);
                }
                let done = self.done.entry(chunk.task.clone()).or_default();
                done.insert(unit, digest.to_owned());
                let claims = self.claims.get_mut(&chunk.task);
                for claimer in claims
                    .and_then(|claims| claims.remove(&unit))
                    .into_iter()
                    .flatten()
                {
                    if let Some(held) = self.holders.get_mut(&claimer) {
                        held.claimed.remove(&unit);
                    }
                }
            }
            Committed::Already => {
                self.counts.already += 1;
                let equal = known.as_deref() == Some(digest);
                self.hold(equal, || {
                    format!("unit {unit} of {chunk} was not committed before")
                });
            }
            Committed::Conflict => {
                self.hold(false, || {
                    format!("equal bytes of unit {unit} of {chunk} contradict")
                });
            }
            Committed::Gone => {
                self.hold(ended, || format!("unit {unit} of {chunk} was thrown away"));
            }
        }
    }
}
