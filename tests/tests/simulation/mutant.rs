//! Stores that are wrong on purpose, each in one way. A simulation that does not notice them proves
//! nothing about the one that is right.

mod operations;

use model::task::{Chunk, Grant, TaskKind, Token};
use model::{ChunkId, JobId, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{Counts, Disposition, Result, Store, Want};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Claims and commits with a stale token are taken for those of the holder.
    DropsTheFence,
    /// A holder whose lease ended can renew that of the next.
    RenewsForOthers,
    /// A failure with a stale token ends the lease of the next holder.
    FailsOthers,
    /// What waited for a task is queued twice when it is done.
    ReleasesTwice,
    /// One of the tasks that a task waits for is forgotten.
    ReleasesEarly,
    /// The second half of a split goes to nobody.
    ForgetsTheHalf,
    /// The thief of a half is told to make what the victim has claimed.
    StealsClaimed,
    /// A commit that was repeated counts again.
    CommitsTwice,
    /// A commit is accepted from one who has claimed nothing.
    CommitsUnclaimed,
    /// Now and then a commit is answered and not kept.
    LosesCommits,
    /// A unit that is committed is claimed anew.
    ClaimsDone,
    /// The count of a job's units goes up with every repeated commit.
    Miscounts,
    /// Leases that end are told of to nobody.
    ForgetsExpired,
    /// Leases do not end.
    NeverExpires,
    /// A lease ends that was renewed after it was found to be over.
    EndsTheRenewed,
    /// Leases end long before their time.
    ExpiresEarly,
    /// Good bytes of a holder that was late are thrown away.
    DropsLateCommits,
    /// The tokens of a chunk do not rise.
    RepeatsTokens,
    /// What the policy gave up is queued again.
    IgnoresTheBound,
    /// Failed attempts are not counted.
    ForgetsAttempts,
    /// What failed once is given up.
    BuriesAtOnce,
    /// What failed is offered again at once.
    IgnoresDelays,
    /// Chunks of paused jobs are granted.
    GrantsPaused,
    /// Nodes that drain are granted chunks.
    GrantsToDraining,
    /// Tenants hold as much as they like.
    IgnoresLimits,
    /// Every tenant has the same weight.
    IgnoresWeights,
    /// A step is taken from whatever phase the job is in.
    AdvancesFromAnywhere,
    /// What changes while a job is decided about is forgotten.
    SettlesChanges,
}

/// One of so many commits is lost.
const LOST_EACH: u32 = 20;

/// How much longer or shorter a lease is than it was said.
const LEASE_FACTOR: u32 = 5;

#[derive(Default)]
struct State {
    /// Chunks that were handed to nobody.
    hidden: BTreeSet<ChunkId>,
    /// A grant that is handed out once more.
    ghost: Option<(NodeId, Grant)>,
    /// Commits that were repeated, by job.
    repeated: BTreeMap<JobId, u32>,
    commits: u32,
    /// The token that a chunk was granted with first, and the one that it has now.
    tokens: BTreeMap<ChunkId, (Token, Token)>,
    paused: BTreeSet<JobId>,
    draining: BTreeSet<NodeId>,
}

/// A store with a mutant in it.
pub(crate) struct MutantStore {
    inner: Arc<dyn Store>,
    mutant: Mutant,
    state: Mutex<State>,
}

