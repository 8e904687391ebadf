//! A node as its agent behaves: it registers, renews its leases, and in each slot takes a chunk, works
//! on a unit while it stores the one before and claims the next, and says how it ended.

use super::bell::Bell;
use super::executor::Group;
use super::link::Link;
use super::random::Random;
use super::service::{Answer, Request};
use super::titles;
use super::world::{FARM, World};
use futures::channel::oneshot;
use futures::future::{Either, select, try_join};
use model::node::{NodeInfo, builds_digest};
use model::qc::{self, Verdict};
use model::task::{Claim, Committed, Grant, TaskKind, Token, UnitRecord};
use model::{ChunkId, Failure, FailureKind, JobId, NodeId};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use store::{AT_HAND_MAX, Renewed, Want};

/// Why an attempt ended early.
enum Stop {
    Failed(Failure),
    Lost,
    Drained,
    /// Other work comes first: the rest is handed back.
    Yielded,
}

type Ended<T = ()> = Result<T, Stop>;

/// A lease that the node believes it holds.
struct Lease {
    token: Token,
    lost: Cell<bool>,
    bell: Bell,
}

/// One process of a node.
struct Node {
    world: Rc<World>,
    number: u32,
    id: NodeId,
    speed: f64,
    /// How fast its clock goes, in thousandths.
    clock_rate: u64,
    /// Fails far more often than others.
    is_sick: bool,
    link: Link,
    random: Random,
    drains: Cell<bool>,
    leases: RefCell<BTreeMap<ChunkId, Rc<Lease>>>,
    /// Jobs whose source is cached, the last one first.
    at_hand: RefCell<VecDeque<JobId>>,
}

/// The tasks of a node.
pub(crate) fn group(number: u32) -> Group {
    Group(FARM.0 + 1 + u64::from(number))
}

pub(crate) fn id(number: u32) -> NodeId {
    NodeId::new(format!("n{number}")).expect("a letter and digits")
}

/// How fast a node works; 1 is usual.
pub(crate) fn speed(world: &World, number: u32) -> f64 {
    let (slow, fast) = world.shape.speeds;
    world.random(&format!("speed {number}")).real(slow, fast)
}

/// Starts the process of a node.
pub(crate) fn start(world: &Rc<World>, number: u32) {
    let nature = world.random(&format!("nature {number}"));
    let troubled = world.shape.troubles.is_some();
    let started_ms = world.elapsed_ms();
    let node = Rc::new(Node {
        world: Rc::clone(world),
        number,
        id: id(number),
        speed: speed(world, number),
        clock_rate: if troubled {
            nature.between(800, 1_250)
        } else {
            1_000
        },
        is_sick: troubled && number > 0 && nature.strikes(0.1),
        link: Link::new(world, number),
        random: world.random(&format!("node {number} at {started_ms}")),
        drains: Cell::new(false),
        leases: RefCell::default(),
        at_hand: RefCell::default(),
    });
    let executor = &world.executor;
    executor.spawn(group(number), async move {
        node.register().await;
        let executor = node.world.executor.clone();
        for _ in 0..node.world.shape.slots {
            executor.spawn(group(number), Rc::clone(&node).slot());
        }
        executor.spawn(group(number), node.renew());
    });
}

impl Node {
    /// Sleeps by the node's own clock.
    async fn sleep_ms(&self, time_ms: u64) {
        let time_ms = time_ms * 1_000 / self.clock_rate;
        self.world.executor.sleep_ms(time_ms).await;
    }

    async fn register(&self) {
        let info = NodeInfo {
            id: self.id.clone(),
            host: self.id.to_string(),
            version: "1".to_owned(),
            cores: 1,
            memory_bytes: 1 << 30,
            cpu: String::new(),
            gpus: Vec::new(),
            slots: self.world.shape.slots,
            builds: titles::builds(),
            unfit: String::new(),
            leaving: false,
        };
        self.link.call(Request::Register(info)).await;
    }

