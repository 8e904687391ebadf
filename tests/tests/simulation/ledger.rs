//! What must hold of a job whenever one looks at it, and at the end of a run.

use super::memory::Memory;
use model::job::{JobRecord, Phase};
use model::task::{TaskRecord, TaskState};
use std::collections::BTreeMap;

/// Whether a decision may lead from one phase to the other; what leads back out of a failure is none.
pub(super) const fn leads(from: Phase, to: Phase) -> bool {
    match from {
        Phase::Probing => matches!(
            to,
            Phase::Probing | Phase::Processing | Phase::Failed | Phase::Cancelled
        ),
        Phase::Processing => !matches!(to, Phase::Probing | Phase::Published),
        Phase::Review => matches!(
            to,
            Phase::Packaging | Phase::Rejected | Phase::Failed | Phase::Cancelled
        ),
        Phase::Packaging => matches!(
            to,
            Phase::Packaging | Phase::Published | Phase::Failed | Phase::Cancelled
        ),
        Phase::Published | Phase::Rejected | Phase::Failed | Phase::Cancelled => false,
    }
}

/// Every unit is committed or in exactly one chunk, counts balance, states follow from units, and every
/// lease was handed out.
pub(super) fn balance(memory: &mut Memory, job: &JobRecord, tasks: &[TaskRecord]) {
    let units: u32 = tasks.iter().map(|task| task.units).sum();
    let done: usize = tasks.iter().map(|task| task.committed.len()).sum();
    let counted = (job.units, job.units_done as usize);
    memory.hold(counted == (units, done), || {
        format!(
            "{} counts {counted:?} units, it has {:?}",
            job.id,
            (units, done)
        )
    });
    let phase = memory.phases.get(&job.id).copied();
    memory.hold(phase == Some(job.phase), || {
        format!("{} is {}, it was led to {phase:?}", job.id, job.phase)
    });
    for task in tasks {
        commits(memory, task);
        chunks(memory, task);
        state(memory, job, task);
    }
}

fn commits(memory: &mut Memory, task: &TaskRecord) {
    let known = memory.done.get(&task.id).map_or(0, BTreeMap::len);
    let same = task.committed.len() == known
        && task.committed.iter().all(|(unit, record)| {
            let done = memory.done.get(&task.id);
            done.and_then(|done| done.get(unit)) == Some(&record.digest)
        });
    let (id, kept) = (&task.id, task.committed.len());
    memory.hold(same, || {
        format!("{id} keeps {kept} commits, {known} were answered")
    });
    memory.hold(task.units_done as usize == kept, || {
        format!("{id} counts wrong")
    });
}

fn chunks(memory: &mut Memory, task: &TaskRecord) {
    let mut owners = vec![0_u32; task.units as usize];
    let is_done = |unit: u32| {
        task.committed
            .binary_search_by_key(&unit, |(unit, _)| *unit)
            .is_ok()
    };
    for chunk in &task.chunks {
        let unclaimed = (chunk.next..chunk.end).filter(|unit| !is_done(*unit));
        for unit in chunk.claimed.iter().copied().chain(unclaimed) {
            if let Some(owners) = owners.get_mut(unit as usize) {
                *owners += 1;
            }
        }
        let tried = memory.tried(&chunk.id);
        memory.hold(
            (chunk.attempts, chunk.room_attempts, chunk.silent_attempts)
                == (tried.attempts, tried.room, tried.silent),
            || format!("{chunk:?} met {tried:?}"),
        );
        if let Some(lease) = &chunk.lease {
            let given = memory.holders.get(&chunk.id);
            let given = given.map(|held| (held.token, held.until_ms));
            memory.hold(given.is_some_and(|(token, _)| token == lease.token), || {
                format!("{} is held by a lease that nobody was given", chunk.id)
            });
            let ends_ms = lease.expires_at_ms;
            memory.hold(
                given.is_none_or(|(_, until_ms)| until_ms == ends_ms),
                || {
                    format!(
                        "the lease of {} ends at {ends_ms} ms, was said: {given:?}",
                        chunk.id
                    )
                },
            );
        }
    }
    let wrong = (0..task.units).find(|unit| owners[*unit as usize] != u32::from(!is_done(*unit)));
    memory.hold(wrong.is_none(), || {
        format!("unit {wrong:?} of {} is lost or in two chunks", task.id)
    });
}

fn state(memory: &mut Memory, job: &JobRecord, task: &TaskRecord) {
    let complete = task.committed.len() == task.units as usize;
    let id = &task.id;
    memory.hold((task.state == TaskState::Done) == complete, || {
        format!(
            "{id} is {:?} with {} of {}",
            task.state,
            task.committed.len(),
            task.units
        )
    });
    let after = memory
        .tasks
        .get(id)
        .map(|known| known.after.clone())
        .unwrap_or_default();
    let waits = !after.iter().all(|after| memory.is_done(after));
    memory.hold((task.state == TaskState::Blocked) == waits, || {
        format!("{id} is {:?}, waits: {waits}", task.state)
    });
    // A late commit of its last unit brings a chunk back from the dead.
    let chunks = task.chunks.iter();
    let buried = chunks
        .filter(|chunk| memory.buried.contains(&chunk.id))
        .count()
        > 0;
    memory.hold(
        (task.state == TaskState::Dead) == (buried && !complete) || job.phase.is_final(),
        || format!("{id} is {:?}, given up by the policy: {buried}", task.state),
    );
}

/// A job ends, and only as it may.
pub(super) fn close(memory: &mut Memory, job: &JobRecord, tasks: &[TaskRecord]) {
    let id = &job.id;
    memory.hold(job.phase.is_final(), || {
        format!("{id} is still {}", job.phase)
    });
    if job.phase == Phase::Published {
        let done = tasks.iter().all(|task| task.state == TaskState::Done);
        memory.hold(done, || format!("{id} is published and not all is made"));
    }
    if job.phase == Phase::Failed {
        let buried = memory.buried.iter().any(|chunk| chunk.task.job == *id);
        memory.hold(buried, || {
            format!("{id} failed, the policy gave up nothing: {:?}", job.failure)
        });
    }
    let held = tasks
        .iter()
        .flat_map(|task| &task.chunks)
        .any(|chunk| chunk.lease.is_some());
    memory.hold(!held || !job.phase.is_final(), || {
        format!("{id} has ended and is held")
    });
}
