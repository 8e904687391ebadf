//! The operations: each hands its arguments to its script and reads the answer.

use super::RedisStore;
use super::lease_end::Ends;
use super::wire::{self, Fields, TaskAnswer};
use crate::clock::milliseconds;
use crate::error::Result;
use crate::outbox::{NOTICES_MAX, RECEIVER_NOTICES_MAX, TENANT_NOTICES_MAX};
use crate::rules::{
    self, CLAIMS_MAX, COST_CLASSES_MAX, DRAIN_KEPT_MS, ELSEWHERE_MS, EPOCH_VERSIONS, HUNGRY_MS,
    LEAD_SECONDS, LOOK_MAX, LOSSES_KEPT_MS, MOVE_MICROS_MAX, NODE_SILENCE_MS, OLDEST_TURN,
    PACE_STEPS, PACE_USUAL, PACES, SUMMONS_MS,
};
use crate::{
    AT_HAND_MAX, Advance, Attention, DeadChunk, Delivery, Disposition, Expired, Losses, Notice,
    Posted, QueueDepth, Renewed, Share, Steal, Store, Submitted, WEIGHT_MAX, Want,
};
use async_trait::async_trait;
use model::job::{JobFilter, JobPage, JobRecord, NewJob, Phase, Urgency};
use model::node::{NodeInfo, NodeRecord, builds_digest};
use model::task::{Claim, Committed, Grant, NewTask, TaskRecord, Token, UnitRecord};
use model::work::WorkPage;
use model::{ChunkId, Failure, JobId, NodeId, TenantId};
use std::time::Duration;

/// Longest duration that is handed to a script, a hundred years: sums with it stay exact.
const DURATION_MS_MAX: u64 = 100 * 365 * 24 * 3_600_000;

macro_rules! run {
    ($store:ident, $script:ident $(, $argument:expr)* $(,)?) => {
        $store.connection.run(&$store.scripts.$script, &[$($argument.to_string()),*]).await
    };
}

#[async_trait]
impl Store for RedisStore {
    async fn raise_epoch(&self, epoch: u32) -> Result<()> {
        self.connection.raise(&self.scripts.open, epoch).await
    }

    async fn submit(&self, job: &NewJob, tasks: &[NewTask]) -> Result<Submitted> {
        rules::check_tasks(&job.id, tasks)?;
        let new: u32 = run!(
            self,
            submit,
            job.id,
            wire::json(job),
            job.tenant,
            job.title,
            job.urgency.priority,
            job.traceparent,
            wire::tasks_json(tasks),
            self.epoch,
            EPOCH_VERSIONS,
            text_or_empty(job.urgency.deadline_ms),
            rules::urgency_rank(job.urgency),
            text_or_empty(job.held_max),
        )?;
        Ok(submitted(new))
    }

    async fn restore(&self, job: &JobRecord) -> Result<Submitted> {
        rules::check_ended(job)?;
        let failure = job.failure.as_ref().map(wire::json);
        let new: u32 = run!(
            self,
            restore,
            job.id,
            wire::json(&wire::new_job(job)),
            job.tenant,
            job.title,
            job.urgency.priority,
            job.traceparent,
            job.phase,
            job.failed_in.map_or("", Phase::as_str),
            job.version,
            failure.unwrap_or_default(),
            job.title_version,
            job.accepted_at_ms,
            job.changed_at_ms,
            job.units,
            job.units_done,
            text_or_empty(job.urgency.deadline_ms),
            rules::urgency_rank(job.urgency),
            text_or_empty(job.held_max),
        )?;
        Ok(submitted(new))
    }

    async fn job(&self, job: &JobId) -> Result<JobRecord> {
        let fields: Fields = run!(self, job, job)?;
        Ok(wire::job(&fields)?.1)
    }

    async fn jobs(&self, filter: &JobFilter, page: &str, limit: u32) -> Result<JobPage> {
        self.job_page(filter, page, limit).await
    }

    async fn tasks(&self, job: &JobId) -> Result<Vec<TaskRecord>> {
        let tasks: Vec<TaskAnswer> = run!(self, tasks, job)?;
        tasks.into_iter().map(wire::task).collect()
    }

    async fn advance(&self, job: &JobId, advance: &Advance) -> Result<bool> {
        rules::check_step(job, advance)?;
        let failure = advance.failure.as_ref().map(wire::json);
        let version = advance.title_version.map(|version| version.to_string());
        run!(
            self,
            advance,
            job,
            advance.from,
            advance.to,
            failure.unwrap_or_default(),
            version.unwrap_or_default(),
            wire::tasks_json(&advance.add),
            LOSSES_KEPT_MS,
        )
    }

    async fn revive(&self, job: &JobId) -> Result<()> {
        run!(self, revive, job)
    }

    async fn forget(&self, job: &JobId) -> Result<()> {
        run!(self, forget, job)
    }

    async fn attend(&self, hold: Duration) -> Result<Option<Attention>> {
        let due: Option<(String, u64)> = run!(self, attend, bounded_ms(hold), LOOK_MAX)?;
        due.map(|(job, version)| {
            Ok(Attention {
                job: wire::parse("attention", &job)?,
                version,
            })
        })
        .transpose()
    }

