//! One task as a strip of cells, one letter each. It holds what an eye can tell apart on a screen and
//! nothing of digests and times, which `magpie jobs` and the job's ticket have.

use model::NodeId;
use model::failure::Failure;
use model::task::{Chunk, TaskRecord, TaskState};
use serde::Serialize;

/// Cells of the longest strip: about what fits on a phone at one pixel each.
const CELLS_MAX: usize = 320;

/// A task in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Strip {
    name: String,
    state: TaskState,
    units: u32,
    units_done: u32,
    /// One letter for each cell, see [`Cell`].
    cells: String,
    /// Who works on it, each with the units it has claimed.
    held: Vec<(NodeId, Vec<u32>)>,
    /// Most failed attempts of one of its chunks.
    attempts: u32,
    failure: Option<Failure>,
}

/// What a unit is. Ordered: where several units share a cell the greatest shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Found,
    Done,
    Blocked,
    Queued,
    Running,
    Stolen,
    Dead,
}

impl Cell {
    const fn letter(self) -> char {
        match self {
            Self::Found => 'f',
            Self::Done => 'd',
            Self::Blocked => 'b',
            Self::Queued => 'q',
            Self::Running => 'r',
            Self::Stolen => 's',
            Self::Dead => 'x',
        }
    }
}

impl From<&TaskRecord> for Strip {
    fn from(task: &TaskRecord) -> Self {
        let held = task.chunks.iter().filter_map(|chunk| {
            let lease = chunk.lease.as_ref()?;
            Some((lease.node.clone(), chunk.claimed.clone()))
        });
        Self {
            name: task.id.name.to_string(),
            state: task.state,
            units: task.units,
            units_done: task.units_done,
            cells: fold(&cells(task)),
            held: held.collect(),
            attempts: task
                .chunks
                .iter()
                .map(|c| c.attempts + c.silent_attempts)
                .max()
                .unwrap_or(0),
            failure: task.failure.clone(),
        }
    }
}

fn cells(task: &TaskRecord) -> Vec<Cell> {
    let idle = match task.state {
        TaskState::Blocked => Cell::Blocked,
        // A task of an ended job may have lost the list of what it did.
        TaskState::Done => Cell::Done,
        TaskState::Open | TaskState::Dead => Cell::Queued,
    };
    let mut cells = vec![idle; usize::try_from(task.units).unwrap_or(0)];
    let mut paint = |unit: u32, cell: Cell| {
        if let Some(place) = cells.get_mut(usize::try_from(unit).unwrap_or(usize::MAX)) {
            *place = cell;
        }
    };
    for chunk in &task.chunks {
        if let Some(cell) = claimed(task, chunk) {
            chunk.claimed.iter().for_each(|unit| paint(*unit, cell));
        }
        if task.state == TaskState::Dead {
            (chunk.next..chunk.end).for_each(|unit| paint(unit, Cell::Dead));
        }
    }
    for (unit, record) in &task.committed {
        let cell = if record.reused {
            Cell::Found
        } else {
            Cell::Done
        };
        paint(*unit, cell);
    }
    cells
}

/// What the claimed units of a chunk are; `None` when they wait for the next holder.
fn claimed(task: &TaskRecord, chunk: &Chunk) -> Option<Cell> {
    if task.state == TaskState::Dead {
        return Some(Cell::Dead);
    }
    chunk.lease.as_ref()?;
    Some(match chunk.stolen_from {
        Some(_) => Cell::Stolen,
        None => Cell::Running,
    })
}

fn fold(cells: &[Cell]) -> String {
    let count = cells.len().min(CELLS_MAX);
    (0..count)
        .filter_map(|index| {
            let start = index * cells.len() / count;
            let end = (index + 1) * cells.len() / count;
            cells[start..end].iter().max().map(|cell| cell.letter())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn task(state: &str, units: u32, chunks: serde_json::Value) -> TaskRecord {
        let found = json!({ "digest": "a", "config_digest": "", "frames": 5, "node": "n1",
            "elapsed_ms": 0, "reused": true });
        let mut done = found.clone();
        done["reused"] = json!(false);
        let record = json!({
            "id": "j1/video-h264", "kind": { "kind": "encode", "group": "h264" }, "state": state,
            "units": units, "units_done": 2, "unit_seconds": 1.0, "builds": "", "chunks": chunks,
            "committed": [[0, found], [1, done]], "failure": null,
        });
        serde_json::from_value(record).unwrap()
    }

    fn chunk(number: u32, claimed: &[u32], rest: (u32, u32)) -> serde_json::Value {
        json!({ "id": format!("j1/video-h264#{number}"), "next": rest.0, "end": rest.1,
            "claimed": claimed, "attempts": number, "not_before_ms": 0, "avoid": null,
            "lease": { "node": format!("n{number}"), "token": { "epoch": 1, "counter": 1 },
                "expires_at_ms": 9 },
            "stolen_from": null })
    }

    #[test]
    fn each_unit_shows_what_it_is() {
        let mut thief = chunk(2, &[6], (7, 8));
        thief["stolen_from"] = json!("j1/video-h264#1");
        let mut idle = chunk(3, &[8], (9, 10));
        idle["lease"] = json!(null);
        let shown = Strip::from(&task(
            "open",
            10,
            json!([chunk(1, &[2, 3], (4, 6)), thief, idle]),
        ));
        assert_eq!(shown.cells, "fdrrqqsqqq");
        assert_eq!(shown.attempts, 3);
        let held = shown
            .held
            .iter()
            .map(|(node, units)| (node.to_string(), units.len()));
        let held: Vec<_> = held.collect();
        assert_eq!(held, [("n1".to_owned(), 2), ("n2".to_owned(), 1)]);

        let dead = Strip::from(&task("dead", 4, json!([chunk(1, &[2], (3, 4))])));
        assert_eq!(dead.cells, "fdxx");
        let blocked = Strip::from(&task("blocked", 4, json!([])));
        assert_eq!(blocked.cells, "fdbb");
    }

    #[test]
    fn a_long_title_keeps_what_is_wrong_with_it_in_sight() {
        let mut broken = chunk(1, &[], (4999, 5000));
        broken["lease"] = json!(null);
        let shown = Strip::from(&task("dead", 5000, json!([broken])));
        assert_eq!(shown.cells.len(), CELLS_MAX);
        assert!(shown.cells.ends_with('x'), "{}", shown.cells);
        // A unit outside of the task is a broken record, and not a broken page.
        let shown = Strip::from(&task("open", 1, json!([chunk(1, &[7], (8, 9))])));
        assert_eq!(shown.cells, "f");
        assert_eq!(Strip::from(&task("open", 0, json!([]))).cells, "");
    }
}
