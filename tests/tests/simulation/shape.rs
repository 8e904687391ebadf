//! The measures of a farm and of its troubles, drawn from a seed.

use super::costs::Skew;
use super::random::Random;
use model::plan::Plan;
use std::time::Duration;
use store::{Share, Steal};

const HOUR_MS: u64 = 3_600_000;

/// How long a request for work waits for some, as in the scheduler, and where nothing is to come of asking.
const TAKE_WAIT_MS: u64 = 20_000;
const IDLE_WAIT_MS: u64 = 600_000;

/// What a title of [`Shape::large`] has on average.
const UNITS_OF_A_TITLE: u32 = 1_300;

/// How work is cut and moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Splitting {
    /// As planned, and split by whoever is idle.
    Stolen,
    /// Chunks of so many segments in one queue; nobody splits.
    Fixed(u32),
    /// A title's pictures are one chunk; nobody splits.
    Never,
}

impl Splitting {
    pub(crate) const fn steal(self) -> Steal {
        match self {
            Self::Stolen => Steal::WhenIdle,
            Self::Fixed(_) | Self::Never => Steal::Never,
        }
    }

    /// Cuts the chunks of a plan anew.
    pub(crate) fn cut(self, plan: &mut Plan) {
        let Some(video) = &mut plan.video else {
            return;
        };
        let segments = video.grid.segments();
        let each = match self {
            Self::Stolen => return,
            Self::Fixed(each) => each,
            Self::Never => segments,
        };
        let starts = (0..segments).step_by(each as usize);
        video.chunks = starts
            .map(|start| start..segments.min(start + each))
            .collect();
    }
}

/// What goes wrong, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Troubles {
    /// Nothing more goes wrong after it.
    pub(crate) until_ms: u64,
    /// Usual distance of two troubles of one node.
    pub(crate) each_ms: u64,
    /// Of the calls: the request is lost, the answer is lost, it is done once more later.
    pub(crate) request_lost: f64,
    pub(crate) answer_lost: f64,
    pub(crate) doubled: f64,
    /// Of the units: the attempt fails.
    pub(crate) attempt_fails: f64,
    /// Of the decisions: the replica dies on the way, or stops for a while.
    pub(crate) replica_dies: f64,
    pub(crate) replica_stalls: f64,
    /// Of the jobs: a person ends it.
    pub(crate) cancelled: f64,
}

/// The measures of a farm.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) seed: u64,
    pub(crate) nodes: u32,
    pub(crate) slots: u32,
    pub(crate) replicas: u32,
    pub(crate) jobs: u32,
    /// Segments of titles.
    pub(crate) shortest: u32,
    pub(crate) longest: u32,
    /// Jobs arrive within it.
    pub(crate) arrivals_ms: u64,
    /// Slowest and fastest node.
    pub(crate) speeds: (f64, f64),
    pub(crate) segment_seconds: f64,
    pub(crate) skew: Skew,
    /// From the first claim of a chunk until its worker has opened the source and is at the segment.
    pub(crate) start_ms: u64,
    /// What it takes longer where the source is not at hand.
    pub(crate) fetch_ms: u64,
    /// Part of a unit that is made when the next one is claimed.
    pub(crate) claims_at: f64,
    /// Distance of looks of a request that has waited for a while, and how long one waits.
    pub(crate) patient_look_ms: u64,
    pub(crate) take_wait_ms: u64,
    /// Whether nodes say what units took.
    pub(crate) learns: bool,
    /// Slots for which titles are cut; those of the farm when `None`.
    pub(crate) cut_for: Option<u32>,
    /// Whether all is of one tenant and equally urgent, so that the queue is first in, first out.
    pub(crate) is_plain: bool,
    pub(crate) heartbeat: Duration,
    pub(crate) splitting: Splitting,
    pub(crate) troubles: Option<Troubles>,
    /// What tenants get, where that is not the usual.
    pub(crate) shares: Vec<(&'static str, Share)>,
    pub(crate) look_each: u64,
    /// Virtual time after which a farm that has not ended its jobs never will.
    pub(crate) horizon_ms: u64,
}

