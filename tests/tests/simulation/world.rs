//! A farm in virtual time: what it is made of, from a seed, and one run of it.

use super::bell::Bell;
use super::bound::{self, Bound};
use super::costs::Costs;
use super::executor::{Executor, Group};
use super::memory::Counts;
use super::mutant::{Mutant, MutantStore};
use super::random::Random;
use super::shape::Shape;
use super::titles::{self, TENANTS, Title};
use super::witness::Witness;
use super::{driver, node, people, reaper, trouble};
use model::job::{Phase, ReviewAnswer, Urgency};
use model::plan::Plan;
use model::qc::Verdict;
use model::{JobId, TitleId};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use store::memory::MemoryStore;
use store::{ManualClock, Store};

/// The schedulers, object storage and the network.
pub(crate) const FARM: Group = Group(0);

/// When every run begins: any time will do that is not the beginning of time.
const START_MS: u64 = 1_700_000_000_000;

/// Virtual time that a run goes on after its last job, for what is late.
const AFTERMATH_MS: u64 = 90_000;

/// What object storage holds, as far as decisions need it.
#[derive(Default)]
pub(crate) struct Storage {
    pub(crate) titles: BTreeMap<JobId, Title>,
    pub(crate) probed: BTreeSet<JobId>,
    pub(crate) plans: BTreeMap<JobId, Arc<Plan>>,
    pub(crate) verdicts: BTreeMap<JobId, Verdict>,
    pub(crate) reviews: BTreeMap<JobId, ReviewAnswer>,
    pub(crate) versions: BTreeMap<JobId, u32>,
    /// Whether a job is published or cancelled; what is written first holds.
    pub(crate) outcomes: BTreeMap<JobId, Phase>,
    pub(crate) catalog: BTreeMap<TitleId, (JobId, u32)>,
    pub(crate) reports: BTreeMap<JobId, (Phase, u64)>,
}

/// Everything that the parts of a farm reach.
pub(crate) struct World {
    pub(crate) shape: Shape,
    pub(crate) executor: Executor,
    pub(crate) store: Witness,
    pub(crate) storage: RefCell<Storage>,
    /// Rings when there may be work.
    pub(crate) work: Bell,
    /// Rings when a job may need a decision.
    pub(crate) attention: Bell,
    /// Rings when something is about to be decided.
    pub(crate) decisions: Bell,
    /// Nodes that reach nobody.
    pub(crate) cut: RefCell<BTreeSet<u32>>,
    /// Storage takes so many times as long as usual.
    pub(crate) slowness: Cell<u64>,
    /// Failed jobs that a person leads back, and whether that has happened.
    pub(crate) retried: RefCell<BTreeMap<JobId, bool>>,
    pub(crate) ended: RefCell<BTreeMap<JobId, u64>>,
    /// When each node last committed pictures.
    busy_until_ms: RefCell<BTreeMap<u32, u64>>,
    /// How often things went wrong, by kind.
    disturbances: RefCell<BTreeMap<&'static str, u64>>,
    plans: RefCell<BTreeMap<(u32, usize, u32, u32), Plan>>,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) last_events: Vec<String>,
    pub(crate) log_hash: u64,
    pub(crate) counts: Counts,
    pub(crate) phases: BTreeMap<&'static str, u32>,
    pub(crate) disturbances: BTreeMap<&'static str, u64>,
    /// Seconds until the last job ended.
    pub(crate) makespan: f64,
    /// Seconds from when the first node had made its last pictures until all nodes had.
    pub(crate) tail: f64,
    pub(crate) bound: Bound,
}

impl World {
    pub(crate) fn random(&self, name: &str) -> Random {
        Random::named(self.shape.seed, name)
    }

    pub(crate) fn costs(&self) -> Costs {
        Costs {
            seed: self.shape.seed,
            segment_seconds: self.shape.segment_seconds,
            skew: self.shape.skew,
        }
    }

    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.executor.now_ms() - START_MS
    }

    /// Plans of titles of one shape differ in names only, and planning is the dearest step of a run.
    pub(crate) fn plan(&self, job: &JobId) -> Option<Plan> {
        let title = self.storage.borrow().titles.get(job)?.clone();
        let key = (
            title.segments,
            title.codecs.len(),
            title.sound_tracks,
            title.text_tracks,
        );
        let mut plans = self.plans.borrow_mut();
        let slots = self.shape.nodes * self.shape.slots;
        let slots = self.shape.cut_for.unwrap_or(slots);
        let known = plans.entry(key).or_insert_with(|| title.plan(slots));
        let mut plan = Plan {
            job: job.clone(),
            title: title.job.title.clone(),
            ..known.clone()
        };
        self.shape.splitting.cut(&mut plan);
        Some(plan)
    }

    /// Notes that something went wrong.
    pub(crate) fn disturb(&self, kind: &'static str) {
        *self.disturbances.borrow_mut().entry(kind).or_default() += 1;
    }

    /// Notes that a node committed pictures.
    pub(crate) fn note_end(&self, node: u32) {
        let at_ms = self.elapsed_ms();
        self.busy_until_ms.borrow_mut().insert(node, at_ms);
    }

    /// Notes that nothing more will happen to a job.
    pub(crate) fn end(&self, job: &JobId) {
        let at_ms = self.elapsed_ms();
        self.ended.borrow_mut().entry(job.clone()).or_insert(at_ms);
    }
}

