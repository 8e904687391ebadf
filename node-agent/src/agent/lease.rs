//! A lease that this agent holds, and the table of all of them, which the heartbeat renews.

use super::link::Link;
use crate::error::Result;
use model::task::{Claim, Committed, Grant, Token, UnitRecord};
use model::{ChunkId, Failure};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Leases by chunk, with the token that is cancelled when one is lost.
#[derive(Clone, Default)]
pub(crate) struct Leases {
    held: Arc<Mutex<HashMap<ChunkId, (Token, CancellationToken)>>>,
}

impl Leases {
    /// Notes a granted lease; it is renewed until the returned value is dropped.
    pub(crate) fn hold(&self, grant: &Grant, link: &Link) -> Lease {
        let lost = CancellationToken::new();
        self.held
            .lock()
            .insert(grant.chunk.clone(), (grant.token, lost.clone()));
        Lease {
            chunk: grant.chunk.clone(),
            token: grant.token,
            lost,
            unsure: AtomicBool::new(false),
            link: link.clone(),
            leases: self.clone(),
        }
    }

    /// All leases that are not known to be lost.
    pub(crate) fn all(&self) -> Vec<(ChunkId, Token)> {
        self.held
            .lock()
            .iter()
            .filter(|(_, (_, lost))| !lost.is_cancelled())
            .map(|(chunk, (token, _))| (chunk.clone(), *token))
            .collect()
    }

    /// Notes that a lease is lost.
    pub(crate) fn lose(&self, chunk: &ChunkId, token: Token) {
        let held = self.held.lock();
        if let Some((_, lost)) = held.get(chunk).filter(|(held, _)| *held == token) {
            lost.cancel();
        }
    }
}

/// The right to one chunk.
pub(crate) struct Lease {
    chunk: ChunkId,
    token: Token,
    lost: CancellationToken,
    unsure: AtomicBool,
    link: Link,
    leases: Leases,
}

impl Lease {
    /// The chunk.
    pub(crate) fn chunk(&self) -> &ChunkId {
        &self.chunk
    }

    /// Cancelled when the lease is lost.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Claims the next unit.
    pub(crate) async fn claim(&self) -> Result<Claim> {
        let (claim, unsure) = self.link.claim(&self.chunk, self.token).await?;
        if unsure {
            self.unsure.store(true, Ordering::Release);
        }
        if claim == Claim::Lost {
            self.lost.cancel();
        }
        Ok(claim)
    }

    /// Says that a unit is done, also when the lease is lost: good bytes are adopted.
    pub(crate) async fn commit(&self, unit: u32, record: &UnitRecord) -> Result<Committed> {
        self.link
            .commit(&self.chunk, self.token, unit, record)
            .await
    }

    /// Hands the chunk back.
    pub(crate) async fn release(&self) -> Result<()> {
        self.link.release(&self.chunk, self.token).await
    }

    /// Ends the attempt with a failure.
    pub(crate) async fn fail(&self, failure: &Failure) -> Result<()> {
        self.link.fail(&self.chunk, self.token, failure).await
    }

    /// Whether a unit may be claimed that nobody works on, because the answer to a claim was lost.
    /// Handing the chunk back at the end frees it at once instead of when the lease ends.
    pub(crate) fn is_unsure(&self) -> bool {
        self.unsure.load(Ordering::Acquire)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut held = self.leases.held.lock();
        if held
            .get(&self.chunk)
            .is_some_and(|(token, _)| *token == self.token)
        {
            held.remove(&self.chunk);
        }
    }
}
