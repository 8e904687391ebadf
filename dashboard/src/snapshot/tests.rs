//! Which jobs and findings the page gets of many.

use super::{BUSY_SHOWN, FINDINGS_SHOWN, JOBS_SHOWN, Job, Looker, Snapshot};
use model::Rational;
use model::job::{NewJob, Phase};
use model::qc::{Action, Check, Finding, Verdict};
use scheduler::{Config, JobDetail, Scheduler};
use std::sync::Arc;
use std::time::Duration;
use storage::{SourceRoots, Storage};
use store::memory::MemoryStore;
use store::{Advance, ManualClock, Store};

struct Farm {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    looker: Looker,
}

impl Farm {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let storage = Storage::open("memory:").unwrap();
        let config = Config::new(storage, store.clone(), SourceRoots::default());
        let looker = Looker::new(Scheduler::new(config).unwrap().handle());
        Self {
            store,
            clock,
            looker,
        }
    }

    async fn submit(&self, id: &str) {
        let job = NewJob {
            id: id.parse().unwrap(),
            tenant: "t".parse().unwrap(),
            title: id.parse().unwrap(),
            profile: "web".to_owned(),
            source_url: String::new(),
            urgency: model::job::Urgency::of(50),
            held_max: None,
            traceparent: String::new(),
        };
        self.store.submit(&job, &[]).await.unwrap();
        self.clock.advance(Duration::from_secs(1));
    }

    async fn step(&self, id: &str, from: Phase, to: Phase) {
        let step = Advance {
            from,
            to,
            add: Vec::new(),
            failure: None,
            title_version: None,
        };
        let id = id.parse().unwrap();
        assert!(self.store.advance(&id, &step).await.unwrap());
        self.clock.advance(Duration::from_secs(1));
    }

    /// A job that comes to wait for a person.
    async fn flag(&self, id: &str) {
        self.step(id, Phase::Probing, Phase::Processing).await;
        self.step(id, Phase::Processing, Phase::Review).await;
    }

    async fn look(&mut self) -> Snapshot {
        self.looker.look().await.unwrap()
    }
}

fn waiting(seen: &Snapshot) -> Vec<&str> {
    let waiting = seen
        .jobs
        .iter()
        .filter(|shown| shown.job.phase == Phase::Review);
    waiting.map(|shown| shown.job.id.as_str()).collect()
}

#[tokio::test]
async fn jobs_that_wait_longest_for_a_person_are_shown_and_the_others_counted() {
    let mut farm = Farm::new();
    let many = BUSY_SHOWN + 5;
    let ids: Vec<String> = (0..many).map(|n| format!("flagged-{n}")).collect();
    for id in &ids {
        farm.submit(id).await;
    }
    // Neither the order in which they were accepted nor its reverse.
    let order: Vec<&String> = (0..many).map(|n| &ids[(n * 7 + 3) % many]).collect();
    for id in &order {
        farm.flag(id).await;
    }
    for number in 0..JOBS_SHOWN {
        farm.submit(&format!("new-{number}")).await;
    }
    let seen = farm.look().await;
    assert_eq!(waiting(&seen), order[..BUSY_SHOWN]);
    assert_eq!((seen.more_reviews, seen.more_jobs), (5, true));
    assert_eq!(seen.jobs.len(), JOBS_SHOWN as usize);
}

#[tokio::test]
async fn a_flagged_job_among_the_newest_is_not_counted_as_left_out() {
    let mut farm = Farm::new();
    for number in 0..BUSY_SHOWN + 5 {
        let id = format!("flagged-{number}");
        farm.submit(&id).await;
        farm.flag(&id).await;
    }
    let seen = farm.look().await;
    assert_eq!(waiting(&seen).len(), BUSY_SHOWN + 5);
    assert_eq!((seen.more_reviews, seen.more_jobs), (0, false));
}

#[tokio::test(start_paused = true)]
async fn the_store_is_asked_for_jobs_that_wait_each_ten_seconds_and_shown_ones_are_never_old() {
    let mut farm = Farm::new();
    farm.submit("first").await;
    farm.submit("second").await;
    for number in 0..JOBS_SHOWN {
        farm.submit(&format!("new-{number}")).await;
    }
    farm.flag("first").await;
    assert_eq!(waiting(&farm.look().await), ["first"]);
    farm.flag("second").await;
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(waiting(&farm.look().await), ["first"]);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(waiting(&farm.look().await), ["first", "second"]);

    farm.step("first", Phase::Review, Phase::Packaging).await;
    let seen = farm.look().await;
    assert_eq!(waiting(&seen), ["second"]);
    assert_eq!(seen.more_reviews, 0);
}

#[tokio::test]
async fn no_finding_that_decides_is_cut_off() {
    let finding = |action, second| Finding {
        check: Check::Freeze,
        action,
        track: "video".to_owned(),
        start: Some(Rational::whole(second)),
        end: None,
        message: String::new(),
    };
    let noted = (0..60).map(|second| finding(Action::Pass, second));
    let decide = [finding(Action::Flag, 90), finding(Action::Reject, 100)];
    let farm = Farm::new();
    farm.submit("j1").await;
    let detail = JobDetail {
        job: farm.store.job(&"j1".parse().unwrap()).await.unwrap(),
        tasks: Vec::new(),
        waiting_for: String::new(),
        verdict: Some(Verdict {
            action: Action::Reject,
            findings: noted.chain(decide).collect(),
            checked: 10,
            not_applicable: Vec::new(),
        }),
        published: None,
        plan: None,
    };
    let shown = Job::from(detail).verdict.unwrap().findings;
    assert_eq!(shown.len(), FINDINGS_SHOWN);
    let first: Vec<_> = shown.iter().take(4).map(|finding| finding.action).collect();
    use Action::{Flag, Pass, Reject};
    assert_eq!(first, [Reject, Flag, Pass, Pass]);
    assert_eq!(shown[2].start, Some(Rational::ZERO), "in order of time");
}
