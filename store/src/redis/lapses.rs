//! Lapses: moments from which a server may not know what it knew. It was started anew and its append-only
//! file lacks the last second, or a replica took its place that lacked some writes, or somebody flushed it.
//! What the server then says of leases and tokens was said before, of others: so everything waits for a new
//! epoch, and then storage is asked what is missing.
//!
//! The key of the cell that says which run of the server was looked at, and whether that was settled, is
//! itself lost with the rest, which is how a flush is seen; and it names another run after a restart or a
//! failover, also one that happened while nobody was connected.

use super::connection::{Connection, Shared, unavailable};
use super::link::{Open, RESPONSE_TIMEOUT, random};
use crate::error::{Error, Result};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Pause between two looks whether the server was flushed.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest wait of an operation for a new epoch, which takes a write to storage.
const RAISE_MAX: Duration = RESPONSE_TIMEOUT;

/// What may be lost, for whoever gives it back. Clones tell of the same.
#[derive(Clone)]
pub struct Lapses {
    connection: Connection,
    seen: watch::Receiver<Counts>,
}

/// A moment from which the server may have lost something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapse {
    number: u64,
    name: String,
}

/// How many lapses there were, and up to which a step was taken.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    lapses: u64,
    raised: u64,
    settled: u64,
}

/// Keeps operations waiting from a lapse to the next raised epoch, once it is watched.
#[derive(Default)]
pub(super) struct Guard {
    is_watched: AtomicBool,
    counts: watch::Sender<Counts>,
    /// The connection on which the server was looked at.
    looked_at: AtomicU64,
    looking: tokio::sync::Mutex<Looked>,
    /// Name of the last lapse, and the greatest epoch that was raised.
    last: Mutex<(String, u32)>,
}

/// Where a store was connected before a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ComeFrom {
    SameRun,
    AnotherRun,
}

/// What a look saw of the server.
#[derive(Default)]
struct Looked {
    serial: u64,
    run: String,
}

impl Guard {
    pub(super) fn count(&self) -> u64 {
        self.counts.borrow().lapses
    }

    /// Takes note of a raised epoch; `lapses` were known before.
    pub(super) fn raised(&self, epoch: u32, lapses: u64) {
        let mut last = self.last.lock();
        if epoch > last.1 {
            last.1 = epoch;
            let note = |counts: &mut Counts| counts.raised = counts.raised.max(lapses);
            self.counts.send_modify(note);
        }
    }

    /// Takes note of the name and state of the lapse that the server knows.
    fn note(&self, (name, state): (String, String), came_from: ComeFrom) {
        let mut last = self.last.lock();
        if last.0 != name {
            last.0 = name;
            // What this store wrote to another run may be missing in one that others have settled.
            if state == "open" || came_from == ComeFrom::AnotherRun {
                self.counts.send_modify(|counts| counts.lapses += 1);
            }
        }
    }
}

impl Shared {
    /// The connection, once nothing keeps operations waiting.
    pub(super) async fn guarded(&self) -> Result<Open> {
        let deadline = Instant::now() + RAISE_MAX;
        loop {
            let open = self.looked_at().await?;
            let Counts { lapses, raised, .. } = *self.guard.counts.borrow();
            if raised >= lapses {
                return Ok(open);
            }
            let mut counts = self.guard.counts.subscribe();
            let waited = counts.wait_for(|counts| counts.raised >= lapses);
            if tokio::time::timeout_at(deadline, waited).await.is_err() {
                return Err(Error::Unavailable {
                    reason: "redis may have lost its last writes, and has no new epoch yet"
                        .to_owned(),
                });
            }
        }
    }

    /// The connection, whose server was looked at if lapses are watched.
    pub(super) async fn looked_at(&self) -> Result<Open> {
        let open = self.link.open().await?;
        let is_watched = self.guard.is_watched.load(Ordering::Acquire);
        if is_watched && self.guard.looked_at.load(Ordering::Acquire) != open.serial {
            self.look(&open).await?;
        }
        Ok(open)
    }

