//! Jobs and their tasks: accepting, advancing, reviving, listing, forgetting.

use super::queue::Summons;
use super::record::{ChunkRecord, Job, Standing, Task};
use super::state::{State, unknown_job};
use crate::error::{Error, Result};
use crate::{Advance, Share, Submitted, page, rules};
use model::job::{JobFilter, JobPage, JobRecord, NewJob, Phase, Urgency};
use model::task::{Chunk, NewTask, TaskRecord, TaskState};
use model::{ChunkId, JobId, TaskId, TaskName, TenantId};
use std::collections::BTreeMap;

impl State {
    pub(super) fn submit(&mut self, job: &NewJob, tasks: &[NewTask], now_ms: u64) -> Submitted {
        if self.jobs.contains_key(&job.id) {
            return Submitted::Exists;
        }
        self.add_job(accepted(job, self.epoch, now_ms), 0);
        for task in tasks {
            self.add_task(task, now_ms);
        }
        if tasks.is_empty() {
            self.attention.add(job.id.clone(), now_ms);
        }
        Submitted::New
    }

    pub(super) fn restore(&mut self, job: &JobRecord) -> Submitted {
        if self.jobs.contains_key(&job.id) {
            return Submitted::Exists;
        }
        self.add_job(job.clone(), job.version);
        Submitted::New
    }

    /// Adds a job without tasks, of which this version was posted.
    fn add_job(&mut self, record: JobRecord, posted: u64) {
        self.accepted += 1;
        let id = record.id.clone();
        self.numbers.insert(self.accepted, id.clone());
        let job = Job {
            marked: record.version,
            record,
            number: self.accepted,
            posted,
            held: 0,
            summons: Summons::default(),
            chunks: 0,
            tasks: BTreeMap::new(),
            order: Vec::new(),
            waiting: BTreeMap::new(),
        };
        self.jobs.insert(id, job);
    }

    pub(super) fn advance(&mut self, id: &JobId, step: &Advance, now_ms: u64) -> Result<bool> {
        let job = self.job_mut(id)?;
        if job.record.phase != step.from {
            return Ok(false);
        }
        let before = job.record.clone();
        job.record.phase = step.to;
        if step.to == Phase::Failed {
            job.record.failed_in = Some(step.from);
        }
        if let Some(failure) = &step.failure {
            job.record.failure = Some(failure.clone());
        }
        if let Some(version) = step.title_version {
            job.record.title_version = version;
        }
        let mut changed = job.record != before;
        for task in &step.add {
            changed |= self.add_task(task, now_ms);
        }
        if step.to.is_final() {
            self.park(id, step.to, now_ms);
        }
        if changed {
            self.mark(id, now_ms);
        }
        Ok(true)
    }

    /// Adds a task unless it exists; answers whether it was added.
    fn add_task(&mut self, new: &NewTask, now_ms: u64) -> bool {
        let micros = self.costs.of(new);
        let Some(job) = self.jobs.get_mut(&new.id.job) else {
            return false;
        };
        if job.tasks.contains_key(&new.id.name) {
            return false;
        }
        let mut task = empty_task(new);
        for range in &new.chunks {
            let place = job.chunks;
            job.chunks += 1;
            let number = task.next_number;
            task.next_number += 1;
            let chunk = new_chunk(&new.id, number, range.clone());
            let record = ChunkRecord {
                left: range.end - range.start,
                chunk,
                standing: Standing::Parked,
                micros,
                place,
                is_begun: false,
                pace: rules::PACE_USUAL,
                worked_at_ms: 0,
                moved: None,
                last: None,
                failures: Vec::new(),
            };
            task.chunks.insert(number, record);
        }
        for after in &new.after {
            let done = job.tasks.get(&after.name).map(|task| task.state);
            if done != Some(TaskState::Done) {
                let waiting = job.waiting.entry(after.name.clone()).or_default();
                task.waits += usize::from(waiting.insert(new.id.name.clone()));
            }
        }
        let ready = task.waits == 0;
        job.record.units += new.units;
        job.tasks.insert(new.id.name.clone(), task);
        job.order.push(new.id.name.clone());
        if ready {
            self.open_task(&new.id, now_ms);
        }
        true
    }

    /// Lets a task run: its chunks are queued unless its job has ended.
    fn open_task(&mut self, id: &TaskId, now_ms: u64) {
        if let Some(task) = self
            .jobs
            .get_mut(&id.job)
            .and_then(|job| job.tasks.get_mut(&id.name))
        {
            task.state = TaskState::Open;
        }
        self.queue_parked(id, now_ms);
    }

