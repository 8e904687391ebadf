//! Whether this node is fit for work. A host with a bad disk, bad memory or a broken build fails every
//! attempt, and fast, so that it would take work from the whole farm and waste it. After some failures of
//! its own over different jobs, with no work done between them, it stops taking work and says so; after
//! a pause one slot tries one chunk, and work that is done makes the node fit again.
//!
//! The one fact to know: a source that crashes workers looks the same from here. That is why it takes
//! different jobs, and why the pause ends by itself.

use model::task::TaskKind;
use model::{Failure, FailureKind, JobId};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Failures in a row that make a node unfit.
const FAILURES_MAX: u32 = 5;

/// They must be of so many jobs at least.
const JOBS_MIN: usize = 2;

const FIRST_PAUSE: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// Longest text of a failure in the reason.
const FAILURE_CHARS_MAX: usize = 160;

/// Shared by all slots of an agent.
pub(crate) struct Health {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    failures: u32,
    jobs: BTreeSet<JobId>,
    unfit: Option<Unfit>,
}

struct Unfit {
    reason: String,
    /// When one slot may try.
    until: Instant,
    pause: Duration,
    on_trial: bool,
}

/// The right to take one chunk.
pub(super) struct Permit {
    health: Arc<Health>,
    is_trial: bool,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }
}

/// Whether work of this kind shows that workers work.
const fn is_done_by_a_worker(kind: &TaskKind) -> bool {
    match kind {
        TaskKind::Probe
        | TaskKind::Encode { .. }
        | TaskKind::Audio { .. }
        | TaskKind::Text { .. }
        | TaskKind::Images => true,
        TaskKind::Qc | TaskKind::Package | TaskKind::Verify => false,
    }
}

impl Health {
    /// Why this node takes no work; empty while it does.
    pub(super) fn reason(&self) -> String {
        let state = self.state.lock();
        state
            .unfit
            .as_ref()
            .map_or_else(String::new, |unfit| unfit.reason.clone())
    }

    /// Hears of changes.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Waits until a slot may take a chunk.
    pub(super) async fn permit(self: &Arc<Self>) -> Permit {
        loop {
            let mut changes = self.changes();
            let until = match self.try_permit(Instant::now()) {
                Ok(is_trial) => {
                    let health = Arc::clone(self);
                    return Permit { health, is_trial };
                }
                Err(until) => until,
            };
            let pause = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = pause => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// Whether the permit is for a trial, or when to ask again; on a change, where there is no time.
    fn try_permit(&self, now: Instant) -> Result<bool, Option<Instant>> {
        match &mut self.state.lock().unfit {
            None => Ok(false),
            Some(unfit) if unfit.on_trial => Err(None),
            Some(unfit) if unfit.until > now => Err(Some(unfit.until)),
            Some(unfit) => {
                unfit.on_trial = true;
                Ok(true)
            }
        }
    }

    /// An attempt failed.
    pub(super) fn failed(&self, job: &JobId, failure: &Failure) {
        if !matches!(failure.kind, FailureKind::NodeFault | FailureKind::Bug) {
            return;
        }
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        if state.jobs.len() < JOBS_MIN {
            state.jobs.insert(job.clone());
        }
        let (failures, jobs) = (state.failures, state.jobs.len());
        if failures < FAILURES_MAX || jobs < JOBS_MIN {
            return;
        }
        let (pause, on_trial) = match &state.unfit {
            None => (FIRST_PAUSE, false),
            Some(unfit) if unfit.on_trial => ((unfit.pause * 2).min(PAUSE_MAX), true),
            // Taken before the node was unfit: nothing new.
            Some(_) => return,
        };
        let reason = format!(
            "{failures} attempts of {jobs} jobs or more failed here without work done between, \
             the last: {}",
            shown(failure)
        );
        tracing::error!(reason, ?pause, "this node is unfit and takes no work");
        state.unfit = Some(Unfit {
            reason,
            until: Instant::now() + pause,
            pause,
            on_trial,
        });
        drop(state);
        self.changed.send_replace(());
    }

    /// Work was done and not found.
    pub(super) fn worked(&self, kind: &TaskKind) {
        if !is_done_by_a_worker(kind) {
            return;
        }
        let before = std::mem::take(&mut *self.state.lock());
        if before.unfit.is_some() {
            tracing::info!("this node is fit again");
            self.changed.send_replace(());
        }
    }
}

/// A failure on one line.
fn shown(failure: &Failure) -> String {
    let text = failure.to_string();
    let letters = text.chars().take(FAILURE_CHARS_MAX);
    letters
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_trial {
            return;
        }
        if let Some(unfit) = &mut self.health.state.lock().unfit {
            unfit.on_trial = false;
        }
        self.health.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn failure(kind: FailureKind) -> Failure {
        Failure::new(kind, "probe", "worker crashed\nbadly")
    }

    fn fail(health: &Health, kind: FailureKind, jobs: &[&str]) {
        for job in jobs {
            health.failed(&job.parse().unwrap(), &failure(kind));
        }
    }

    const ROW: [&str; 5] = ["a", "b", "a", "b", "a"];

    #[test]
    fn failures_of_its_own_over_different_jobs_make_a_node_unfit() {
        let health = Health::default();
        fail(&health, FailureKind::NodeFault, &ROW[..4]);
        assert_eq!(health.reason(), "");
        fail(&health, FailureKind::Bug, &ROW[4..]);
        let reason = health.reason();
        assert!(reason.starts_with("5 attempts of 2 jobs"), "{reason}");
        assert!(reason.ends_with("worker crashed badly"), "{reason}");
    }

    #[test]
    fn one_job_faults_of_others_and_work_done_between_do_not() {
        let health = Health::default();
        fail(&health, FailureKind::NodeFault, &["a"; 9]);
        assert_eq!(health.reason(), "", "one job may be to blame");
        health.worked(&TaskKind::Probe);
        for kind in [FailureKind::BadInput, FailureKind::Storage] {
            fail(&health, kind, &ROW);
        }
        for _ in 0..3 {
            fail(&health, FailureKind::NodeFault, &ROW[..4]);
            health.worked(&TaskKind::Images);
        }
        assert_eq!(health.reason(), "");
        fail(&health, FailureKind::NodeFault, &ROW[..4]);
        health.worked(&TaskKind::Package);
        fail(&health, FailureKind::NodeFault, &ROW[4..]);
        assert_ne!(health.reason(), "", "packaging needs no worker");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unfit_node_tries_one_chunk_after_a_pause_that_grows() {
        let health = Arc::new(Health::default());
        fail(&health, FailureKind::NodeFault, &ROW);
        let start = Instant::now();
        for pause in [60, 120, 240, 480, 900, 900] {
            let began = Instant::now();
            let permit = health.permit().await;
            assert!(permit.is_trial);
            assert_eq!(began.elapsed().as_secs(), pause);
            assert!(health.permit().now_or_never().is_none(), "two trials");
            fail(&health, FailureKind::NodeFault, &["c"]);
        }
        fail(&health, FailureKind::NodeFault, &["d"]);
        assert!(start.elapsed() > PAUSE_MAX);
        let permit = health.permit().await;
        health.worked(&TaskKind::Probe);
        assert_eq!(health.reason(), "");
        let second = health.permit().now_or_never().expect("the node is fit");
        assert!(permit.is_trial && !second.is_trial);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_found_no_work_is_given_to_the_next_slot() {
        let health = Arc::new(Health::default());
        fail(&health, FailureKind::NodeFault, &ROW);
        let first = health.permit().await;
        let waiting = health.permit();
        drop(first);
        assert!(waiting.await.is_trial);
    }
}
