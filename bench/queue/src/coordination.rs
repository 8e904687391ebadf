//! Magpie's store and the peer by turns on a Redis of their own: units per second with all holders at
//! once, latencies at a given rate, and the processor time of Redis for a unit.

use crate::apalis::Queue;
use crate::load::{self, Holder, Opened};
use crate::magpie::{Slot, fill};
use crate::process::load_average;
use crate::server::{Fsync, Server};
use crate::{median, say};
use anyhow::{Result, ensure};
use serde::Serialize;
use std::path::Path;
use std::time::Duration;
use store::Store;
use store::redis::RedisStore;

/// How much is measured.
#[derive(Debug, Clone, Copy, Serialize, clap::Args)]
pub struct Options {
    /// Runs of each contestant.
    #[arg(long, default_value_t = 5)]
    pub rounds: u32,
    /// Holders that work at a time, over one connection.
    #[arg(long, default_value_t = 64)]
    pub holders: u32,
    /// Units that all holders do together as fast as they can.
    #[arg(long, default_value_t = 40_000)]
    pub units: u32,
    /// Claims and commits that are due in a second.
    #[arg(long, default_value_t = 5_000)]
    pub rate: u32,
    /// Seconds for which they are.
    #[arg(long, default_value_t = 10)]
    pub seconds: u32,
    /// Leave the peer out.
    #[arg(long)]
    pub alone: bool,
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "who")]
pub enum Contestant {
    /// Magpie, in chunks of so many units; with one, there is a take for each.
    Magpie {
        /// Units of a chunk.
        chunk: u32,
    },
    /// The peer.
    Apalis {
        /// Tasks that it fetches together; ten is its default.
        batch: u32,
        /// Whether it notes at its start that a task is under way, as it does by default.
        locks: bool,
    },
}

impl Contestant {
    /// All, by turns.
    pub const ALL: [Self; 6] = [
        Self::Magpie { chunk: 10 },
        Self::apalis(10, true),
        Self::apalis(10, false),
        Self::Magpie { chunk: 1 },
        Self::apalis(1, true),
        Self::apalis(1, false),
    ];

    const fn apalis(batch: u32, locks: bool) -> Self {
        Self::Apalis { batch, locks }
    }

    fn name(self) -> String {
        match self {
            Self::Magpie { chunk } => format!("Magpie, chunks of {chunk}"),
            Self::Apalis { batch, locks } => {
                let without = if locks { "" } else { ", no locks" };
                format!("apalis, batches of {batch}{without}")
            }
        }
    }

    /// Which Magpie stands next to a peer.
    fn rival(self) -> Option<Self> {
        match self {
            Self::Magpie { .. } => None,
            Self::Apalis { batch, .. } => Some(Self::Magpie { chunk: batch }),
        }
    }

    /// Whether each operation is answered for itself, so that it has a latency.
    fn has_latencies(self) -> bool {
        !matches!(self, Self::Apalis { batch: 2.., .. })
    }
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// Of whom.
    pub contestant: Contestant,
    /// When Redis syncs.
    pub fsync: Fsync,
    /// Claims and commits per second with all holders at once; takes are not counted.
    pub operations_per_second: f64,
    /// Processor time of Redis for a unit in that.
    pub redis_micros_per_unit: f64,
    /// At the given rate; the peer's batches have no latencies of single operations.
    pub open: Option<Opened>,
    /// Load of the machine at the end.
    pub load: String,
}

/// All runs.
#[derive(Debug, Clone, Serialize)]
pub struct Coordination {
    /// What was asked for.
    pub options: Options,
    /// The runs in their order.
    pub runs: Vec<Run>,
}

/// Measures all contestants by turns, each time on a new server in a folder below this one.
pub async fn measure(options: Options, folder: &Path) -> Result<Coordination> {
    let mut runs = Vec::new();
    for fsync in [Fsync::EverySecond, Fsync::Always] {
        for round in 0..options.rounds {
            for contestant in Contestant::ALL {
                if options.alone && contestant.rival().is_some() {
                    continue;
                }
                let place = tempfile::tempdir_in(folder)?;
                let server = Server::start(place.path(), fsync).await?;
                let run = run(contestant, fsync, &options, &server).await?;
                say(&format!("{fsync} {round} {}", line(&run)));
                runs.push(run);
            }
        }
    }
    Ok(Coordination { options, runs })
}

