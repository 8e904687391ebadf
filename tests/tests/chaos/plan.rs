//! What befalls a farm, and when, as a function of a seed alone. Each place has a stream of chance of its
//! own, so that another number of nodes does not move what befalls the rest.
//!
//! The one fact to know: the plan can be had again, the run cannot. Processes and kernels keep their own
//! time, so a seed that failed is likely to fail again and not certain to.

use std::collections::BTreeMap;
use std::time::Duration;

/// Nodes of the farm.
pub(crate) const NODES: usize = 4;
/// Schedulers of the farm; node `n` talks to scheduler `n % SCHEDULERS`.
pub(crate) const SCHEDULERS: usize = 2;

/// How long a farm is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storm {
    /// For a check of every change.
    Brief,
    /// For a search.
    Short,
    /// For a search of what takes long to happen.
    Long,
}

impl Storm {
    /// No disturbance begins later.
    const fn last_begins_ms(self) -> u64 {
        match self {
            Self::Brief => 5_000,
            Self::Short => 20_000,
            Self::Long => 45_000,
        }
    }

    /// Mean of the calm between two disturbances of a place.
    const fn calm_ms(self) -> u64 {
        match self {
            Self::Brief => 3_000,
            Self::Short | Self::Long => 8_000,
        }
    }

    /// By which its test is found.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Brief => "brief_storms",
            Self::Short => "short_storms",
            Self::Long => "long_storms",
        }
    }

    /// Seconds of each long title: they keep the farm busy as long as it is disturbed.
    pub(crate) const fn long_titles(self) -> &'static [u32] {
        match self {
            Self::Brief => &[12],
            Self::Short => &[40],
            Self::Long => &[60, 61],
        }
    }
}

/// Longer than a lease lasts: three heartbeats of two seconds.
const OUTLASTS_A_LEASE_MS: u64 = 7_000;

/// None lasts longer.
const LASTS_MAX_MS: u64 = 9_000;

/// Somewhere in a farm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spot {
    /// A scheduler process.
    Scheduler(usize),
    /// A node agent with its workers.
    Node(usize),
    /// The server that coordinates.
    Redis,
    /// The way of a node to its scheduler.
    NodeWay(usize),
    /// The way of a scheduler to Redis.
    RedisWay(usize),
}

/// What befalls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// A process is killed (SIGKILL) and stays away. Of a node the agent alone: its workers must follow.
    Kill,
    /// A process is told to end (SIGTERM), is killed when it takes too long, and is started again.
    Restart,
    /// A process and its children are stopped (SIGSTOP) and go on later.
    Freeze,
    /// Connections break, and none can be made.
    Cut,
    /// Nothing is carried, in either direction, and no connection breaks.
    Stall,
    /// Requests arrive, answers do not; then the connections break.
    LoseAnswers,
    /// All is carried, each time after so many milliseconds.
    Delay(u64),
}

impl Trouble {
    /// Its name without its numbers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Freeze => "freeze",
            Self::Cut => "cut",
            Self::Stall => "stall",
            Self::LoseAnswers => "lose answers",
            Self::Delay(_) => "delay",
        }
    }
}

/// One disturbance; of one place there is one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disturbance {
    pub(crate) spot: Spot,
    pub(crate) trouble: Trouble,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// All that befalls a farm, and when titles are given to it, from the start on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// By the time at which they begin.
    pub(crate) disturbances: Vec<Disturbance>,
    /// When the n-th title is submitted, and to which scheduler first.
    pub(crate) submissions: Vec<(Duration, usize)>,
}

impl Plan {
    /// Nothing happens but that titles come.
    pub(crate) fn calm(titles: usize) -> Self {
        Self {
            disturbances: Vec::new(),
            submissions: vec![(Duration::ZERO, 0); titles],
        }
    }

    /// What a seed says.
    pub(crate) fn of(seed: u64, storm: Storm, titles: usize) -> Self {
        let schedulers = 0..SCHEDULERS;
        let spots = [Spot::Redis]
            .into_iter()
            .chain(schedulers.clone().map(Spot::Scheduler))
            .chain(schedulers.map(Spot::RedisWay))
            .chain((0..NODES).map(Spot::Node))
            .chain((0..NODES).map(Spot::NodeWay));
        let mut disturbances: Vec<_> = spots.flat_map(|spot| befall(seed, storm, spot)).collect();
        disturbances.sort_by_key(|one| (one.from, one.spot));
        let mut chance = Chance::named(seed, "people");
        let submissions = (0..titles)
            .map(|_| {
                let at = Duration::from_millis(chance.between(0, storm.last_begins_ms() / 4));
                (at, chance.between(0, SCHEDULERS as u64 - 1) as usize)
            })
            .collect();
        Self {
            disturbances,
            submissions,
        }
    }

