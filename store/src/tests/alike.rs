//! The two backends decide alike: the same random operations get the same answers from both, so that
//! what the simulation shows of one holds for the other.

use super::fixture::{Fixture, elsewhere, encode, failure, info, job, record, step, want};
use crate::{Disposition, Share, Steal, Want};
use model::job::{NewJob, Phase, Urgency};
use model::task::{Claim, Grant, NewTask, UnitRecord};
use std::time::Duration;

const STEPS: u32 = 500;
const SEEDS: u64 = 10;
const TENANTS: [&str; 3] = ["acme", "beta", "gamma"];

/// SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % u64::from(end)) as u32
    }
}

struct Pair {
    memory: Fixture,
    redis: Fixture,
    dice: Dice,
    jobs: u32,
    held: Vec<Grant>,
    /// Losses that were told of.
    lost: usize,
}

/// Does the same to both and holds their answers to be equal.
macro_rules! both {
    ($pair:ident, |$f:ident| $operation:expr) => {{
        let $f = &$pair.memory;
        let one = $operation;
        let $f = &$pair.redis;
        let other = $operation;
        assert_eq!(one, other, "memory and Redis differ");
        one
    }};
}

impl Pair {
    async fn submit(&mut self) {
        let id = format!("j{:04}", self.jobs);
        self.jobs += 1;
        let new = NewJob {
            tenant: TENANTS[self.dice.below(3) as usize].parse().unwrap(),
            urgency: self.urgency(),
            held_max: (self.dice.below(4) == 0).then_some(1 + self.dice.below(2)),
            ..job(&id, 0)
        };
        let cut = 1 + self.dice.below(5);
        let end = cut + 1 + self.dice.below(6);
        let mut chunks = vec![0..cut, cut..end];
        if self.dice.below(8) == 0 {
            // Numbers of two digits.
            chunks.extend((end..end + 12).map(|unit| unit..unit + 1));
        }
        let builds = info("n1").builds;
        let task = NewTask {
            unit_seconds: f64::from(1 + self.dice.below(40)),
            cost_class: ["", "slow", "fast"][self.dice.below(3) as usize].to_owned(),
            builds: match self.dice.below(3) {
                0 => model::node::builds_digest(&builds),
                _ => String::new(),
            },
            slot_bytes: u64::from(self.dice.below(3)) << 33,
            ..encode(&id, &chunks)
        };
        both!(self, |f| f
            .store
            .submit(&new, std::slice::from_ref(&task))
            .await
            .unwrap());
    }

    fn urgency(&mut self) -> Urgency {
        Urgency {
            priority: [10, 50, 50, 90][self.dice.below(4) as usize],
            deadline_ms: (self.dice.below(3) == 0).then(|| u64::from(self.dice.below(5))),
        }
    }

    async fn take(&mut self) {
        let node = format!("n{}", 1 + self.dice.below(4));
        let builds = match self.dice.below(2) {
            0 => String::new(),
            _ => model::node::builds_digest(&info("n1").builds),
        };
        let at_hand = (0..self.dice.below(3)).map(|_| self.dice.below(self.jobs.max(1)));
        let at_hand = at_hand.map(|job| format!("j{job:04}").parse().unwrap());
        let ask = Want {
            at_hand: at_hand.collect(),
            builds,
            room_bytes: u64::from(1 + self.dice.below(3)) << 33,
            ..want(&node, Steal::WhenIdle)
        };
        let granted = both!(self, |f| f.store.take(&ask).await.unwrap());
        self.held.extend(granted);
    }

    async fn claim(&mut self) {
        let Some(at) = self.pick() else { return };
        let grant = self.held[at].clone();
        let claimed = both!(self, |f| f
            .store
            .claim(&grant.chunk, grant.token)
            .await
            .ok());
        match claimed {
            Some(Claim::Unit(unit)) if self.dice.below(8) > 0 => {
                let record = UnitRecord {
                    elapsed_ms: u64::from(self.dice.below(60_000)),
                    ..record(unit)
                };
                both!(self, |f| f
                    .store
                    .commit(&grant.chunk, grant.token, unit, &record)
                    .await
                    .unwrap());
            }
            Some(Claim::Yield) => {
                both!(self, |f| f
                    .store
                    .release(&grant.chunk, grant.token)
                    .await
                    .unwrap());
                self.held.remove(at);
            }
            Some(Claim::Unit(_) | Claim::Later) => {}
            _ => {
                self.held.remove(at);
            }
        }
    }