async fn run(
    contestant: Contestant,
    fsync: Fsync,
    options: &Options,
    server: &Server,
) -> Result<Run> {
    let opened = (options.seconds + 1) * options.rate / 2 + 2 * options.holders;
    // Some are left over, so that nobody comes to the end.
    let units = (options.units + opened) * 11 / 10;
    let numbers = 0..options.holders as usize;
    match contestant {
        Contestant::Magpie { chunk } => {
            let store = RedisStore::open(&server.url(), "bench", 1).await?;
            fill(&store, units, chunk).await?;
            let before = store.depth().await?.units_left;
            let slots = numbers.map(|number| Slot::new(&store, number));
            let slots = slots.collect::<Result<Vec<_>>>()?;
            let (run, done) = drive(contestant, fsync, slots, options, server).await?;
            let left = store.depth().await?.units_left;
            ensure!(
                before == left + done,
                "{done} units done, {before} then {left} left"
            );
            Ok(run)
        }
        Contestant::Apalis { batch, locks } => {
            let queue = Queue::open(&server.url(), batch as usize, locks).await?;
            queue.fill(units).await?;
            let before = server.count(&queue.done_set()).await?;
            let workers = numbers.map(|number| queue.worker(number)).collect();
            let (run, done) = drive(contestant, fsync, workers, options, server).await?;
            let after = server.count(&queue.done_set()).await?;
            ensure!(
                after == before + done,
                "{done} units done, {before} then {after}"
            );
            Ok(run)
        }
    }
}

/// Drives the holders; answers how many units that did.
async fn drive<H: Holder>(
    contestant: Contestant,
    fsync: Fsync,
    mut holders: Vec<H>,
    options: &Options,
    server: &Server,
) -> Result<(Run, u64)> {
    let cpu = server.cpu_seconds()?;
    let took = load::closed(&mut holders, options.units).await?;
    let cpu = server.cpu_seconds()? - cpu;
    let units = options.units.div_ceil(options.holders) * options.holders;
    let mut done = u64::from(units);
    let open = if contestant.has_latencies() {
        let lasts = Duration::from_secs(options.seconds.into());
        let opened = load::open(&mut holders, options.rate.into(), lasts).await?;
        done += opened.units as u64;
        Some(opened)
    } else {
        None
    };
    let run = Run {
        contestant,
        fsync,
        operations_per_second: 2.0 * f64::from(units) / took.as_secs_f64(),
        redis_micros_per_unit: cpu * 1e6 / f64::from(units),
        open,
        load: load_average(),
    };
    Ok((run, done))
}

fn line(run: &Run) -> String {
    let open = run.open.map_or_else(String::new, |open| {
        let all = open.all;
        format!(
            ", at {} op/s p50 {:.2} p99 {:.2} p99.9 {:.2} max {:.1} ms",
            open.rate, all.p50_ms, all.p99_ms, all.p999_ms, all.max_ms
        )
    });
    format!(
        "{}: {:.0} op/s, {:.0} us of redis a unit{open}",
        run.contestant.name(),
        run.operations_per_second,
        run.redis_micros_per_unit
    )
}

impl Coordination {
    fn of(&self, contestant: Contestant, fsync: Fsync) -> Vec<&Run> {
        let fits = |run: &&Run| run.contestant == contestant && run.fsync == fsync;
        self.runs.iter().filter(fits).collect()
    }

    /// Medians over the rounds, and ratios of runs side by side, as tables.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for fsync in [Fsync::EverySecond, Fsync::Always] {
            text += &format!("\n`appendfsync {fsync}`\n\n");
            text += "| | claims + commits /s | Magpie to it | Redis µs a unit | Magpie to it | p50 ms | p99 ms | p99.9 ms |\n";
            text += "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
            for contestant in Contestant::ALL {
                text += &self.row(contestant, fsync);
            }
        }
        text
    }

    fn row(&self, contestant: Contestant, fsync: Fsync) -> String {
        let runs = self.of(contestant, fsync);
        let speed = |run: &Run| run.operations_per_second;
        let cost = |run: &Run| run.redis_micros_per_unit;
        let latency = |figure: fn(&Opened) -> f64| {
            let figures = runs.iter().filter_map(|run| run.open.as_ref().map(figure));
            let middle = median(figures);
            if middle.is_nan() {
                String::new()
            } else {
                format!("{middle:.2}")
            }
        };
        format!(
            "| {} | {:.0} | {} | {:.0} | {} | {} | {} | {} |\n",
            contestant.name(),
            median(runs.iter().map(|run| speed(run))),
            self.ratio(contestant, fsync, speed),
            median(runs.iter().map(|run| cost(run))),
            self.ratio(contestant, fsync, cost),
            latency(|open| open.all.p50_ms),
            latency(|open| open.all.p99_ms),
            latency(|open| open.all.p999_ms),
        )
    }

    /// Of Magpie to a peer, in the middle of the rounds.
    fn ratio(&self, peer: Contestant, fsync: Fsync, figure: impl Fn(&Run) -> f64) -> String {
        let Some(rival) = peer.rival() else {
            return String::new();
        };
        let (ours, theirs) = (self.of(rival, fsync), self.of(peer, fsync));
        let pairs = ours.iter().zip(theirs);
        let ratios = pairs.map(|(ours, theirs)| figure(ours) / figure(theirs));
        format!("{:.2}", median(ratios))
    }
}
