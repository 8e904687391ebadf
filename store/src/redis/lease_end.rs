//! How leases end that nobody hands back: with a failure, or because their time is over.

use super::RedisStore;
use super::operations::bounded_ms;
use super::wire;
use crate::error::Result;
use crate::rules::FAILURES_MAX;
use crate::{Counts, Disposition, Expired};
use model::task::Token;
use model::{ChunkId, Failure};
use std::time::Duration;

/// When a failure ends a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// Whatever its time.
    AtOnce,
    /// When its time is over and its holder did nothing since it was told of.
    AsTold {
        silent_attempts: u32,
        worked_at_ms: u64,
    },
}

impl RedisStore {
    /// Ends a lease with a failure; answers whether it was ended.
    pub(super) async fn end(
        &self,
        chunk: &ChunkId,
        token: Token,
        failure: &Failure,
        disposition: Disposition,
        ends: Ends,
    ) -> Result<bool> {
        let (what, delay, counts, elsewhere) = match disposition {
            Disposition::Dead => ("dead", Duration::ZERO, Counts::Attempt, false),
            Disposition::Retry {
                delay,
                counts,
                elsewhere,
            } => ("retry", delay, counts, elsewhere),
        };
        let count = match counts {
            Counts::Nothing => "",
            Counts::Attempt => "attempts",
            Counts::Room => "room_attempts",
            Counts::Silent => "silent_attempts",
        };
        let told = match ends {
            Ends::AtOnce => String::new(),
            Ends::AsTold {
                silent_attempts,
                worked_at_ms,
            } => format!("{silent_attempts} {worked_at_ms}"),
        };
        let arguments = [
            chunk.to_string(),
            wire::token_text(token),
            wire::json(failure),
            what.to_owned(),
            bounded_ms(delay).to_string(),
            count.to_owned(),
            u8::from(elsewhere).to_string(),
            FAILURES_MAX.to_string(),
            told,
        ];
        self.connection.run(&self.scripts.fail, &arguments).await
    }

    /// The leases whose time is over, but for those that are spared.
    pub(super) async fn ended(&self, limit: u32, grace: Duration) -> Result<Vec<Expired>> {
        let arguments = [limit.to_string(), bounded_ms(grace).to_string()];
        let run = self.connection.run(&self.scripts.expired, &arguments);
        let ended: Vec<(String, String, String, u32, u64)> = run.await?;
        let expired =
            ended
                .into_iter()
                .map(|(chunk, token, node, silent_attempts, worked_at_ms)| {
                    Ok(Expired {
                        chunk: wire::parse("leases", &chunk)?,
                        token: wire::token(&token)?,
                        node: wire::parse("leases", &node)?,
                        silent_attempts,
                        worked_at_ms,
                    })
                });
        expired.collect()
    }
}