    /// How many there are of each kind.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for one in &self.disturbances {
            *counts.entry(one.trouble.name()).or_insert(0) += 1;
        }
        counts
    }
}

fn befall(seed: u64, storm: Storm, spot: Spot) -> Vec<Disturbance> {
    let mut chance = Chance::named(seed, &format!("{spot:?}"));
    let mut found = Vec::new();
    let mut from = chance.between(500, 2 * storm.calm_ms());
    while from <= storm.last_begins_ms() {
        let (trouble, lasts) = one_of(spot, &mut chance);
        let until = from + lasts.min(LASTS_MAX_MS);
        found.push(Disturbance {
            spot,
            trouble,
            from: Duration::from_millis(from),
            until: Duration::from_millis(until),
        });
        from = until + chance.between(2_000, 2 * storm.calm_ms());
    }
    found
}

/// What befalls a place, and for how many milliseconds.
fn one_of(spot: Spot, chance: &mut Chance) -> (Trouble, u64) {
    match spot {
        Spot::Scheduler(_) => match chance.between(0, 2) {
            0 => (Trouble::Kill, chance.between(0, 5_000)),
            1 => (Trouble::Restart, LASTS_MAX_MS),
            _ => (Trouble::Freeze, chance.between(1_000, LASTS_MAX_MS)),
        },
        Spot::Node(_) => match chance.between(0, 4) {
            0..2 => (Trouble::Kill, chance.between(0, 4_000)),
            2 => (Trouble::Restart, LASTS_MAX_MS),
            _ => (
                Trouble::Freeze,
                chance.between(OUTLASTS_A_LEASE_MS, LASTS_MAX_MS),
            ),
        },
        Spot::Redis => match chance.between(0, 1) {
            0 => (Trouble::Kill, chance.between(0, 5_000)),
            _ => (Trouble::Freeze, chance.between(1_000, LASTS_MAX_MS)),
        },
        Spot::NodeWay(_) | Spot::RedisWay(_) => match chance.between(0, 3) {
            0 => (Trouble::Cut, chance.between(0, LASTS_MAX_MS)),
            1 => (Trouble::Stall, chance.between(1_000, LASTS_MAX_MS)),
            2 => (Trouble::LoseAnswers, chance.between(200, 3_000)),
            _ => {
                let delay = Trouble::Delay(chance.between(20, 300));
                (delay, chance.between(2_000, LASTS_MAX_MS))
            }
        },
    }
}

/// Numbers that look random and can be had again: SplitMix64 (Steele, Lea and Flood 2014), its state set
/// by a hash of seed and name (FNV-1a).
struct Chance(u64);

impl Chance {
    fn named(seed: u64, name: &str) -> Self {
        let bytes = seed.to_le_bytes().into_iter().chain(name.bytes());
        Self(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// `low` and `high` included.
    fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (bits ^ (bits >> 31)) % (high - low + 1)
    }
}

#[test]
fn a_seed_is_one_plan_and_each_disturbance_has_an_end() {
    let of = |seed| Plan::of(seed, Storm::Short, 3);
    let plan = of(3);
    assert_eq!(plan, of(3));
    assert_ne!(plan, of(4));
    let mut kinds = BTreeMap::new();
    for seed in 0..50 {
        let plan = of(seed);
        kinds.extend(plan.counts());
        for one in &plan.disturbances {
            assert!(one.from <= one.until, "{one:?}");
            let last_ms = Storm::Short.last_begins_ms() + LASTS_MAX_MS;
            let last = Duration::from_millis(last_ms);
            assert!(one.until <= last, "{one:?}");
            let others = plan.disturbances.iter().filter(|it| it.spot == one.spot);
            let overlaps = others.filter(|it| it.from <= one.until && one.from <= it.until);
            assert_eq!(overlaps.count(), 1, "{one:?}");
        }
    }
    assert_eq!(kinds.len(), 7, "{kinds:?}");
}