    fn queue_parked(&mut self, id: &TaskId, now_ms: u64) {
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        let Some(task) = job.tasks.get_mut(&id.name) else {
            return;
        };
        if job.record.phase.is_final() || task.state == TaskState::Blocked {
            return;
        }
        let mut queued = Vec::new();
        for record in task.chunks.values_mut() {
            if record.standing == Standing::Parked {
                record.standing = Standing::Queued;
                queued.push(record.chunk.id.clone());
            }
        }
        for chunk in queued {
            self.index(&chunk, now_ms);
        }
    }

    /// Makes a task done and opens what waited for it alone.
    pub(super) fn finish_task(&mut self, id: &TaskId, now_ms: u64) {
        let Some(job) = self.jobs.get_mut(&id.job) else {
            return;
        };
        if let Some(task) = job.tasks.get_mut(&id.name) {
            task.state = TaskState::Done;
            task.failure = None;
        }
        let mut ready = Vec::new();
        for name in job.waiting.remove(&id.name).unwrap_or_default() {
            let Some(task) = job.tasks.get_mut(&name) else {
                continue;
            };
            task.waits -= 1;
            if task.waits == 0 && task.state == TaskState::Blocked {
                ready.push(name);
            }
        }
        for name in ready {
            self.open_task(&TaskId::new(id.job.clone(), name), now_ms);
        }
    }

    /// Takes the chunks of a job that ended out of the queue and from their holders. Only a failed
    /// job keeps its chunks in the DLQ: only there a person can still do something about them.
    fn park(&mut self, id: &JobId, phase: Phase, now_ms: u64) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        let (mut parked, mut losers) = (Vec::new(), Vec::new());
        for record in job
            .tasks
            .values_mut()
            .flat_map(|task| task.chunks.values_mut())
        {
            let dead = matches!(record.standing, Standing::Dead { .. });
            if !(dead && phase == Phase::Failed) {
                losers.extend(record.chunk.lease.as_ref().map(|lease| lease.node.clone()));
                record.end_lease(Standing::Parked);
                parked.push(record.chunk.id.clone());
            }
        }
        for chunk in parked {
            self.index(&chunk, now_ms);
        }
        self.note_losses(losers, now_ms);
    }

    pub(super) fn set_urgency(&mut self, id: &JobId, urgency: Urgency, now_ms: u64) -> Result<()> {
        let job = self.job_mut(id)?;
        if job.record.urgency != urgency {
            job.record.urgency = urgency;
            self.rank(id);
            self.mark(id, now_ms);
        }
        Ok(())
    }

    pub(super) fn set_paused(&mut self, id: &JobId, paused: bool, now_ms: u64) -> Result<()> {
        let job = self.job_mut(id)?;
        if job.record.phase.is_final() {
            return Err(Error::Conflict {
                id: id.to_string(),
                reason: format!("job is {}", job.record.phase),
            });
        }
        if job.record.paused != paused {
            job.record.paused = paused;
            self.rank(id);
            self.mark(id, now_ms);
        }
        Ok(())
    }

    pub(super) fn set_share(&mut self, tenant: &TenantId, share: Share) {
        let tenant = self.tenants.entry(tenant.clone()).or_default();
        (tenant.share, tenant.is_set) = (share, true);
    }

    pub(super) fn revive(&mut self, id: &JobId, now_ms: u64) -> Result<()> {
        let job = self.job_mut(id)?;
        let refuse = |reason: &str| {
            Err(Error::Conflict {
                id: id.to_string(),
                reason: reason.to_owned(),
            })
        };
        let (Phase::Failed, Some(phase)) = (job.record.phase, job.record.failed_in) else {
            return refuse("job has not failed");
        };
        if job.tasks.values().any(|task| task.dropped) {
            return refuse("a dead chunk of the job was dropped");
        }
        job.record.phase = phase;
        job.record.failed_in = None;
        job.record.failure = None;
        job.record.paused = false;
        for task in job.tasks.values_mut() {
            if task.state == TaskState::Dead {
                task.state = TaskState::Open;
                task.failure = None;
            }
            for record in task.chunks.values_mut() {
                if matches!(record.standing, Standing::Dead { .. }) {
                    record.standing = Standing::Parked;
                    record.forget_attempts();
                    record.chunk.not_before_ms = 0;
                    record.chunk.avoid = None;
                    record.last = None;
                }
            }
        }
        for name in job.order.clone() {
            self.queue_parked(&TaskId::new(id.clone(), name), now_ms);
        }
        self.mark(id, now_ms);
        Ok(())
    }

    pub(super) fn list(&self, filter: &JobFilter, below: &str, limit: u32) -> Result<JobPage> {
        let numbers = self.numbers.range(..page::parse(below)?).rev();
        let jobs = numbers.filter_map(|(number, id)| Some((number, &self.jobs.get(id)?.record)));
        let of_open = page::is_of_open(filter);
        let looks = jobs.filter(|(_, job)| !(of_open && job.phase.is_final()));
        let (mut found, mut next) = (Vec::new(), String::new());
        for (at, (number, job)) in looks.take(page::LOOKS_MAX).enumerate() {
            if page::fits(filter, job) && found.len() == limit as usize {
                let last = found
                    .last()
                    .map(|(number, _): &(u64, _)| number.to_string());
                next = last.unwrap_or_default();
                break;
            }
            if page::fits(filter, job) {
                found.push((*number, job.clone()));
            }
            if at + 1 == page::LOOKS_MAX {
                next = number.to_string();
            }
        }
        Ok(JobPage {
            next,
            jobs: found.into_iter().map(|(_, record)| record).collect(),
        })
    }

    pub(super) fn tasks(&self, id: &JobId) -> Result<Vec<TaskRecord>> {
        let job = self.job(id)?;
        let records = job.order.iter().filter_map(|name| {
            let task = job.tasks.get(name)?;
            Some(task_record(id, name, task))
        });
        Ok(records.collect())
    }

    pub(super) fn forget(&mut self, id: &JobId, now_ms: u64) -> Result<()> {
        let Some(job) = self.jobs.get(id) else {
            return Ok(());
        };
        if !job.record.phase.is_final() {
            return Err(Error::Conflict {
                id: id.to_string(),
                reason: format!("job is {}", job.record.phase),
            });
        }
        let records = job.tasks.values().flat_map(|task| task.chunks.values());
        let tenant = job.record.tenant.clone();
        let chunks: Vec<ChunkId> = records.map(|record| record.chunk.id.clone()).collect();
        self.numbers.remove(&job.number);
        self.jobs.remove(id);
        self.attention.remove(id);
        self.nudges.remove(id);
        for chunk in chunks {
            self.index(&chunk, now_ms);
        }
        self.forget_tenant(&tenant);
        Ok(())
    }

    pub(super) fn record(&self, id: &JobId) -> Result<JobRecord> {
        let job = self.jobs.get(id).ok_or_else(|| unknown_job(id))?;
        Ok(job.record.clone())
    }
}

