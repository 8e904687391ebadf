//! The load: holders that claim and commit one unit after the other, all at once or at a given rate, the
//! same for every contestant. At a given rate a latency counts from when the operation was due, so that a
//! server that stalls cannot hide how many operations it kept waiting.

use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Time at the start of a load at a given rate that does not count.
const WARM_UP: Duration = Duration::from_secs(1);

/// One of those who do work: what a slot of a node does with its chunk.
pub trait Holder: Send + 'static {
    /// Gets a unit to do, whatever that takes.
    fn claim(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Says that the unit is done.
    fn commit(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Waits until all that was said has arrived.
    fn finish(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// A spread of latencies in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// The median.
    pub p50_ms: f64,
    /// 99 of 100 are not longer.
    pub p99_ms: f64,
    /// 999 of 1,000 are not longer.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Spread {
    /// The spread of these, of which there is at least one.
    pub fn of(mut latencies: Vec<Duration>) -> Result<Self> {
        latencies.sort_unstable();
        let last = latencies.len().checked_sub(1).context("no latencies")?;
        let at = |per_mille: usize| {
            let rank = (latencies.len() * per_mille).div_ceil(1000);
            latencies[rank.saturating_sub(1).min(last)].as_secs_f64() * 1e3
        };
        Ok(Self {
            count: latencies.len(),
            p50_ms: at(500),
            p99_ms: at(990),
            p999_ms: at(999),
            max_ms: at(1000),
        })
    }
}

/// Lets all holders do so many units together, each as fast as it can; answers how long that took.
pub async fn closed<H: Holder>(holders: &mut Vec<H>, units: u32) -> Result<Duration> {
    let each = units.div_ceil(u32::try_from(holders.len())?.max(1));
    let start = Instant::now();
    let work = holders.drain(..).map(|mut holder| {
        tokio::spawn(async move {
            for _ in 0..each {
                holder.claim().await?;
                holder.commit().await?;
            }
            holder.finish().await?;
            anyhow::Ok(holder)
        })
    });
    let ended = try_join_all(work).await?;
    let took = start.elapsed();
    *holders = ended.into_iter().collect::<Result<_>>()?;
    Ok(took)
}

/// Latencies of claims and of commits.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Opened {
    /// Operations that were due in a second.
    pub rate: f64,
    /// Units that were done, with those of the first second, which does not count.
    pub units: usize,
    /// Of claims, with the take before where there was one.
    pub claim: Spread,
    /// Of commits.
    pub commit: Spread,
    /// Of both.
    pub all: Spread,
}

/// Makes claims and commits due at a rate, in turn for each holder, for so long.
pub async fn open<H: Holder>(holders: &mut Vec<H>, rate: f64, lasts: Duration) -> Result<Opened> {
    let (mut ways, mut work) = (Vec::new(), Vec::new());
    let count = holders.len();
    let start = Instant::now() + Duration::from_millis(50);
    let counts_from = start + WARM_UP;
    for holder in holders.drain(..) {
        let (way, dues) = mpsc::unbounded_channel();
        ways.push(way);
        work.push(tokio::spawn(serve(holder, dues, counts_from)));
    }
    let rounds = ((WARM_UP + lasts).as_secs_f64() * rate / (2.0 * count as f64)).ceil() as usize;
    let pacer = std::thread::spawn(move || {
        for number in 0..rounds * 2 * count {
            let due = start + Duration::from_secs_f64(number as f64 / rate);
            // Finer than the timers of the runtime, whose millisecond would be most of a latency.
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if ways[number % count].send(due).is_err() {
                return;
            }
        }
    });
    let (mut claims, mut commits) = (Vec::new(), Vec::new());
    for ended in try_join_all(work).await? {
        let served = ended?;
        claims.extend(served.claims);
        commits.extend(served.commits);
        holders.push(served.holder);
    }
    pacer.join().ok().context("the pacer panicked")?;
    let all = claims.iter().chain(&commits).copied().collect();
    Ok(Opened {
        rate,
        units: rounds * count,
        claim: Spread::of(claims)?,
        commit: Spread::of(commits)?,
        all: Spread::of(all)?,
    })
}

struct Served<H> {
    holder: H,
    claims: Vec<Duration>,
    commits: Vec<Duration>,
}

async fn serve<H: Holder>(
    holder: H,
    mut dues: mpsc::UnboundedReceiver<Instant>,
    counts_from: Instant,
) -> Result<Served<H>> {
    let mut served = Served {
        holder,
        claims: Vec::new(),
        commits: Vec::new(),
    };
    let mut has_unit = false;
    while let Some(due) = dues.recv().await {
        let latencies = if has_unit {
            served.holder.commit().await?;
            &mut served.commits
        } else {
            served.holder.claim().await?;
            &mut served.claims
        };
        has_unit = !has_unit;
        if due >= counts_from {
            latencies.push(due.elapsed());
        }
    }
    served.holder.finish().await?;
    Ok(served)
}

#[cfg(test)]
mod tests {
    use super::{Holder, Spread, closed, open};
    use anyhow::Result;
    use std::time::Duration;

    #[test]
    fn a_spread_is_read_off_the_sorted_latencies() {
        let latencies = (1..=1000).rev().map(Duration::from_millis).collect();
        let spread = Spread::of(latencies).unwrap();
        let read = [spread.p50_ms, spread.p99_ms, spread.p999_ms, spread.max_ms];
        assert_eq!(read, [500.0, 990.0, 999.0, 1000.0]);
        assert!(Spread::of(Vec::new()).is_err());
    }

    /// Stalls once, for a while.
    struct Stalls {
        done: u32,
    }

    impl Holder for Stalls {
        async fn claim(&mut self) -> Result<()> {
            if self.done == 150 {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Ok(())
        }

        async fn commit(&mut self) -> Result<()> {
            self.done += 1;
            Ok(())
        }

        async fn finish(&mut self) -> Result<()> {
            Ok(())
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn all_that_waits_for_a_stall_counts_as_late() {
        let mut holders = vec![Stalls { done: 0 }];
        let opened = open(&mut holders, 200.0, Duration::from_secs(1))
            .await
            .unwrap();
        // One operation stalls, and those that were due meanwhile are late with it.
        assert!(opened.all.max_ms >= 200.0, "{opened:?}");
        assert!(opened.all.p99_ms >= 100.0, "{opened:?}");
        assert_eq!(holders[0].done, 200);
    }

    #[tokio::test]
    async fn all_at_once_do_as_many_units_as_were_asked_for() {
        let mut holders = vec![Stalls { done: 0 }, Stalls { done: 0 }];
        closed(&mut holders, 10).await.unwrap();
        assert_eq!(holders.iter().map(|holder| holder.done).sum::<u32>(), 10);
    }
}
