//! Whether this node is fit for work. A host with a bad disk, bad memory or a broken build fails every
//! attempt, and fast, so that it would take work from the whole farm and waste it. After some failures of
//! its own over different jobs within half an hour, with no work done between them, it stops taking work
//! and says so; after a pause one slot tries one chunk, and work that is done makes the node fit again.
//!
//! A verdict of a worker about its source is work done too; what an agent finds wrong without one, such as a
//! source that is not there, is not. What one of our invariants does not hold for fails alike on every node,
//! and says nothing about this one.
//!
//! The one fact to know: a source that crashes workers looks the same from here. That is why it takes
//! different jobs, and why the pause ends by itself.

use model::task::TaskKind;
use model::{Failure, FailureKind, JobId};
use parking_lot::Mutex;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Failures in a row that make a node unfit.
const FAILURES_MAX: usize = 5;

/// They must be of so many jobs at least.
const JOBS_MIN: usize = 2;

/// An older failure is no part of the row: a host on which little is done would else add up what days
/// lie between.
const ROW_MAX: Duration = Duration::from_secs(30 * 60);

/// Failures remembered: of more, the first are forgotten.
const REMEMBERED_MAX: usize = 64;

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
    /// Failures since work was done, oldest first; kept whole while the node is unfit.
    row: VecDeque<(Instant, JobId)>,
    unfit: Option<Unfit>,
}

struct Unfit {
    reason: String,
    /// When one slot may try.
    until: Instant,
    pause: Duration,
    on_trial: bool,
}

/// The right to take one chunk, and whom to tell what became of it.
pub(crate) struct Permit {
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

