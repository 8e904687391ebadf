//! Tasks, grants and what is said of units.

use crate::error::{Error, invalid, required};
use crate::v1;
use crate::v1::task_kind::Kind;
use model::task::{
    Chunk, Claim, Committed, Grant, TaskKind, TaskRecord, TaskState, Token, UnitRecord,
};
use model::{ChunkId, NodeId};

impl From<&TaskKind> for v1::TaskKind {
    fn from(kind: &TaskKind) -> Self {
        let kind = match kind {
            TaskKind::Probe => Kind::Probe(v1::Unit {}),
            TaskKind::Encode { group } => Kind::EncodeGroup(group.clone()),
            TaskKind::Audio { index } => Kind::AudioIndex(*index),
            TaskKind::Text { index } => Kind::TextIndex(*index),
            TaskKind::Images => Kind::Images(v1::Unit {}),
            TaskKind::Qc => Kind::Qc(v1::Unit {}),
            TaskKind::Package => Kind::Package(v1::Unit {}),
            TaskKind::Verify => Kind::Verify(v1::Unit {}),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<v1::TaskKind> for TaskKind {
    type Error = Error;
    fn try_from(wire: v1::TaskKind) -> Result<Self, Error> {
        Ok(match required("kind", wire.kind)? {
            Kind::Probe(_) => Self::Probe,
            Kind::EncodeGroup(group) => Self::Encode { group },
            Kind::AudioIndex(index) => Self::Audio { index },
            Kind::TextIndex(index) => Self::Text { index },
            Kind::Images(_) => Self::Images,
            Kind::Qc(_) => Self::Qc,
            Kind::Package(_) => Self::Package,
            Kind::Verify(_) => Self::Verify,
        })
    }
}

impl From<Token> for v1::Token {
    fn from(token: Token) -> Self {
        Self {
            epoch: token.epoch,
            counter: token.counter,
        }
    }
}

impl From<v1::Token> for Token {
    fn from(wire: v1::Token) -> Self {
        Self {
            epoch: wire.epoch,
            counter: wire.counter,
        }
    }
}

impl From<&Grant> for v1::Grant {
    fn from(grant: &Grant) -> Self {
        Self {
            chunk: grant.chunk.to_string(),
            kind: Some((&grant.kind).into()),
            first_unit: grant.units.start,
            end_unit: grant.units.end,
            token: Some(grant.token.into()),
            attempts: grant.attempts,
            traceparent: grant.traceparent.clone(),
        }
    }
}

impl TryFrom<v1::Grant> for Grant {
    type Error = Error;
    fn try_from(wire: v1::Grant) -> Result<Self, Error> {
        Ok(Self {
            chunk: wire.chunk.parse().map_err(|e| invalid("grant.chunk", e))?,
            kind: required("grant.kind", wire.kind)?.try_into()?,
            units: wire.first_unit..wire.end_unit,
            token: required("grant.token", wire.token)?.into(),
            attempts: wire.attempts,
            traceparent: wire.traceparent,
        })
    }
}

impl From<&UnitRecord> for v1::UnitRecord {
    fn from(record: &UnitRecord) -> Self {
        Self {
            digest: record.digest.clone(),
            config_digest: record.config_digest.clone(),
            frames: record.frames,
            node: record.node.to_string(),
            elapsed_ms: record.elapsed_ms,
            reused: record.reused,
        }
    }
}

impl TryFrom<v1::UnitRecord> for UnitRecord {
    type Error = Error;
    fn try_from(wire: v1::UnitRecord) -> Result<Self, Error> {
        if wire.digest.is_empty() {
            return Err(invalid("record.digest", "is empty"));
        }
        Ok(Self {
            digest: wire.digest,
            config_digest: wire.config_digest,
            frames: wire.frames,
            node: NodeId::new(wire.node).map_err(|e| invalid("record.node", e))?,
            elapsed_ms: wire.elapsed_ms,
            reused: wire.reused,
        })
    }
}

impl From<Claim> for v1::ClaimResponse {
    fn from(claim: Claim) -> Self {
        use v1::claim_response::Outcome;
        let (outcome, unit) = match claim {
            Claim::Unit(unit) => (Outcome::Unit, unit),
            Claim::Drained => (Outcome::Drained, 0),
            Claim::Lost => (Outcome::Lost, 0),
            Claim::Yield => (Outcome::Yield, 0),
            Claim::Later => (Outcome::Later, 0),
        };
        Self {
            outcome: outcome.into(),
            unit,
        }
    }
}

impl TryFrom<v1::ClaimResponse> for Claim {
    type Error = Error;
    fn try_from(wire: v1::ClaimResponse) -> Result<Self, Error> {
        use v1::claim_response::Outcome;
        match wire.outcome() {
            Outcome::Unit => Ok(Self::Unit(wire.unit)),
            Outcome::Drained => Ok(Self::Drained),
            Outcome::Yield => Ok(Self::Yield),
            Outcome::Later => Ok(Self::Later),
            Outcome::Lost => Ok(Self::Lost),
            Outcome::Unspecified => Err(invalid("outcome", "is missing")),
        }
    }
}

impl From<Committed> for v1::CommitResponse {
    fn from(committed: Committed) -> Self {
        use v1::commit_response::Outcome;
        let outcome = match committed {
            Committed::Accepted => Outcome::Accepted,
            Committed::Adopted => Outcome::Adopted,
            Committed::Already => Outcome::Already,
            Committed::Conflict => Outcome::Conflict,
            Committed::Gone => Outcome::Gone,
        };
        Self {
            outcome: outcome.into(),
        }
    }
}

impl TryFrom<v1::CommitResponse> for Committed {
    type Error = Error;
    fn try_from(wire: v1::CommitResponse) -> Result<Self, Error> {
        use v1::commit_response::Outcome;
        match wire.outcome() {
            Outcome::Accepted => Ok(Self::Accepted),
            Outcome::Adopted => Ok(Self::Adopted),
            Outcome::Already => Ok(Self::Already),
            Outcome::Conflict => Ok(Self::Conflict),
            Outcome::Gone => Ok(Self::Gone),
            Outcome::Unspecified => Err(invalid("outcome", "is missing")),
        }
    }
}

impl From<(&ChunkId, Token)> for v1::HeldLease {
    fn from((chunk, token): (&ChunkId, Token)) -> Self {
        Self {
            chunk: chunk.to_string(),
            token: Some(token.into()),
        }
    }
}

impl v1::HeldLease {
    /// Reads the lease that a node names.
    pub fn read(self) -> Result<(ChunkId, Token), Error> {
        let chunk = self.chunk.parse().map_err(|e| invalid("chunk", e))?;
        Ok((chunk, required("token", self.token)?.into()))
    }
}

impl From<&TaskRecord> for v1::Task {
    fn from(task: &TaskRecord) -> Self {
        let state = match task.state {
            TaskState::Blocked => "blocked",
            TaskState::Open => "open",
            TaskState::Done => "done",
            TaskState::Dead => "dead",
        };
        let committed = task.committed.iter().map(|(unit, record)| v1::UnitStatus {
            unit: *unit,
            node: record.node.to_string(),
            frames: record.frames,
            elapsed_ms: record.elapsed_ms,
            reused: record.reused,
        });
        Self {
            id: task.id.to_string(),
            state: state.to_owned(),
            units: task.units,
            units_done: task.units_done,
            failure: task.failure.as_ref().map(Into::into),
            chunks: task.chunks.iter().map(Into::into).collect(),
            committed: committed.collect(),
        }
    }
}

impl From<&Chunk> for v1::ChunkStatus {
    fn from(chunk: &Chunk) -> Self {
        let text = |id: &ChunkId| id.to_string();
        Self {
            id: chunk.id.to_string(),
            next: chunk.next,
            end: chunk.end,
            claimed: chunk.claimed.clone(),
            attempts: chunk.attempts + chunk.silent_attempts,
            node: chunk
                .lease
                .as_ref()
                .map_or_else(String::new, |lease| lease.node.to_string()),
            stolen_from: chunk.stolen_from.as_ref().map_or_else(String::new, text),
            not_before_ms: chunk.not_before_ms,
        }
    }
}