fn accepted(job: &NewJob, epoch: u32, now_ms: u64) -> JobRecord {
    JobRecord {
        id: job.id.clone(),
        tenant: job.tenant.clone(),
        title: job.title.clone(),
        profile: job.profile.clone(),
        source_url: job.source_url.clone(),
        urgency: job.urgency,
        held_max: job.held_max,
        paused: false,
        traceparent: job.traceparent.clone(),
        phase: Phase::Probing,
        failed_in: None,
        version: rules::first_version(epoch),
        failure: None,
        title_version: 0,
        accepted_at_ms: now_ms,
        changed_at_ms: now_ms,
        units: 0,
        units_done: 0,
    }
}

fn empty_task(new: &NewTask) -> Task {
    Task {
        kind: new.kind.clone(),
        state: TaskState::Blocked,
        units: new.units,
        unit_seconds: new.unit_seconds,
        builds: new.builds.clone(),
        slot_bytes: new.slot_bytes,
        cost_class: new.cost_class.clone(),
        waits: 0,
        committed: BTreeMap::new(),
        chunks: BTreeMap::new(),
        next_number: 0,
        dropped: false,
        failure: None,
    }
}

fn new_chunk(task: &TaskId, number: u32, range: std::ops::Range<u32>) -> Chunk {
    Chunk {
        id: ChunkId {
            task: task.clone(),
            number,
        },
        next: range.start,
        end: range.end,
        claimed: Vec::new(),
        attempts: 0,
        room_attempts: 0,
        silent_attempts: 0,
        not_before_ms: 0,
        avoid: None,
        last_failure: None,
        lease: None,
        stolen_from: None,
    }
}

fn task_record(job: &JobId, name: &TaskName, task: &Task) -> TaskRecord {
    let units = task.committed.iter();
    TaskRecord {
        id: TaskId::new(job.clone(), name.clone()),
        kind: task.kind.clone(),
        state: task.state,
        units: task.units,
        units_done: task.committed.len() as u32,
        unit_seconds: task.unit_seconds,
        builds: task.builds.clone(),
        slot_bytes: task.slot_bytes,
        chunks: task
            .chunks
            .values()
            .map(|record| record.chunk.clone())
            .collect(),
        committed: units
            .map(|(unit, record)| (*unit, record.clone()))
            .collect(),
        failure: task.failure.clone(),
    }
}