    async fn settle(&self, attention: &Attention) -> Result<()> {
        run!(self, settle, attention.job, attention.version)
    }

    async fn nudge(&self, job: &JobId, delay: Duration) -> Result<()> {
        run!(self, nudge, job, bounded_ms(delay))
    }

    async fn set_share(&self, tenant: &TenantId, share: &Share) -> Result<()> {
        let most = text_or_empty(share.held_max);
        run!(
            self,
            set_share,
            tenant,
            share.weight.clamp(1, WEIGHT_MAX),
            most
        )
    }

    async fn set_urgency(&self, job: &JobId, urgency: Urgency) -> Result<()> {
        let deadline = text_or_empty(urgency.deadline_ms);
        let rank = rules::urgency_rank(urgency);
        run!(self, set_urgency, job, urgency.priority, deadline, rank)
    }

    async fn set_paused(&self, job: &JobId, paused: bool) -> Result<()> {
        run!(self, set_paused, job, u8::from(paused))
    }

    async fn take(&self, want: &Want) -> Result<Option<Grant>> {
        let at_hand = want.at_hand.iter().take(AT_HAND_MAX);
        let at_hand: Vec<&str> = at_hand.map(JobId::as_str).collect();
        let granted: Option<Granted> = run!(
            self,
            take,
            want.node,
            want.builds,
            bounded_ms(want.ttl),
            u8::from(want.steal == Steal::WhenIdle),
            self.epoch,
            LOOK_MAX,
            ELSEWHERE_MS,
            want.room_bytes,
            OLDEST_TURN,
            PACE_USUAL,
            at_hand.join(" "),
        )?;
        granted.map(grant).transpose()
    }

    async fn claim(&self, chunk: &ChunkId, token: Token) -> Result<Claim> {
        let answer: String = run!(
            self,
            claim,
            chunk,
            wire::token_text(token),
            CLAIMS_MAX,
            LOOK_MAX,
            ELSEWHERE_MS,
            LEAD_SECONDS,
            SUMMONS_MS,
            HUNGRY_MS,
        )?;
        match answer.as_str() {
            "lost" => Ok(Claim::Lost),
            "drained" => Ok(Claim::Drained),
            "yield" => Ok(Claim::Yield),
            "later" => Ok(Claim::Later),
            unit => Ok(Claim::Unit(wire::parse("claim", unit)?)),
        }
    }

    async fn commit(
        &self,
        chunk: &ChunkId,
        token: Token,
        unit: u32,
        record: &UnitRecord,
    ) -> Result<Committed> {
        let answer: String = run!(
            self,
            commit,
            chunk,
            wire::token_text(token),
            unit,
            record.digest,
            record.config_digest,
            wire::unit_text(record),
            rules::elapsed_ms(record),
            COST_CLASSES_MAX,
            PACES.start(),
            PACES.end(),
            PACE_STEPS,
            MOVE_MICROS_MAX,
        )?;
        match answer.as_str() {
            "accepted" => Ok(Committed::Accepted),
            "adopted" => Ok(Committed::Adopted),
            "already" => Ok(Committed::Already),
            "conflict" => Ok(Committed::Conflict),
            "gone" => Ok(Committed::Gone),
            other => Err(wire::corrupt("commit", format!("{other:?} is no answer"))),
        }
    }

    async fn renew(
        &self,
        node: &NodeId,
        ttl: Duration,
        leases: &[(ChunkId, Token)],
    ) -> Result<Vec<Renewed>> {
        let mut arguments = vec![node.to_string(), bounded_ms(ttl).to_string()];
        for (chunk, token) in leases {
            arguments.extend([chunk.to_string(), wire::token_text(*token)]);
        }
        let held: Vec<bool> = self.connection.run(&self.scripts.renew, &arguments).await?;
        let renewed = held
            .into_iter()
            .map(|held| if held { Renewed::Held } else { Renewed::Lost });
        Ok(renewed.collect())
    }

    async fn losses(&self, since_ms: u64) -> Result<Losses> {
        let (until_ms, nodes): (u64, Vec<String>) = run!(self, losses, since_ms, LOSSES_KEPT_MS)?;
        let nodes = nodes.iter().map(|node| wire::parse("losses", node));
        Ok(Losses {
            nodes: nodes.collect::<Result<_>>()?,
            until_ms,
        })
    }

    async fn release(&self, chunk: &ChunkId, token: Token) -> Result<()> {
        run!(self, release, chunk, wire::token_text(token))
    }

    async fn fail(
        &self,
        chunk: &ChunkId,
        token: Token,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        self.end(chunk, token, failure, disposition, Ends::AtOnce)
            .await
    }

    async fn expired(&self, limit: u32, grace: Duration) -> Result<Vec<Expired>> {
        self.ended(limit, grace).await
    }

    async fn expire(
        &self,
        lease: &Expired,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        let ends = Ends::AsTold {
            silent_attempts: lease.silent_attempts,
            worked_at_ms: lease.worked_at_ms,
        };
        self.end(&lease.chunk, lease.token, failure, disposition, ends)
            .await
    }

