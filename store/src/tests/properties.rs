//! Whatever happens to a job, in whatever order: splits share what is free and move nothing else, what is
//! committed stays, and phases and states of tasks go only where arrows lead. Events are drawn by
//! proptest, which shortens what fails.

use super::fixture::{Fixture, SECOND, elsewhere, encode, node, record, retry, single, step, want};
use crate::{Disposition, Error, Steal, rules};
use model::JobId;
use model::job::{JobRecord, Phase};
use model::task::{Chunk, Claim, Grant, NewTask, TaskKind, TaskRecord, TaskState};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use std::time::Duration;
use tokio::runtime::Builder;

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    Take(u32, bool),
    Claim(Index),
    /// The first or the last unit that a holder knows of.
    Commit(Index, bool),
    Release(Index),
    Fail(Index, Ending),
    Expire,
    Pass(u64),
    /// From where the job is, or from somewhere.
    Advance(Option<Phase>, Phase),
    Revive,
    Pause(bool),
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Again,
    Elsewhere,
    Dead,
}

fn any_event() -> impl Strategy<Value = Event> {
    let phase = || select(Phase::ALL.to_vec());
    let ending = select(vec![Ending::Again, Ending::Elsewhere, Ending::Dead]);
    prop_oneof![
        10 => (0..4_u32, any::<bool>()).prop_map(|(node, steals)| Event::Take(node, steals)),
        12 => any::<Index>().prop_map(Event::Claim),
        12 => (any::<Index>(), any::<bool>()).prop_map(|(at, last)| Event::Commit(at, last)),
        3 => any::<Index>().prop_map(Event::Release),
        2 => (any::<Index>(), ending).prop_map(|(at, ending)| Event::Fail(at, ending)),
        1 => Just(Event::Expire),
        1 => (1..70_u64).prop_map(Event::Pass),
        2 => phase().prop_map(|to| Event::Advance(None, to)),
        1 => (phase(), phase()).prop_map(|(from, to)| Event::Advance(Some(from), to)),
        2 => Just(Event::Revive),
        1 => any::<bool>().prop_map(Event::Pause),
    ]
}

/// A lease as its holder knows it, with the units that it was given.
struct Held {
    grant: Grant,
    units: Vec<u32>,
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq)]
struct Look {
    job: JobRecord,
    tasks: Vec<TaskRecord>,
}

impl Look {
    fn chunks(&self) -> impl Iterator<Item = (&TaskRecord, &Chunk)> {
        let tasks = self.tasks.iter();
        tasks.flat_map(|task| task.chunks.iter().map(move |chunk| (task, chunk)))
    }
}

/// Units of a chunk that are neither claimed nor committed.
fn free(task: &TaskRecord, chunk: &Chunk) -> Vec<u32> {
    let done = |unit: &u32| task.committed.iter().any(|(known, _)| known == unit);
    (chunk.next..chunk.end).filter(|unit| !done(unit)).collect()
}

struct Life<'a> {
    f: &'a Fixture,
    id: JobId,
    held: Vec<Held>,
}

