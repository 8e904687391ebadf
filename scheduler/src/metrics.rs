//! What monitoring reads, in the OpenMetrics 1.0 text format. Counters are of this process since its
//! start: sum them over replicas. Gauges are of the whole farm and the same in every replica.

use crate::handle::Capacity;
use model::FailureKind;
use model::job::Phase;
use model::task::Committed;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use store::Disposition;

type Labels = Vec<(&'static str, &'static str)>;

/// Counters of one scheduler process.
#[derive(Default)]
pub(crate) struct Metrics {
    failures: Family<Labels, Counter>,
    units: Family<Labels, Counter>,
    jobs: Family<Labels, Counter>,
    failed_jobs: Family<Labels, Counter>,
}

impl Metrics {
    /// Every series from the start, so that the first failure is a rise and not a beginning.
    pub(crate) fn new() -> Self {
        let metrics = Self::default();
        for kind in FailureKind::ALL {
            for outcome in [RETRY, DEAD] {
                metrics.failures_of(kind, outcome);
            }
        }
        for kind in FailureKind::ALL {
            metrics.failed_jobs.get_or_create_owned(&of_kind(kind));
        }
        for phase in Phase::ALL {
            metrics.jobs.get_or_create_owned(&of_phase(phase));
        }
        for answer in ANSWERS {
            metrics.units.get_or_create_owned(&answered(answer));
        }
        metrics
    }

    fn failures_of(&self, kind: FailureKind, outcome: &'static str) -> Counter {
        let labels = vec![("kind", kind.as_str()), ("outcome", outcome)];
        self.failures.get_or_create_owned(&labels)
    }

    /// An attempt failed, and this follows.
    pub(crate) fn attempt_failed(&self, kind: FailureKind, disposition: &Disposition) {
        let outcome = match disposition {
            Disposition::Retry { .. } => RETRY,
            Disposition::Dead => DEAD,
        };
        self.failures_of(kind, outcome).inc();
    }

    /// A unit was committed, with this answer.
    pub(crate) fn committed(&self, committed: Committed) {
        self.units.get_or_create(&answered(committed)).inc();
    }

    /// A job went into a phase.
    pub(crate) fn phase(&self, phase: Phase) {
        self.jobs.get_or_create(&of_phase(phase)).inc();
    }

    /// A job failed or was rejected, for a reason of this class.
    pub(crate) fn job_failed(&self, kind: FailureKind) {
        self.failed_jobs.get_or_create(&of_kind(kind)).inc();
    }

    /// Everything as text. Without a capacity the store did not answer.
    pub(crate) fn text(&self, capacity: Option<&Capacity>) -> String {
        let mut registry = Registry::with_prefix("magpie");
        let failed = "Attempts that failed, by class of failure and what followed";
        registry.register("failures", failed, self.failures.clone());
        let units = "Commits of units, by the answer of the store";
        registry.register("units_committed", units, self.units.clone());
        let jobs = "Jobs that went into a phase";
        registry.register("job_phases", jobs, self.jobs.clone());
        let failed = "Jobs that failed or were rejected, by class of failure";
        registry.register("job_failures", failed, self.failed_jobs.clone());
        let up = Gauge::<i64>::default();
        up.set(i64::from(capacity.is_some()));
        registry.register("store_up", "Whether the store answered", up);
        if let Some(capacity) = capacity {
            register(&mut registry, capacity);
        }
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

const RETRY: &str = "retry";
const DEAD: &str = "dead";
const ANSWERS: [Committed; 5] = [
    Committed::Accepted,
    Committed::Adopted,
    Committed::Already,
    Committed::Conflict,
    Committed::Gone,
];

fn of_phase(phase: Phase) -> Labels {
    vec![("phase", phase.as_str())]
}

fn of_kind(kind: FailureKind) -> Labels {
    vec![("kind", kind.as_str())]
}

fn answered(committed: Committed) -> Labels {
    let answer = match committed {
        Committed::Accepted => "accepted",
        Committed::Adopted => "adopted",
        Committed::Already => "already",
        Committed::Conflict => "conflict",
        Committed::Gone => "gone",
    };
    vec![("answer", answer)]
}

fn register(registry: &mut Registry, capacity: &Capacity) {
    let depth = &capacity.depth;
    let mut gauge = |name: &str, help: &str, value: f64| {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge("jobs_open", "Jobs that have not ended", depth.jobs as f64);
    let queued = "Chunks that wait for a node";
    gauge("chunks_queued", queued, depth.chunks_queued as f64);
    let paused = "Chunks of paused jobs that no node holds";
    gauge("chunks_paused", paused, depth.chunks_paused as f64);
    let held = "Chunks that a node holds";
    gauge("chunks_held", held, depth.chunks_held as f64);
    let dead = "Chunks that rest in the DLQ until a person acts";
    gauge("chunks_dead", dead, depth.dead as f64);
    let units = "Units of chunks that wait for a node or are held";
    gauge("units_left", units, depth.units_left as f64);
    let work = "Expected work in those units";
    gauge("work_left_seconds", work, depth.seconds_left);
    gauge("nodes", "Nodes that are alive", f64::from(capacity.nodes));
    gauge("slots", "Their slots", f64::from(capacity.slots));
    let busy = "Slots that hold a chunk";
    gauge("slots_busy", busy, f64::from(capacity.slots_busy));
    let recover = "Jobs in storage that the recovery has not looked at yet";
    gauge("jobs_to_recover", recover, capacity.to_recover as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_kind_and_what_followed() {
        let metrics = Metrics::new();
        metrics.attempt_failed(FailureKind::Storage, &Disposition::Dead);
        metrics.attempt_failed(FailureKind::Storage, &Disposition::Dead);
        let text = metrics.text(None);
        let line = |kind: &str, outcome: &str, count: u32| {
            format!("magpie_failures_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} {count}\n")
        };
        assert!(text.contains(&line("storage", "dead", 2)), "{text}");
        assert!(text.contains(&line("storage", "retry", 0)), "{text}");
        for kind in FailureKind::ALL {
            assert!(text.contains(&format!("{{kind=\"{kind}\"")), "{kind}");
        }
        assert!(text.contains("magpie_store_up 0\n") && !text.contains("magpie_nodes"));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn what_waits_for_a_node_and_what_is_paused_are_told_apart() {
        let mut capacity = Capacity::default();
        (capacity.depth.chunks_queued, capacity.depth.chunks_paused) = (2, 3);
        let text = Metrics::new().text(Some(&capacity));
        assert!(text.contains("\nmagpie_chunks_queued 2.0\n"), "{text}");
        assert!(text.contains("\nmagpie_chunks_paused 3.0\n"), "{text}");
    }

    #[test]
    fn alerts_ask_for_what_there_is() {
        let text = Metrics::new().text(Some(&Capacity::default()));
        let rules = include_str!("../../deploy/prometheus/alerts.yaml");
        let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let mut asked = 0;
        for name in words.filter(|word| word.starts_with("magpie_")) {
            asked += 1;
            assert!(text.contains(&format!("\n{name}")), "{name} is not told");
        }
        assert!(asked > 5);
        for kind in FailureKind::ALL {
            // Cancelled attempts are nobody's trouble.
            let is_named = rules.contains(kind.as_str());
            assert_eq!(is_named, kind != FailureKind::Cancelled, "{kind}");
        }
    }
}
