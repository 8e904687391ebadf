//! Magpie's store as a contestant: jobs of four tenants wait, and each holder takes chunks of them, claims
//! and commits their units, as a slot of a node does through its scheduler. Every operation is a step of
//! its own in Redis.

use crate::load::Holder;
use anyhow::{Context, Result, bail, ensure};
use model::ChunkId;
use model::job::{NewJob, Urgency};
use model::task::{Claim, Committed, NewTask, TaskKind, Token, UnitRecord};
use std::time::Duration;
use store::redis::RedisStore;
use store::{Steal, Store, Want};

/// Units of a job: a film of 100 minutes in segments of 6 s.
const UNITS: u32 = 1_000;

const TENANTS: u32 = 4;

/// Submits jobs with so many units at least, in chunks of so many.
pub async fn fill(store: &RedisStore, units: u32, chunk: u32) -> Result<()> {
    for number in 0..units.div_ceil(UNITS) {
        let job = NewJob {
            id: format!("job-{number}").parse()?,
            tenant: format!("tenant-{}", number % TENANTS).parse()?,
            title: format!("film-{number}").parse()?,
            profile: "web".to_owned(),
            source_url: "file:///films/film.mkv".to_owned(),
            urgency: Urgency::of(50),
            held_max: None,
            traceparent: String::new(),
        };
        let starts = (0..UNITS).step_by(chunk as usize);
        let task = NewTask {
            id: format!("job-{number}/video-h264").parse()?,
            kind: TaskKind::Encode {
                group: "h264".to_owned(),
            },
            after: Vec::new(),
            units: UNITS,
            chunks: starts.map(|at| at..UNITS.min(at + chunk)).collect(),
            unit_seconds: 4.0,
            cost_class: "x264 medium 1080".to_owned(),
            builds: "builds".to_owned(),
            slot_bytes: 1 << 30,
        };
        store.submit(&job, &[task]).await?;
    }
    Ok(())
}

/// A slot of a node.
pub struct Slot {
    store: RedisStore,
    want: Want,
    record: UnitRecord,
    held: Option<Held>,
}

struct Held {
    chunk: ChunkId,
    token: Token,
    left: u32,
    unit: Option<u32>,
}

impl Slot {
    /// A slot with a node of its own.
    pub fn new(store: &RedisStore, number: usize) -> Result<Self> {
        let want = Want {
            node: format!("node-{number}").parse()?,
            builds: "builds".to_owned(),
            ttl: Duration::from_secs(600),
            room_bytes: 1 << 34,
            at_hand: Vec::new(),
            steal: Steal::Never,
        };
        let record = UnitRecord {
            digest: "0".repeat(64),
            config_digest: "1".repeat(64),
            frames: 150,
            node: want.node.clone(),
            elapsed_ms: 4_000,
            reused: false,
        };
        Ok(Self {
            store: store.clone(),
            want,
            record,
            held: None,
        })
    }

    async fn take(&mut self) -> Result<Held> {
        let grant = self.store.take(&self.want).await?;
        let grant = grant.context("nothing is queued any more")?;
        Ok(Held {
            left: grant.units.end - grant.units.start,
            chunk: grant.chunk,
            token: grant.token,
            unit: None,
        })
    }
}

impl Holder for Slot {
    async fn claim(&mut self) -> Result<()> {
        loop {
            let mut held = match self.held.take() {
                Some(held) => held,
                None => self.take().await?,
            };
            match self.store.claim(&held.chunk, held.token).await? {
                Claim::Unit(unit) => {
                    held.unit = Some(unit);
                    self.held = Some(held);
                    return Ok(());
                }
                // Another tenant is behind: the next take is for it.
                Claim::Yield => self.store.release(&held.chunk, held.token).await?,
                other => bail!("{}: {other:?}", held.chunk),
            }
        }
    }

    async fn commit(&mut self) -> Result<()> {
        let held = self.held.as_mut().context("nothing is held")?;
        let unit = held.unit.take().context("nothing is claimed")?;
        let (chunk, token) = (&held.chunk, held.token);
        let done = self.store.commit(chunk, token, unit, &self.record).await?;
        ensure!(done == Committed::Accepted, "{chunk} {unit}: {done:?}");
        held.left -= 1;
        if held.left == 0 {
            self.held = None;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
