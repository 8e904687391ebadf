//! What a scheduler answers to a node, as its service does: the store does the step, the policy decides
//! about failures, and whoever waits hears of it.

use super::random::Random;
use super::world::World;
use model::node::NodeInfo;
use model::task::{Claim, Committed, Grant, Token, UnitRecord};
use model::{ChunkId, Failure, NodeId};
use scheduler::policy::retry::{self, Tried};
use store::{Renewed, Want};

/// Distance of looks of a request that waits, until `PATIENT_AFTER_MS`.
const LOOK_MS: u64 = 500;
const PATIENT_AFTER_MS: u64 = 2_000;

/// What a node asks.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Register(NodeInfo),
    Take(Want),
    Claim(ChunkId, Token),
    Commit(ChunkId, Token, u32, UnitRecord),
    Renew(NodeId, Vec<(ChunkId, Token)>),
    Release(ChunkId, Token),
    Fail(ChunkId, Token, Failure),
}

/// What it hears.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Done,
    Taken {
        grant: Option<Grant>,
        draining: bool,
    },
    /// None when as many units are claimed as may be.
    Claimed(Option<Claim>),
    Committed(Committed),
    Renewed {
        held: Vec<Renewed>,
        draining: bool,
    },
}

/// Answers a request.
pub(crate) async fn answer(world: &World, random: &Random, request: Request) -> Answer {
    let store = &world.store;
    match request {
        Request::Register(info) => store.register(&info),
        Request::Take(want) => return take(world, random, &want).await,
        Request::Claim(chunk, token) => {
            let claim = store.claim(&chunk, token).ok();
            if matches!(claim, Some(Claim::Unit(_))) {
                world.work.ring_one();
            }
            return Answer::Claimed(claim);
        }
        Request::Commit(chunk, token, unit, record) => {
            let committed = store.commit(&chunk, token, unit, &record);
            world.work.ring_one();
            world.attention.ring_one();
            return Answer::Committed(committed.unwrap_or(Committed::Conflict));
        }
        Request::Renew(node, leases) => {
            let held = store.renew(&node, world.shape.lease_ttl(), &leases);
            let draining = store.is_draining(&node);
            return Answer::Renewed { held, draining };
        }
        Request::Release(chunk, token) => {
            store.release(&chunk, token);
            world.work.ring_all();
        }
        Request::Fail(chunk, token, failure) => {
            let tried = tried(world, &chunk);
            let disposition = retry::decide(failure.kind, tried, random.bits());
            // A stale failure changes nothing, and its sender needs not know.
            let _ = store.fail(&chunk, token, &failure, disposition);
            world.work.ring_all();
            world.attention.ring_one();
        }
    }
    Answer::Done
}

fn tried(world: &World, chunk: &ChunkId) -> Tried {
    let tasks = world.store.tasks(&chunk.task.job).unwrap_or_default();
    let mut chunks = tasks.iter().flat_map(|task| &task.chunks);
    let known = chunks.find(|known| known.id == *chunk);
    known.map_or_else(Tried::default, |known| Tried {
        attempts: known.attempts,
        room: known.room_attempts,
        silent: known.silent_attempts,
    })
}

async fn take(world: &World, random: &Random, want: &Want) -> Answer {
    let (mut waited_ms, wait_ms) = (0, world.shape.take_wait_ms);
    let asked_ms = world.executor.now_ms();
    loop {
        if let Some(grant) = world.store.take(want) {
            world.work.ring_one();
            return Answer::Taken {
                grant: Some(grant),
                draining: false,
            };
        }
        let draining = world.store.is_draining(&want.node);
        if draining || waited_ms >= wait_ms {
            return Answer::Taken {
                grant: None,
                draining,
            };
        }
        let longest = match waited_ms < PATIENT_AFTER_MS {
            true => LOOK_MS,
            false => world.shape.patient_look_ms,
        };
        let pause_ms = longest - random.between(0, longest / 4);
        world
            .work
            .wait(&world.executor, pause_ms.min(wait_ms - waited_ms))
            .await;
        waited_ms = world.executor.now_ms() - asked_ms;
    }
}
