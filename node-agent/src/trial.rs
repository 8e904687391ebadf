//! Lets a worker misbehave on purpose, to see that it is contained. Debug builds only; what ships
//! cannot be asked to do this.

pub use crate::sandbox::misbehave::Misbehaviour;

use crate::config::{Limits, Sandbox};
use crate::error::Result;
use crate::sandbox::{Confinement, Spares, Spawner, WorkerProgram};
use crate::transfer::{BlockCache, SourceReader};
use crate::worker::message::{Request, Work};
use crate::worker::queue::queue;
use crate::worker::session::Session;
use model::Failure;
use std::sync::Arc;
use storage::Source;
use tokio_util::sync::CancellationToken;

/// Runs one misbehaviour in a strictly confined worker. Gives what the worker reached, which must be
/// nothing, or the failure that it ended with.
pub async fn run(
    program: WorkerProgram,
    limits: Limits,
    source: Source,
    how: Misbehaviour,
) -> Result<std::result::Result<Vec<String>, Failure>> {
    let spawner = Spawner::new(program).map_err(|e| crate::Error::Worker {
        reason: e.to_string(),
    })?;
    let confinement = Confinement {
        sandbox: Sandbox::Strict,
        limits,
    };
    let worker = Spares::new(spawner, confinement, 0).take().await?;
    let source = SourceReader::new(source, Arc::new(BlockCache::new(0)));
    let session = Session {
        place: "trial".to_owned(),
        request: Request {
            work: Work::Misbehave(how),
            source_bytes: source.size_bytes(),
        },
        plan: bytes::Bytes::new(),
        followers: Vec::new(),
        source: Some(source),
        stall: limits.stall,
    };
    let (events, _kept) = queue();
    let result = session.run(worker, events, CancellationToken::new()).await;
    let result = result.map_err(Failure::from);
    Ok(result.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_default()))
}