    async fn register(&self, node: &NodeInfo) -> Result<()> {
        run!(
            self,
            register,
            node.id,
            wire::json(node),
            builds_digest(&node.builds),
            NODE_SILENCE_MS,
            LOOK_MAX,
            DRAIN_KEPT_MS,
            u8::from(!node.takes_work()),
            node.memory_bytes,
            PACE_USUAL,
        )
    }

    async fn nodes(&self, within: Duration) -> Result<Vec<NodeRecord>> {
        let seen: Vec<(String, u64, bool, Vec<String>)> = run!(self, nodes, bounded_ms(within))?;
        let records = seen.into_iter().map(|(info, seen_at_ms, draining, holds)| {
            let holds = holds.iter().map(|chunk| wire::parse("holds", chunk));
            let mut holds = holds.collect::<Result<Vec<ChunkId>>>()?;
            holds.sort_unstable();
            Ok(NodeRecord {
                info: wire::from_json("node", &info)?,
                seen_at_ms,
                draining,
                holds,
            })
        });
        let mut records = records.collect::<Result<Vec<_>>>()?;
        records.sort_unstable_by(|one, other| one.info.id.cmp(&other.info.id));
        Ok(records)
    }

    async fn drain(&self, node: &NodeId) -> Result<()> {
        run!(self, drain, node)
    }

    async fn dead(&self) -> Result<Vec<DeadChunk>> {
        let dead: Vec<(String, u64, Vec<u32>, String)> = run!(self, dead)?;
        let chunks = dead
            .into_iter()
            .map(|(chunk, dead_at_ms, units, failures)| {
                Ok(DeadChunk {
                    chunk: wire::parse("dead", &chunk)?,
                    units,
                    failures: wire::attempts(&failures)?,
                    dead_at_ms,
                })
            });
        chunks.collect()
    }

    async fn drop_dead(&self, chunk: &ChunkId) -> Result<()> {
        run!(self, drop_dead, chunk)
    }

    async fn post(&self, notice: &Notice) -> Result<Posted> {
        let answer: String = run!(
            self,
            post,
            notice.job,
            notice.version,
            notice.receiver,
            wire::json(notice),
            if notice.ends { "end " } else { "" },
            RECEIVER_NOTICES_MAX,
            TENANT_NOTICES_MAX,
            NOTICES_MAX,
        )?;
        match answer.as_str() {
            "new" => Ok(Posted::New),
            "known" => Ok(Posted::Known),
            "full" => Ok(Posted::Full),
            other => Err(wire::corrupt("post", format!("{other:?} is no answer"))),
        }
    }

    async fn deliver(&self, hold: Duration) -> Result<Option<Delivery>> {
        let due: Option<(u64, String, u32)> = run!(self, deliver, bounded_ms(hold))?;
        due.map(|(posted_at_ms, notice, failures)| {
            Ok(Delivery {
                notice: wire::from_json("notices", &notice)?,
                posted_at_ms,
                failures,
            })
        })
        .transpose()
    }

    async fn delivered(&self, delivery: &Delivery) -> Result<()> {
        let receiver = &delivery.notice.receiver;
        run!(self, delivered, receiver, wire::head(delivery))
    }

    async fn put_off(&self, delivery: &Delivery, delay: Duration) -> Result<()> {
        let receiver = &delivery.notice.receiver;
        run!(
            self,
            put_off,
            receiver,
            wire::head(delivery),
            bounded_ms(delay)
        )
    }

    async fn depth(&self) -> Result<QueueDepth> {
        let counts: [u64; 7] = run!(self, depth)?;
        let [
            jobs,
            chunks_queued,
            chunks_paused,
            chunks_held,
            units_left,
            micros,
            dead,
        ] = counts;
        Ok(QueueDepth {
            jobs,
            chunks_queued,
            chunks_paused,
            chunks_held,
            units_left,
            seconds_left: micros as f64 / 1e6,
            dead,
        })
    }

    async fn work_left(&self, page: &str, limit: u32) -> Result<WorkPage> {
        self.open_work(page, limit).await
    }

    async fn now_ms(&self) -> Result<u64> {
        run!(self, now)
    }
}

/// A value as text; empty when there is none.
fn text_or_empty<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn submitted(new: u32) -> Submitted {
    match new {
        1 => Submitted::New,
        _ => Submitted::Exists,
    }
}

/// Chunk, kind, next, end, epoch, counter, attempts, traceparent.
type Granted = (String, String, u32, u32, u32, u64, u32, String);

fn grant(granted: Granted) -> Result<Grant> {
    let (chunk, kind, next, end, epoch, counter, attempts, traceparent) = granted;
    Ok(Grant {
        chunk: wire::parse("grant", &chunk)?,
        kind: wire::from_json("kind", &kind)?,
        units: next..end,
        token: Token { epoch, counter },
        attempts,
        traceparent,
    })
}

pub(super) fn bounded_ms(duration: Duration) -> u64 {
    milliseconds(duration).min(DURATION_MS_MAX)
}