    fn pick(&mut self) -> Option<usize> {
        let held = self.held.len() as u32;
        (held > 0).then(|| self.dice.below(held) as usize)
    }

    async fn end_lease(&mut self) {
        let Some(at) = self.pick() else { return };
        let grant = self.held.remove(at);
        if self.dice.below(2) == 0 {
            both!(self, |f| f
                .store
                .release(&grant.chunk, grant.token)
                .await
                .unwrap());
        } else {
            let dead = self.dice.below(3) == 0;
            let disposition = if dead { Disposition::Dead } else { elsewhere() };
            both!(self, |f| f.fail(&grant, disposition).await);
        }
    }

    async fn change(&mut self) {
        let any = format!("j{:04}", self.dice.below(self.jobs.max(1)));
        let id = any.parse().unwrap();
        match self.dice.below(8) {
            5 | 6 => {
                let fail = crate::Advance {
                    failure: Some(failure("it broke")),
                    ..step(Phase::Probing, Phase::Failed, Vec::new())
                };
                both!(self, |f| f.store.advance(&id, &fail).await.ok());
            }
            7 => {
                both!(self, |f| f.store.revive(&id).await.is_ok());
            }
            0 => {
                let urgency = self.urgency();
                both!(self, |f| f.store.set_urgency(&id, urgency).await.is_ok());
            }
            1 | 2 => {
                let paused = self.dice.below(3) == 0;
                both!(self, |f| f.store.set_paused(&id, paused).await.is_ok());
            }
            3 => {
                let tenant = TENANTS[self.dice.below(3) as usize].parse().unwrap();
                let share = Share {
                    weight: 1 + self.dice.below(3),
                    held_max: (self.dice.below(2) == 0).then_some(1 + self.dice.below(4)),
                };
                both!(self, |f| f.store.set_share(&tenant, &share).await.is_ok());
            }
            _ => {
                let end = crate::Advance {
                    from: Phase::Probing,
                    to: Phase::Cancelled,
                    add: Vec::new(),
                    failure: None,
                    title_version: None,
                };
                both!(self, |f| f.store.advance(&id, &end).await.ok());
            }
        }
    }

    /// Who lost leases lately.
    async fn losses(&mut self) {
        let lost = both!(self, |f| f.store.losses(0).await.unwrap());
        self.lost += lost.nodes.len();
    }

    /// What is left of every job, by pages; learned costs and commits are in it.
    async fn work_left(&mut self) {
        let mut page = String::new();
        loop {
            let limit = 1 + self.dice.below(3);
            let found = both!(self, |f| f.store.work_left(&page, limit).await.unwrap());
            page = found.next;
            if page.is_empty() || self.dice.below(4) > 0 {
                return;
            }
        }
    }

    async fn step(&mut self) {
        match self.dice.below(16) {
            0..3 => self.submit().await,
            3..7 => self.take().await,
            7..13 => self.claim().await,
            13 => self.end_lease().await,
            14 => self.change().await,
            _ => {
                let time = Duration::from_millis(u64::from(self.dice.below(15_000)));
                self.memory.pass(time).await;
                self.redis.pass(time).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_redis_decide_alike() {
    let mut lost = 0;
    for seed in 0..SEEDS {
        let Some(redis) = Fixture::redis().await else {
            return;
        };
        let mut pair = Pair {
            memory: Fixture::memory(),
            redis,
            dice: Dice(seed),
            jobs: 0,
            held: Vec::new(),
            lost: 0,
        };
        for node in ["n1", "n2", "n3"] {
            let mut info = info(node);
            info.memory_bytes = if node == "n3" { 1 << 33 } else { 1 << 35 };
            both!(pair, |f| f.store.register(&info).await.unwrap());
        }
        for _ in 0..STEPS {
            pair.step().await;
            pair.losses().await;
            pair.work_left().await;
        }
        let depth = both!(pair, |f| f.store.depth().await.unwrap());
        assert!(
            pair.jobs > 20 && depth.chunks_queued > 0,
            "seed {seed} did little"
        );
        lost += pair.lost;
    }
    assert!(lost > 0, "nobody lost anything");
}