impl Shape {
    /// A small farm with everything that can go wrong.
    pub(crate) fn troubled(seed: u64) -> Self {
        let random = Random::named(seed, "shape");
        let troubles = Troubles {
            until_ms: random.between(60_000, 600_000),
            each_ms: random.between(20_000, 200_000),
            request_lost: random.real(0.0, 0.04),
            answer_lost: random.real(0.0, 0.04),
            doubled: random.real(0.0, 0.08),
            attempt_fails: random.real(0.0, 0.05),
            replica_dies: random.real(0.0, 0.1),
            replica_stalls: random.real(0.0, 0.1),
            cancelled: 0.05,
        };
        Self {
            troubles: Some(troubles),
            ..Self::calm(seed)
        }
    }

    /// The same farm where nothing goes wrong.
    pub(crate) fn calm(seed: u64) -> Self {
        let random = Random::named(seed, "calm");
        Self {
            seed,
            nodes: random.between(2, 9) as u32,
            slots: random.between(1, 3) as u32,
            replicas: random.between(1, 3) as u32,
            jobs: random.between(1, 4) as u32,
            shortest: 3,
            longest: 40,
            arrivals_ms: random.between(0, 60_000),
            speeds: (0.5, 2.0),
            segment_seconds: random.real(2.0, 30.0),
            skew: Skew::Pareto,
            start_ms: 0,
            fetch_ms: 0,
            claims_at: 0.0,
            patient_look_ms: 2_000,
            take_wait_ms: TAKE_WAIT_MS,
            learns: true,
            cut_for: None,
            is_plain: false,
            heartbeat: Duration::from_secs(2),
            splitting: Splitting::Stolen,
            troubles: None,
            shares: Vec::new(),
            look_each: 1,
            horizon_ms: 12 * HOUR_MS,
        }
    }

    /// Many nodes with about so many units each and nothing that goes wrong, to see how long a farm takes.
    pub(crate) fn large(seed: u64, nodes: u32, units: u32, splitting: Splitting) -> Self {
        // Where nothing is split, work comes only with a ring: looks and beats are for nothing, and the
        // nodes that wait for the last whole title would ask a hundred million times.
        let (look_ms, wait_ms, heartbeat) = match splitting {
            Splitting::Stolen => (2_000, TAKE_WAIT_MS, Duration::from_secs(20)),
            Splitting::Fixed(_) | Splitting::Never => (
                IDLE_WAIT_MS,
                IDLE_WAIT_MS,
                Duration::from_millis(IDLE_WAIT_MS),
            ),
        };
        Self {
            nodes,
            slots: 1,
            replicas: 2,
            jobs: (nodes * units / UNITS_OF_A_TITLE).max(4),
            shortest: 400,
            longest: 2_400,
            arrivals_ms: 0,
            segment_seconds: 20.0,
            skew: Skew::Scenes,
            start_ms: 500,
            fetch_ms: 1_500,
            claims_at: 0.75,
            patient_look_ms: look_ms,
            take_wait_ms: wait_ms,
            is_plain: true,
            heartbeat,
            splitting,
            look_each: u64::MAX,
            // Where titles are not split, the longest takes more than a day.
            horizon_ms: 30 * 24 * HOUR_MS,
            ..Self::calm(seed)
        }
    }

    /// Many nodes with everything that can go wrong; of so many changes one is looked at whole.
    pub(crate) fn large_and_troubled(seed: u64, nodes: u32) -> Self {
        Self {
            nodes,
            jobs: (nodes / 4).max(4),
            shortest: 20,
            longest: 400,
            look_each: u64::from(nodes).max(1),
            ..Self::troubled(seed)
        }
    }

    pub(crate) fn lease_ttl(&self) -> Duration {
        self.heartbeat * 3
    }
}