/// Runs a farm until its jobs have ended, or until something does not hold.
pub(crate) fn run(shape: &Shape, mutant: Option<Mutant>) -> Outcome {
    let world = start(shape, mutant);
    let jobs = shape.jobs as usize;
    let stop = || !world.store.is_clean() || world.ended.borrow().len() == jobs;
    world.executor.run(START_MS + shape.horizon_ms, stop);
    let after_ms = world.executor.now_ms() + AFTERMATH_MS;
    if shape.troubles.is_some() {
        world.executor.run(after_ms, || !world.store.is_clean());
    }
    close(&world)
}

/// Runs a farm until it has come so far.
pub(crate) fn run_until(
    shape: &Shape,
    mutant: Option<Mutant>,
    is_there: impl Fn(&World) -> bool,
) -> Rc<World> {
    let world = start(shape, mutant);
    let stop = || !world.store.is_clean() || is_there(&world);
    world.executor.run(START_MS + shape.horizon_ms, stop);
    world
}

fn start(shape: &Shape, mutant: Option<Mutant>) -> Rc<World> {
    let clock = Arc::new(ManualClock::new(START_MS));
    let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    let store = match mutant {
        Some(mutant) => Arc::new(MutantStore::new(memory, mutant)),
        None => memory,
    };
    let world = Rc::new(World {
        shape: shape.clone(),
        executor: Executor::new(clock.clone()),
        store: Witness::new(store, clock, shape.look_each),
        storage: RefCell::default(),
        work: Bell::default(),
        attention: Bell::default(),
        decisions: Bell::default(),
        cut: RefCell::default(),
        slowness: Cell::new(1),
        retried: RefCell::default(),
        ended: RefCell::default(),
        busy_until_ms: RefCell::default(),
        disturbances: RefCell::default(),
        plans: RefCell::default(),
    });
    for (tenant, share) in &shape.shares {
        let tenant = tenant.parse().expect("an identifier");
        world.store.set_share(&tenant, *share);
    }
    submit(&world);
    for replica in 0..shape.replicas {
        driver::start(&world, replica);
        reaper::start(&world, replica);
    }
    for number in 0..shape.nodes {
        node::start(&world, number);
    }
    trouble::start(&world);
    people::start(&world);
    world
}

fn submit(world: &Rc<World>) {
    let random = world.random("titles");
    for number in 0..u64::from(world.shape.jobs) {
        let mut title = titles::draw(number, world.shape.shortest, world.shape.longest, &random);
        if world.shape.is_plain {
            title.job.tenant = TENANTS[0].parse().expect("an identifier");
            title.job.urgency = Urgency::of(50);
        }
        if world.shape.troubles.is_some() && random.strikes(0.03) {
            title.poison = Some(random.between(0, u64::from(title.segments) - 1) as u32);
        }
        let id = title.job.id.clone();
        let after_ms = random.between(0, world.shape.arrivals_ms);
        world
            .storage
            .borrow_mut()
            .titles
            .insert(id.clone(), title.clone());
        let farm = Rc::clone(world);
        world.executor.spawn(FARM, async move {
            farm.executor.sleep_ms(after_ms).await;
            farm.store
                .submit(&title.job, &[scheduler::lifecycle::probe(&id)]);
            farm.work.ring_one();
            farm.attention.ring_one();
        });
    }
}

fn close(world: &Rc<World>) -> Outcome {
    let store = &world.store;
    let mut phases = BTreeMap::new();
    if store.is_clean() {
        for job in world.storage.borrow().titles.keys() {
            store.close(job);
            let phase = store.job(job).map_or("lost", |job| job.phase.as_str());
            *phases.entry(phase).or_default() += 1;
        }
        let depth = store.depth();
        let left = (
            depth.jobs,
            depth.chunks_queued,
            depth.chunks_held,
            depth.units_left,
        );
        store.hold(left == (0, 0, 0, 0), || {
            format!("the farm is not empty: {depth:?}")
        });
        catalog(world);
    }
    let busy = world.busy_until_ms.borrow();
    let (first, last) = (busy.values().min(), busy.values().max());
    let tail_ms = first.zip(last).map_or(0, |(first, last)| last - first);
    let makespan_ms = world.ended.borrow().values().max().copied();
    Outcome {
        seed: world.shape.seed,
        violations: store.violations(),
        last_events: store.tail(),
        log_hash: store.log_hash(),
        counts: store.counts(),
        phases,
        disturbances: world.disturbances.borrow().clone(),
        makespan: makespan_ms.map_or(0.0, |ms| ms as f64 / 1e3),
        tail: tail_ms as f64 / 1e3,
        bound: bound::of(world),
    }
}

/// A job is in the catalog exactly if it is published.
fn catalog(world: &World) {
    let storage = world.storage.borrow();
    for (job, title) in &storage.titles {
        let phase = world.store.job(job).map(|job| job.phase).ok();
        let entry = storage.catalog.get(&title.job.title).map(|(job, _)| job);
        let agrees = (phase == Some(Phase::Published)) == (entry == Some(job));
        world.store.hold(agrees, || {
            format!("{job} is {phase:?}, the catalog says {entry:?}")
        });
    }
}