    /// Looks whether the server lost something.
    async fn look(&self, open: &Open) -> Result<()> {
        let mut looked = self.guard.looking.lock().await;
        let run = match looked.serial == open.serial {
            true => looked.run.clone(),
            false => self.server_run(open).await?,
        };
        let came_from = match looked.serial == 0 || looked.run == run {
            true => ComeFrom::SameRun,
            false => ComeFrom::AnotherRun,
        };
        let name = format!("{:016x}", random());
        let known = self.lapse(open, &run, &name, "").await?;
        self.guard.note(known, came_from);
        *looked = Looked {
            serial: open.serial,
            run,
        };
        self.guard.looked_at.store(open.serial, Ordering::Release);
        Ok(())
    }

    async fn lapse(
        &self,
        open: &Open,
        run: &str,
        name: &str,
        settled: &str,
    ) -> Result<(String, String)> {
        let arguments = [run, name, settled].map(str::to_owned);
        self.run(open, &self.scripts.lapse, &arguments).await
    }

    /// What the server calls its run, from its start to its end. One that does not say is taken for another
    /// one with each connection.
    async fn server_run(&self, open: &Open) -> Result<String> {
        let mut connection = open.connection.clone();
        let info = redis::cmd("INFO").arg("server").to_owned();
        let info: String = match info.query_async(&mut connection).await {
            Err(error) if error.code() == Some("NOPERM") => {
                tracing::warn!(
                    "redis does not let this user call INFO: each new connection is taken for a restart"
                );
                String::new()
            }
            info => info.map_err(|error| {
                self.link.heard(open, &error);
                unavailable(error)
            })?,
        };
        let mut lines = info.lines();
        let run = lines.find_map(|line| line.strip_prefix("run_id:"));
        let run = run.map(str::trim).filter(|run| is_name(run));
        Ok(run.map_or_else(|| format!("{:016x}", random()), str::to_owned))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Lapses {
    /// Watches until no store is left.
    pub(super) async fn watch(connection: Connection) -> Result<Self> {
        let shared = connection.shared();
        shared.guard.is_watched.store(true, Ordering::Release);
        shared.looked_at().await?;
        tokio::spawn(look_again(Arc::downgrade(shared)));
        let seen = shared.guard.counts.subscribe();
        Ok(Self { connection, seen })
    }

    /// The lapse that is not settled, if there is one.
    pub fn open(&self) -> Option<Lapse> {
        let Counts {
            lapses, settled, ..
        } = *self.seen.borrow();
        let name = self.connection.shared().guard.last.lock().0.clone();
        (settled < lapses).then_some(Lapse {
            number: lapses,
            name,
        })
    }

    /// Waits until there is a lapse that is not settled.
    pub async fn next(&mut self) -> Lapse {
        loop {
            if let Some(lapse) = self.open() {
                return lapse;
            }
            // The sender lives in the connection that this holds.
            let _ = self.seen.changed().await;
        }
    }

    /// Says that all was given back that was lost before a lapse, so that nobody looks for it again.
    pub async fn settle(&self, lapse: &Lapse) -> Result<()> {
        let shared = self.connection.shared();
        let open = shared.looked_at().await?;
        let looked = shared.guard.looking.lock().await;
        let name = format!("{:016x}", random());
        if looked.serial == open.serial {
            let settled = shared.lapse(&open, &looked.run, &name, &lapse.name);
            shared.guard.note(settled.await?, ComeFrom::SameRun);
        }
        let note = |counts: &mut Counts| counts.settled = counts.settled.max(lapse.number);
        shared.guard.counts.send_modify(note);
        Ok(())
    }
}

/// Looks again and again, because a server is flushed without a word.
async fn look_again(shared: Weak<Shared>) {
    let mut is_away = false;
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let looked = async { shared.look(&shared.link.open().await?).await };
        let looked = looked.await;
        if let Err(error) = &looked
            && !is_away
        {
            tracing::warn!(%error, "whether redis has lost anything is not known");
        }
        is_away = looked.is_err();
    }
}