    async fn renew(self: Rc<Self>) {
        let beat_ms = self.world.shape.heartbeat.as_millis() as u64;
        // Processes start at different times.
        self.sleep_ms(self.random.between(0, beat_ms)).await;
        loop {
            let held = self.held();
            let request = Request::Renew(self.id.clone(), held.clone());
            let (answer, _) = self.link.call(request).await;
            if let Answer::Renewed {
                held: now,
                draining,
            } = answer
            {
                self.lose(held.iter().zip(now));
                self.drains.set(self.drains.get() || draining);
            }
            self.sleep_ms(beat_ms).await;
        }
    }

    fn held(&self) -> Vec<(ChunkId, Token)> {
        let leases = self.leases.borrow();
        let held = leases
            .iter()
            .map(|(chunk, lease)| (chunk.clone(), lease.token));
        held.collect()
    }

    /// Tells the attempts whose leases are lost.
    fn lose<'a>(&self, renewed: impl Iterator<Item = (&'a (ChunkId, Token), Renewed)>) {
        let leases = self.leases.borrow();
        let lost = renewed.filter(|(_, now)| *now == Renewed::Lost);
        for ((chunk, token), _) in lost {
            if let Some(lease) = leases.get(chunk).filter(|lease| lease.token == *token) {
                lease.lost.set(true);
                lease.bell.ring_all();
            }
        }
    }

    /// How long it takes until a worker is at its first segment of a job, whose source is at hand then.
    fn reach(&self, job: &JobId) -> u64 {
        let (shape, mut at_hand) = (&self.world.shape, self.at_hand.borrow_mut());
        let known = at_hand.iter().position(|known| known == job);
        let fetch_ms = match known.and_then(|at| at_hand.remove(at)) {
            Some(_) => 0,
            None => shape.fetch_ms,
        };
        at_hand.push_front(job.clone());
        at_hand.truncate(AT_HAND_MAX);
        shape.start_ms + fetch_ms
    }

    async fn slot(self: Rc<Self>) {
        while !self.drains.get() {
            let want = Want {
                node: self.id.clone(),
                builds: builds_digest(&titles::builds()),
                ttl: self.world.shape.lease_ttl(),
                room_bytes: u64::MAX,
                at_hand: self.at_hand.borrow().iter().cloned().collect(),
                steal: self.world.shape.splitting.steal(),
            };
            let (Answer::Taken { grant, draining }, _) = self.link.call(Request::Take(want)).await
            else {
                return;
            };
            self.drains.set(self.drains.get() || draining);
            match grant {
                Some(grant) => Attempt::run(&self, grant).await,
                None => self.sleep_ms(500).await,
            }
        }
    }
}

/// One attempt at one chunk.
struct Attempt {
    node: Rc<Node>,
    grant: Grant,
    lease: Rc<Lease>,
    /// A unit may be claimed that nobody works on.
    unsure: Cell<bool>,
    /// The rest goes back when what is in work is finished.
    yields: Cell<bool>,
    later: Cell<bool>,
}

impl Attempt {
    async fn run(node: &Rc<Node>, grant: Grant) {
        let lease = Rc::new(Lease {
            token: grant.token,
            lost: Cell::new(false),
            bell: Bell::default(),
        });
        node.leases
            .borrow_mut()
            .insert(grant.chunk.clone(), Rc::clone(&lease));
        let attempt = Rc::new(Self {
            node: Rc::clone(node),
            grant,
            lease,
            unsure: Cell::new(false),
            yields: Cell::new(false),
            later: Cell::new(false),
        });
        let ended = match select(pin!(attempt.work()), pin!(attempt.lost())).await {
            Either::Left((ended, _)) => ended,
            Either::Right(_) => Err(Stop::Lost),
        };
        let (chunk, token) = (attempt.grant.chunk.clone(), attempt.grant.token);
        let told = match ended {
            Ok(()) if attempt.unsure.get() => Some(Request::Release(chunk.clone(), token)),
            Ok(()) | Err(Stop::Lost) => None,
            Err(Stop::Drained | Stop::Yielded) => Some(Request::Release(chunk.clone(), token)),
            Err(Stop::Failed(failure)) => Some(Request::Fail(chunk.clone(), token, failure)),
        };
        if let Some(told) = told {
            node.link.call(told).await;
        }
        let mut leases = node.leases.borrow_mut();
        if leases.get(&chunk).is_some_and(|held| held.token == token) {
            leases.remove(&chunk);
        }
    }