impl Life<'_> {
    async fn look(&self) -> Look {
        Look {
            job: self.f.store.job(&self.id).await.unwrap(),
            tasks: self.f.store.tasks(&self.id).await.unwrap(),
        }
    }

    fn pick(&mut self, at: &Index) -> Option<&mut Held> {
        let held = self.held.len();
        (held > 0).then(|| &mut self.held[at.index(held)])
    }

    async fn happen(&mut self, event: &Event, before: &Look) {
        let store = self.f.store.clone();
        match event {
            Event::Take(number, steals) => self.take(*number, *steals, before).await,
            Event::Claim(at) => {
                let Some(held) = self.pick(at) else { return };
                let claim = store.claim(&held.grant.chunk, held.grant.token).await;
                if let Ok(Claim::Unit(unit)) = claim {
                    held.units.push(unit);
                }
            }
            Event::Commit(at, last) => {
                let Some(held) = self.pick(at) else { return };
                let unit = if *last {
                    held.units.last()
                } else {
                    held.units.first()
                };
                let Some(unit) = unit.copied() else { return };
                let (chunk, token) = (held.grant.chunk.clone(), held.grant.token);
                store
                    .commit(&chunk, token, unit, &record(unit))
                    .await
                    .unwrap();
            }
            Event::Release(at) => {
                let Some(held) = self.pick(at) else { return };
                let (chunk, token) = (held.grant.chunk.clone(), held.grant.token);
                store.release(&chunk, token).await.unwrap();
            }
            Event::Fail(at, ending) => {
                let Some(held) = self.pick(at) else { return };
                let grant = held.grant.clone();
                let disposition = match ending {
                    Ending::Again => retry(SECOND),
                    Ending::Elsewhere => elsewhere(),
                    Ending::Dead => Disposition::Dead,
                };
                self.f.fail(&grant, disposition).await;
            }
            Event::Expire => {
                for lease in store.expired(100, Duration::ZERO).await.unwrap() {
                    let why = super::fixture::failure("lease ended");
                    let ended = store.fail(&lease.chunk, lease.token, &why, retry(Duration::ZERO));
                    assert!(ended.await.unwrap());
                }
            }
            Event::Pass(seconds) => self.f.pass(Duration::from_secs(*seconds)).await,
            Event::Advance(from, to) => {
                let from = from.unwrap_or(before.job.phase);
                self.advance(from, *to, before).await;
            }
            Event::Revive => {
                let revived = store.revive(&self.id).await;
                assert_eq!(
                    revived.is_ok(),
                    before.job.phase == Phase::Failed,
                    "{revived:?}"
                );
            }
            Event::Pause(paused) => {
                let set = store.set_paused(&self.id, *paused).await;
                assert_eq!(set.is_ok(), !before.job.phase.is_final());
            }
        }
    }

    async fn take(&mut self, number: u32, steals: bool, before: &Look) {
        let steal = if steals {
            Steal::WhenIdle
        } else {
            Steal::Never
        };
        let want = want(&format!("n{number}"), steal);
        let Some(grant) = self.f.store.take(&want).await.unwrap() else {
            return;
        };
        assert!(!before.job.phase.is_final() && !before.job.paused);
        let after = self.look().await;
        let is_new = !before.chunks().any(|(_, chunk)| chunk.id == grant.chunk);
        if is_new {
            assert!(steals, "split without being asked");
            assert_split(before, &after, &grant);
        }
        for (_, chunk) in after.chunks().filter(|(_, chunk)| chunk.id != grant.chunk) {
            let known = before.chunks().find(|(_, known)| known.id == chunk.id);
            let (_, known) = known.expect("one grant makes one chunk");
            let kept = Chunk {
                end: known.end,
                ..chunk.clone()
            };
            let is_victim = is_new && chunk.end == grant.units.start;
            assert!(
                kept == *known && (is_victim || chunk.end == known.end),
                "{chunk:?} changed"
            );
        }
        self.held.push(Held {
            grant,
            units: Vec::new(),
        });
    }

    async fn advance(&self, from: Phase, to: Phase, before: &Look) {
        let add: Vec<NewTask> = vec![single(self.id.as_str(), TaskKind::Images, &["video-v"])];
        let taken = self.f.store.advance(&self.id, &step(from, to, add)).await;
        let after = self.look().await;
        match taken {
            Ok(true) => assert!(from == before.job.phase && after.job.phase == to),
            Ok(false) => {
                assert!(may_step(from, to) && from != before.job.phase && after == *before);
            }
            Err(Error::Conflict { .. }) => assert!(!may_step(from, to) && after == *before),
            Err(error) => panic!("{error}"),
        }
    }
}

/// The thief got the second half of what was free, and the victim kept the rest and what it had claimed.
fn assert_split(before: &Look, after: &Look, grant: &Grant) {
    let (task, half) = after
        .chunks()
        .find(|(_, one)| one.id == grant.chunk)
        .unwrap();
    let victim = half.stolen_from.as_ref().expect("a new chunk is a half");
    let (known_task, known) = before.chunks().find(|(_, one)| one.id == *victim).unwrap();
    let (_, kept) = after.chunks().find(|(_, one)| one.id == *victim).unwrap();
    let all = free(known_task, known);
    let parts = [free(task, kept), free(task, half)];
    assert_eq!(parts.concat(), all, "the order or a unit is lost");
    // Nothing is learned of nodes and moves here, so halves are halves.
    assert_eq!(parts[1].len(), (all.len() / 2).max(1));
    assert_eq!((kept.end, half.end), (half.next, known.end));
    assert_eq!(
        (kept.next, &kept.claimed, &kept.lease),
        (known.next, &known.claimed, &known.lease)
    );
    assert!(!known.claimed.is_empty() && half.claimed.is_empty());
    assert_eq!(
        (half.attempts, half.room_attempts),
        (known.attempts, known.room_attempts)
    );
}