    /// This node broke an attempt.
    fn broke(&self, job: &JobId, failure: &Failure, is_trial: bool) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let pause = match &state.unfit {
            None => {
                let is_old = |at: Instant| now.saturating_duration_since(at) >= ROW_MAX;
                state.row.retain(|(at, _)| !is_old(*at));
                FIRST_PAUSE
            }
            Some(unfit) if is_trial => (unfit.pause * 2).min(PAUSE_MAX),
            // Taken before the node was unfit: nothing new.
            Some(_) => return,
        };
        state.row.push_back((now, job.clone()));
        if state.row.len() > REMEMBERED_MAX {
            state.row.pop_front();
        }
        let failures = state.row.len();
        let jobs: BTreeSet<&JobId> = state.row.iter().map(|(_, job)| job).collect();
        let jobs = jobs.len();
        if state.unfit.is_none() && (failures < FAILURES_MAX || jobs < JOBS_MIN) {
            return;
        }
        let reason = format!(
            "{failures} attempts of {jobs} jobs failed here without work done between, the last: {}",
            shown(failure)
        );
        tracing::error!(reason, ?pause, "this node is unfit and takes no work");
        state.unfit = Some(Unfit {
            reason,
            until: now + pause,
            pause,
            on_trial: is_trial,
        });
        drop(state);
        self.changed.send_replace(());
    }

    /// Work was done here.
    fn worked(&self) {
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

impl Permit {
    /// Work of this kind was done and not found.
    pub(super) fn worked(&self, kind: &TaskKind) {
        if is_done_by_a_worker(kind) {
            self.health.worked();
        }
    }

    /// A worker said what is wrong with its source.
    pub(crate) fn judged(&self) {
        self.health.worked();
    }

    /// An attempt failed.
    pub(super) fn failed(&self, _: &TaskKind, job: &JobId, failure: &Failure) {
        match failure.kind {
            FailureKind::NodeFault => self.health.broke(job, failure, self.is_trial),
            // Who said so is not known here; workers have said it before.
            FailureKind::BadInput
            | FailureKind::Unsupported
            | FailureKind::Policy
            | FailureKind::Drm
            | FailureKind::Storage
            | FailureKind::Transient
            | FailureKind::Exhausted
            | FailureKind::Cancelled
            | FailureKind::Bug => {}
        }
    }
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

    fn fit() -> Permit {
        let health = Arc::new(Health::default());
        let permit = health.permit().now_or_never();
        permit.expect("a new node is fit")
    }

    fn fail(permit: &Permit, kind: FailureKind, jobs: &[&str]) {
        for job in jobs {
            permit.failed(&TaskKind::Probe, &job.parse().unwrap(), &failure(kind));
        }
    }

    const ROW: [&str; 5] = ["a", "b", "a", "b", "a"];

    #[tokio::test]
    async fn failures_of_its_own_over_different_jobs_make_a_node_unfit() {
        let permit = fit();
        fail(&permit, FailureKind::NodeFault, &ROW[..4]);
        assert_eq!(permit.health.reason(), "");
        fail(&permit, FailureKind::NodeFault, &ROW[4..]);
        let reason = permit.health.reason();
        assert!(reason.starts_with("5 attempts of 2 jobs"), "{reason}");
        assert!(reason.ends_with("worker crashed badly"), "{reason}");
    }

    #[tokio::test]
    async fn one_job_faults_of_others_and_work_done_between_do_not() {
        let permit = fit();
        fail(&permit, FailureKind::NodeFault, &["a"; 99]);
        assert_eq!(permit.health.reason(), "", "one job may be to blame");
        permit.worked(&TaskKind::Probe);
        for kind in [FailureKind::Bug, FailureKind::Storage] {
            fail(&permit, kind, &ROW);
        }
        for _ in 0..3 {
            fail(&permit, FailureKind::NodeFault, &ROW[..4]);
            permit.worked(&TaskKind::Images);
        }
        assert_eq!(permit.health.reason(), "");
        fail(&permit, FailureKind::NodeFault, &ROW[..4]);
        permit.worked(&TaskKind::Package);
        fail(&permit, FailureKind::NodeFault, &ROW[4..]);
        assert_ne!(permit.health.reason(), "", "packaging needs no worker");
    }

    #[tokio::test]
    async fn a_worker_that_can_tell_what_is_wrong_with_a_source_works() {
        let permit = fit();
        fail(&permit, FailureKind::NodeFault, &ROW[..4]);
        permit.judged();
        fail(&permit, FailureKind::NodeFault, &ROW[..4]);
        assert_eq!(permit.health.reason(), "");
        for kind in [FailureKind::BadInput, FailureKind::Unsupported] {
            fail(&permit, kind, &ROW);
        }
        fail(&permit, FailureKind::NodeFault, &ROW[4..]);
        assert_ne!(permit.health.reason(), "", "no worker was asked");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_half_an_hour_lies_between_are_no_row() {
        let permit = fit();
        fail(&permit, FailureKind::NodeFault, &ROW[..4]);
        tokio::time::advance(ROW_MAX).await;
        fail(&permit, FailureKind::NodeFault, &ROW[..4]);
        assert_eq!(permit.health.reason(), "");
        tokio::time::advance(ROW_MAX / 2).await;
        fail(&permit, FailureKind::NodeFault, &ROW[4..]);
        assert_ne!(permit.health.reason(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unfit_node_tries_one_chunk_after_a_pause_that_grows() {
        let old = fit();
        let health = Arc::clone(&old.health);
        fail(&old, FailureKind::NodeFault, &ROW);
        let start = Instant::now();
        for pause in [60, 120, 240, 480, 900, 900] {
            let began = Instant::now();
            let permit = health.permit().await;
            assert!(permit.is_trial);
            assert_eq!(began.elapsed().as_secs(), pause);
            assert!(health.permit().now_or_never().is_none(), "two trials");
            let reason = health.reason();
            fail(&old, FailureKind::NodeFault, &["c"; 2]);
            assert_eq!(health.reason(), reason, "it was taken before");
            assert!(health.permit().now_or_never().is_none(), "two trials");
            fail(&permit, FailureKind::NodeFault, &["c"]);
        }
        fail(&old, FailureKind::NodeFault, &["d"]);
        assert!(start.elapsed() > PAUSE_MAX);
        let permit = health.permit().await;
        permit.worked(&TaskKind::Probe);
        assert_eq!(health.reason(), "");
        let second = health.permit().now_or_never().expect("the node is fit");
        assert!(permit.is_trial && !second.is_trial);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_that_found_no_work_is_given_to_the_next_slot() {
        let old = fit();
        fail(&old, FailureKind::NodeFault, &ROW);
        let first = old.health.permit().await;
        let waiting = old.health.permit();
        drop(first);
        assert!(waiting.await.is_trial);
    }
}