impl MutantStore {
    pub(crate) fn new(inner: Arc<dyn Store>, mutant: Mutant) -> Self {
        Self {
            inner,
            mutant,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn chunk(&self, id: &ChunkId) -> Result<Option<Chunk>> {
        let tasks = self.inner.tasks(&id.task.job).await?;
        let mut chunks = tasks.into_iter().flat_map(|task| task.chunks);
        Ok(chunks.find(|known| known.id == *id))
    }

    /// What becomes of a failed chunk.
    fn twisted(&self, disposition: Disposition) -> Disposition {
        match (self.mutant, disposition) {
            (Mutant::IgnoresTheBound, Disposition::Dead) => Disposition::Retry {
                delay: Duration::ZERO,
                counts: Counts::Attempt,
                elsewhere: false,
            },
            (Mutant::BuriesAtOnce, Disposition::Retry { .. }) => Disposition::Dead,
            (
                Mutant::IgnoresDelays,
                Disposition::Retry {
                    counts, elsewhere, ..
                },
            ) => Disposition::Retry {
                delay: Duration::ZERO,
                counts,
                elsewhere,
            },
            (
                Mutant::ForgetsAttempts,
                Disposition::Retry {
                    delay, elsewhere, ..
                },
            ) => Disposition::Retry {
                delay,
                counts: Counts::Nothing,
                elsewhere,
            },
            (_, disposition) => disposition,
        }
    }

    /// The token of the chunk's holder for one of these mutants, else the token itself.
    async fn obeyed(&self, mutant: Mutant, chunk: &ChunkId, token: Token) -> Result<Token> {
        if self.mutant == Mutant::RepeatsTokens {
            let state = self.state();
            let known = state.tokens.get(chunk).filter(|(first, _)| *first == token);
            return Ok(known.map_or(token, |(_, now)| *now));
        }
        if self.mutant != mutant {
            return Ok(token);
        }
        let lease = self.chunk(chunk).await?.and_then(|known| known.lease);
        Ok(lease.map_or(token, |lease| lease.token))
    }

    /// Whether the chunk came from a split just now.
    async fn is_half(&self, chunk: &ChunkId) -> Result<bool> {
        let known = self.chunk(chunk).await?;
        Ok(known.is_some_and(|known| known.stolen_from.is_some()))
    }

    /// The grant that is handed out once more, to another node than the first time.
    fn ghost(&self, want: &Want) -> Option<Grant> {
        let mut state = self.state();
        let (_, mut grant) = state.ghost.take_if(|(node, _)| *node != want.node)?;
        grant.token.counter += 1;
        Some(grant)
    }

    /// What was granted, as this mutant passes it on.
    async fn passed_on(&self, want: &Want, mut grant: Grant) -> Result<Option<Grant>> {
        let waits = matches!(
            grant.kind,
            TaskKind::Qc | TaskKind::Package | TaskKind::Verify
        );
        match self.mutant {
            Mutant::ReleasesTwice if waits => {
                self.state().ghost = Some((want.node.clone(), grant.clone()));
            }
            Mutant::ForgetsTheHalf if self.is_half(&grant.chunk).await? => {
                self.state().hidden.insert(grant.chunk);
                return Ok(None);
            }
            Mutant::RepeatsTokens => {
                let mut state = self.state();
                let known = state.tokens.entry(grant.chunk.clone());
                let (first, now) = known.or_insert((grant.token, grant.token));
                *now = grant.token;
                grant.token = *first;
            }
            _ => {}
        }
        Ok(Some(grant))
    }

    /// A unit that this mutant lets a holder claim and that is not its to make.
    async fn misclaimed(&self, id: &ChunkId) -> Result<Option<u32>> {
        let Some(chunk) = self.chunk(id).await? else {
            return Ok(None);
        };
        match (self.mutant, &chunk.stolen_from) {
            (Mutant::StealsClaimed, Some(victim)) => {
                let victim = self.chunk(victim).await?;
                Ok(victim.and_then(|victim| victim.claimed.first().copied()))
            }
            (Mutant::ClaimsDone, _) => {
                let tasks = self.inner.tasks(&id.task.job).await?;
                let task = tasks.iter().find(|task| task.id == id.task);
                Ok(task.and_then(|task| Some(task.committed.first()?.0)))
            }
            _ => Ok(None),
        }
    }

    fn ttl(&self, ttl: Duration) -> Duration {
        match self.mutant {
            Mutant::NeverExpires => ttl * LEASE_FACTOR,
            Mutant::ExpiresEarly => ttl / LEASE_FACTOR,
            _ => ttl,
        }
    }

    /// Whether a commit is answered and forgotten.
    fn loses_commit(&self) -> bool {
        let mut state = self.state();
        state.commits += 1;
        self.mutant == Mutant::LosesCommits && state.commits.is_multiple_of(LOST_EACH)
    }
}