    async fn lost(&self) {
        while !self.lease.lost.get() {
            self.lease
                .bell
                .wait(&self.node.world.executor, 3_600_000)
                .await;
        }
    }

    async fn claim(&self) -> Ended<Option<u32>> {
        if self.node.drains.get() {
            return Err(Stop::Drained);
        }
        let request = Request::Claim(self.grant.chunk.clone(), self.grant.token);
        let (answer, unsure) = self.node.link.call(request).await;
        if unsure {
            self.unsure.set(true);
        }
        match answer {
            Answer::Claimed(Some(Claim::Unit(unit))) => Ok(Some(unit)),
            Answer::Claimed(Some(Claim::Drained)) => Ok(None),
            Answer::Claimed(Some(Claim::Yield)) => Err(Stop::Yielded),
            Answer::Claimed(Some(Claim::Later)) => {
                self.later.set(true);
                Ok(None)
            }
            Answer::Claimed(None) => {
                self.unsure.set(true);
                Ok(None)
            }
            _ => Err(Stop::Lost),
        }
    }

    async fn work(self: &Rc<Self>) -> Ended {
        let (world, mut next) = (&self.node.world, self.claim().await?);
        if next.is_some() {
            let start_ms = self.node.reach(&self.grant.chunk.task.job);
            world.executor.sleep_ms(start_ms).await;
        }
        let mut before: Option<oneshot::Receiver<Ended>> = None;
        while let Some(unit) = next {
            let stored = before.take();
            let ahead_ms = self.work_ms(unit) as f64 * world.shape.claims_at;
            let ahead = async {
                world.executor.sleep_ms(ahead_ms as u64).await;
                whole(stored).await?;
                match self.claim().await {
                    // What is in work is finished first.
                    Err(Stop::Drained) => Ok(None),
                    Err(Stop::Yielded) => {
                        self.yields.set(true);
                        Ok(None)
                    }
                    claimed => claimed,
                }
            };
            ((), next) = try_join(self.make(unit), ahead).await?;
            before = Some(self.store(unit));
            if self.later.take() {
                whole(before.take()).await?;
                next = self.claim().await?;
                // With nothing in work: a claim's answer was lost.
                self.unsure.set(self.unsure.get() || self.later.take());
            }
        }
        whole(before).await?;
        if self.yields.get() {
            return Err(Stop::Yielded);
        }
        if self.node.drains.get() {
            return Err(Stop::Drained);
        }
        Ok(())
    }

    /// How long a unit takes on this node.
    fn work_ms(&self, unit: u32) -> u64 {
        let (node, kind) = (&self.node, &self.grant.kind);
        let cost = node.world.costs().of(&self.grant.chunk.task, kind, unit);
        (cost.as_secs_f64() / node.speed * 1e3) as u64
    }

    /// Works on a unit, unless it fails.
    async fn make(&self, unit: u32) -> Ended {
        let (node, work_ms) = (&self.node, self.work_ms(unit));
        let Some(failure) = self.failure(unit) else {
            node.world.executor.sleep_ms(work_ms).await;
            return Ok(());
        };
        node.world
            .executor
            .sleep_ms(node.random.between(0, work_ms))
            .await;
        Err(Stop::Failed(failure))
    }

