//! Below which time no schedule can be: all work over all speed, and the longest chain of steps that
//! must follow one another, on the fastest node. And the time within which this farm ends: as long as a
//! slot is idle, the next step of every chain is in work or waits behind one unit of the same holder.

use super::node;
use super::world::World;
use model::task::{NewTask, TaskKind};
use std::collections::BTreeMap;

/// Seconds that a step of a chain may wait for calls, looks and uploads.
const STEP_SECONDS: f64 = 3.0;

/// The longest chain: probe, pictures, images, quality control, package, verify.
const STEPS: f64 = 6.0;

/// Seconds below which no schedule can be, and within which a farm ends where nothing goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) seconds: f64,
    pub(crate) promise: f64,
    /// All work over all speed.
    pub(crate) share: f64,
    /// The longest unit, on a node of speed 1.
    pub(crate) longest: f64,
}

/// The bound of a farm whose plans are made.
pub(crate) fn of(world: &World) -> Bound {
    let speeds: Vec<f64> = (0..world.shape.nodes)
        .map(|number| node::speed(world, number))
        .collect();
    let total_speed = f64::from(world.shape.slots) * speeds.iter().sum::<f64>();
    let fastest = speeds.iter().copied().fold(0.0, f64::max);
    let slowest = speeds.iter().copied().fold(f64::MAX, f64::min);
    let (mut work, mut chain, mut most): (f64, f64, f64) = (0.0, 0.0, 0.0);
    for (job, plan) in &world.storage.borrow().plans {
        let mut tasks = vec![scheduler::lifecycle::probe(job)];
        tasks.extend(scheduler::lifecycle::of_plan(plan));
        tasks.extend(scheduler::lifecycle::of_version(plan));
        let costs: Costs = tasks
            .iter()
            .map(|task| (task.kind.name(), costs(world, task)))
            .collect();
        work += costs.values().map(|(sum, _)| sum).sum::<f64>();
        chain = chain.max(longest_chain(&tasks, &costs));
        most = costs
            .values()
            .map(|(_, longest)| *longest)
            .fold(most, f64::max);
    }
    Bound {
        seconds: (work / total_speed).max(chain / fastest),
        promise: work / total_speed + 2.0 * chain / slowest + STEPS * STEP_SECONDS,
        share: work / total_speed,
        longest: most,
    }
}

/// Sum and longest unit of a task, by its name.
type Costs = BTreeMap<String, (f64, f64)>;

fn costs(world: &World, task: &NewTask) -> (f64, f64) {
    let costs = world.costs();
    let seconds = costs.of_task(task).map(|cost| cost.as_secs_f64());
    seconds.fold((0.0, 0.0), |(sum, longest), cost| {
        (sum + cost, f64::max(longest, cost))
    })
}

/// Probe, then the longest way through the tasks, of which each takes its longest unit at least.
fn longest_chain(tasks: &[NewTask], costs: &Costs) -> f64 {
    let mut ends: BTreeMap<String, f64> = BTreeMap::new();
    let probe = TaskKind::Probe.name();
    for task in tasks {
        let name = task.kind.name();
        let after = task
            .after
            .iter()
            .filter_map(|after| ends.get(after.name.as_str()));
        let before = ends.get(&probe).into_iter().chain(after);
        let start = before.copied().fold(0.0, f64::max);
        let longest = costs.get(&name).map_or(0.0, |(_, longest)| *longest);
        ends.insert(name, start + longest);
    }
    ends.values().copied().fold(0.0, f64::max)
}