/// Every unit that is not committed is in exactly one chunk, and nothing of a job that ended is held.
fn assert_whole(look: &Look) {
    for task in &look.tasks {
        let mut units: Vec<u32> = task.committed.iter().map(|(unit, _)| *unit).collect();
        for chunk in &task.chunks {
            units.extend(&chunk.claimed);
            units.extend(free(task, chunk));
            assert!(chunk.claimed.len() <= rules::CLAIMS_MAX);
            assert!(
                chunk.lease.is_none() || !look.job.phase.is_final(),
                "{chunk:?}"
            );
            assert!(
                chunk.lease.is_some() || chunk.claimed.is_empty(),
                "{chunk:?}"
            );
        }
        units.sort_unstable();
        assert_eq!(units, (0..task.units).collect::<Vec<_>>(), "{}", task.id);
    }
    let done = look.tasks.iter().map(|task| task.units_done).sum::<u32>();
    assert_eq!(look.job.units_done, done);
}

/// The steps of a job's life, drawn once more: a phase leads to those behind it, and each to two ends.
fn may_step(from: Phase, to: Phase) -> bool {
    let further = match from {
        Phase::Probing => vec![from, Phase::Processing],
        Phase::Processing => vec![from, Phase::Review, Phase::Packaging, Phase::Rejected],
        Phase::Review => vec![Phase::Packaging, Phase::Rejected],
        Phase::Packaging => vec![from, Phase::Published],
        _ => return false,
    };
    further.contains(&to) || matches!(to, Phase::Failed | Phase::Cancelled)
}

/// What no event may do.
fn assert_arrows(event: &Event, before: &Look, after: &Look) {
    let (from, to) = (before.job.phase, after.job.phase);
    let may = match event {
        Event::Advance(..) => from == to || may_step(from, to),
        Event::Revive => from == to || (from == Phase::Failed && before.job.failed_in == Some(to)),
        _ => from == to,
    };
    assert!(may, "{event:?} led from {from} to {to}");
    assert!(after.job.version >= before.job.version);
    for known in &before.tasks {
        let task = after.tasks.iter().find(|task| task.id == known.id);
        let task = task.expect("a task that is there stays");
        let may = match (known.state, task.state) {
            (TaskState::Blocked, to) => matches!(to, TaskState::Blocked | TaskState::Open),
            (TaskState::Done, to) => to == TaskState::Done,
            (TaskState::Open | TaskState::Dead, to) => to != TaskState::Blocked,
        };
        assert!(
            may,
            "{} went from {:?} to {:?}",
            task.id, known.state, task.state
        );
        let kept = known
            .committed
            .iter()
            .all(|unit| task.committed.contains(unit));
        assert!(kept, "a commit of {} is gone", task.id);
    }
}

/// Lives a job through events and takes it away.
async fn live(f: &Fixture, name: &str, events: &[Event]) {
    let tasks = [
        encode(name, &[0..5, 5..6, 6..18]),
        single(name, TaskKind::Qc, &["video-v"]),
        single(name, TaskKind::Package, &["qc", "video-v"]),
    ];
    let id = f.submit(name, 50, &tasks).await;
    let mut life = Life {
        f,
        id: id.clone(),
        held: Vec::new(),
    };
    let mut before = life.look().await;
    for event in events {
        life.happen(event, &before).await;
        let after = life.look().await;
        assert_whole(&after);
        assert_arrows(event, &before, &after);
        before = after;
    }
    if !before.job.phase.is_final() {
        f.step(&id, before.job.phase, Phase::Cancelled, Vec::new())
            .await;
    }
    assert_whole(&life.look().await);
    f.store.forget(&id).await.unwrap();
}

async fn register(f: &Fixture) {
    for number in 0..4 {
        f.register(node(&format!("n{number}")).as_str()).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn splits_and_lives_are_lawful_in_memory(events in vec(any_event(), 1..120)) {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let f = Fixture::memory();
            register(&f).await;
            live(&f, "j1", &events).await;
        });
    }
}

#[test]
fn splits_and_lives_are_lawful_on_redis() {
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let Some(f) = runtime.block_on(Fixture::redis()) else {
        return;
    };
    runtime.block_on(register(&f));
    let number = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(40));
    let events = vec(any_event(), 1..120);
    let held = runner.run(&events, |events| {
        // A case that failed left its job behind.
        number.set(number.get() + 1);
        runtime.block_on(live(&f, &format!("j{}", number.get()), &events));
        Ok(())
    });
    held.unwrap();
}