    fn failure(&self, unit: u32) -> Option<Failure> {
        let node = &self.node;
        let troubles = node.world.shape.troubles.as_ref()?;
        let failed = |kind| Some(Failure::new(kind, "simulated", "drawn"));
        let storage = node.world.storage.borrow();
        let poison = storage.titles.get(&self.grant.chunk.task.job)?.poison;
        if poison == Some(unit) && matches!(self.grant.kind, TaskKind::Encode { .. }) {
            return failed(FailureKind::BadInput);
        }
        if node.world.elapsed_ms() > troubles.until_ms {
            return None;
        }
        let probability = match node.is_sick {
            true => 0.5,
            false => troubles.attempt_fails,
        };
        if !node.random.strikes(probability) {
            return None;
        }
        node.world.disturb("attempt failed");
        failed(match node.random.between(0, 9) {
            0..4 => FailureKind::NodeFault,
            4..6 => FailureKind::Storage,
            6..8 => FailureKind::Transient,
            _ => FailureKind::Exhausted,
        })
    }

    /// Puts a unit into storage and commits it, whatever becomes of the attempt.
    fn store(self: &Rc<Self>, unit: u32) -> oneshot::Receiver<Ended> {
        let (sender, receiver) = oneshot::channel();
        let attempt = Rc::clone(self);
        let executor = &self.node.world.executor;
        executor.spawn(group(self.node.number), async move {
            let world = &attempt.node.world;
            let upload_ms = attempt.node.random.between(20, 200) * world.slowness.get();
            world.executor.sleep_ms(upload_ms).await;
            attempt.write_result();
            let committed = attempt.commit(unit).await;
            // The attempt may have ended meanwhile.
            let _ = sender.send(committed);
        });
        receiver
    }

    async fn commit(&self, unit: u32) -> Ended {
        let (task, node) = (&self.grant.chunk.task, &self.node);
        let record = UnitRecord {
            digest: format!("{task} {unit}"),
            config_digest: task.to_string(),
            frames: self.frames(unit),
            node: node.id.clone(),
            elapsed_ms: match node.world.shape.learns {
                true => self.work_ms(unit),
                false => 0,
            },
            reused: false,
        };
        let chunk = self.grant.chunk.clone();
        let request = Request::Commit(chunk, self.grant.token, unit, record);
        let answer = node.link.call(request).await.0;
        if matches!(self.grant.kind, TaskKind::Encode { .. }) {
            node.world.note_end(node.number);
        }
        match answer {
            Answer::Committed(Committed::Conflict) => Err(Stop::Failed(Failure::new(
                FailureKind::Bug,
                "commit",
                "contradiction",
            ))),
            Answer::Committed(Committed::Gone) => Err(Stop::Lost),
            _ => Ok(()),
        }
    }

    fn frames(&self, unit: u32) -> u32 {
        let storage = self.node.world.storage.borrow();
        let plan = storage.plans.get(&self.grant.chunk.task.job);
        let video = plan.and_then(|plan| plan.video.as_ref());
        match &self.grant.kind {
            TaskKind::Encode { .. } => {
                video.map_or(0, |video| video.grid.segment(unit).len() as u32)
            }
            _ => 0,
        }
    }

    /// What decisions read from storage is there before the commit that names it.
    fn write_result(&self) {
        let job = &self.grant.chunk.task.job;
        let world = &self.node.world;
        let mut storage = world.storage.borrow_mut();
        match self.grant.kind {
            TaskKind::Probe => drop(storage.probed.insert(job.clone())),
            TaskKind::Qc => {
                // One title has one verdict, whoever makes it.
                let action = match world.random(&format!("verdict {job}")).between(0, 19) {
                    0 => qc::Action::Reject,
                    1 | 2 => qc::Action::Flag,
                    _ => qc::Action::Pass,
                };
                let verdict = Verdict {
                    action: if world.shape.troubles.is_some() {
                        action
                    } else {
                        qc::Action::Pass
                    },
                    findings: Vec::new(),
                    checked: 1,
                    not_applicable: Vec::new(),
                };
                storage.verdicts.insert(job.clone(), verdict);
            }
            _ => {}
        }
    }
}

/// Waits until the unit before is whole.
async fn whole(stored: Option<oneshot::Receiver<Ended>>) -> Ended {
    match stored {
        Some(stored) => stored.await.unwrap_or(Err(Stop::Lost)),
        None => Ok(()),
    }
}
