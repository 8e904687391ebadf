//! Messages of what only a scheduler knows: the store's dead chunks, the capacity, a job in detail.

use crate::handle::{Capacity, JobDetail, Submission};
use proto::v1;
use serde::Serialize;
use store::{DeadAttempt, DeadChunk};

impl From<v1::SubmitJobRequest> for Submission {
    fn from(wire: v1::SubmitJobRequest) -> Self {
        Self {
            idempotency_key: wire.idempotency_key,
            tenant: wire.tenant,
            title: wire.title,
            source_url: wire.source_url,
            sidecars: wire.sidecars.into_iter().map(Into::into).collect(),
            profile: wire.profile,
            profile_toml: wire.profile_toml,
            priority: wire.has_priority.then_some(wire.priority),
            deadline_ms: wire.deadline_ms,
            held_max: wire.held_max,
            webhook_url: wire.webhook_url,
            traceparent: wire.traceparent,
        }
    }
}

impl From<&JobDetail> for v1::JobDetail {
    fn from(detail: &JobDetail) -> Self {
        Self {
            job: Some((&detail.job).into()),
            tasks: detail.tasks.iter().map(Into::into).collect(),
            waiting_for: detail.waiting_for.clone(),
            verdict_json: json(detail.verdict.as_ref()),
            published_json: json(detail.published.as_ref()),
            plan_summary_json: json(detail.plan.as_ref()),
        }
    }
}

/// A value as JSON; empty for what is not there.
fn json<T: Serialize>(value: Option<&T>) -> String {
    value
        .and_then(|value| serde_json::to_string(value).ok())
        .unwrap_or_default()
}

impl From<&Capacity> for v1::Capacity {
    fn from(capacity: &Capacity) -> Self {
        Self {
            jobs: capacity.depth.jobs,
            chunks_queued: capacity.depth.chunks_queued,
            chunks_paused: capacity.depth.chunks_paused,
            chunks_held: capacity.depth.chunks_held,
            units_left: capacity.depth.units_left,
            seconds_left: capacity.depth.seconds_left,
            dead: capacity.depth.dead,
            nodes: capacity.nodes,
            slots: capacity.slots,
            slots_busy: capacity.slots_busy,
            to_recover: capacity.to_recover,
        }
    }
}

pub(super) fn dead_chunk(chunk: &DeadChunk) -> v1::DeadChunk {
    v1::DeadChunk {
        id: chunk.chunk.to_string(),
        units: chunk.units.clone(),
        attempts: chunk.failures.iter().map(dead_attempt).collect(),
        dead_at_ms: chunk.dead_at_ms,
    }
}

fn dead_attempt(attempt: &DeadAttempt) -> v1::DeadAttempt {
    v1::DeadAttempt {
        node: attempt.node.to_string(),
        at_ms: attempt.at_ms,
        failure: Some((&attempt.failure).into()),
    }
}
