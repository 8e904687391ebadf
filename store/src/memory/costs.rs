//! What units cost, learned from commits.

use super::ordered::Ordered;
use super::record::Moved;
use crate::rules::{self, COST_CLASSES_MAX};
use model::task::NewTask;
use std::collections::BTreeMap;

/// What is known of cost classes.
#[derive(Default)]
pub(super) struct Costs {
    /// Microseconds of a unit.
    learned: BTreeMap<String, u64>,
    /// Classes by the time at which something was learned of them last.
    by_age: Ordered<String>,
    /// Microseconds from a grant to the first commit beyond those of its unit: where the source was at
    /// hand, and elsewhere.
    warm_move: Option<u64>,
    cold_move: Option<u64>,
}

impl Costs {
    /// Expected microseconds of a unit of a task.
    pub(super) fn of(&self, task: &NewTask) -> u64 {
        self.of_class(&task.cost_class, task.unit_seconds)
    }

    /// Expected microseconds of a unit of this class, or as was expected before any was committed.
    pub(super) fn of_class(&self, class: &str, unit_seconds: f64) -> u64 {
        let learned = self.learned.get(class).copied();
        learned.unwrap_or_else(|| rules::unit_micros(unit_seconds))
    }

    /// What was learned of a class.
    pub(super) fn known(&self, class: &str) -> Option<u64> {
        self.learned.get(class).copied()
    }

    /// Learns what a move cost whose first unit, which took so long, is committed now.
    pub(super) fn learn_move(&mut self, moved: Moved, elapsed_ms: u64, now_ms: u64) {
        let known = if moved.at_hand {
            &mut self.warm_move
        } else {
            &mut self.cold_move
        };
        let since_grant_ms = now_ms.saturating_sub(moved.at_ms);
        *known = Some(rules::learned_move(*known, since_grant_ms, elapsed_ms));
    }

    /// Expected microseconds that moving work costs; nothing while nothing was learned.
    pub(super) fn of_move(&self, at_hand: bool) -> f64 {
        let (one, other) = (self.warm_move, self.cold_move);
        let known = if at_hand {
            one.or(other)
        } else {
            other.or(one)
        };
        known.unwrap_or(0) as f64
    }

    /// Learns from a commit, if something is to be learned from it.
    pub(super) fn learn(&mut self, class: &str, elapsed_ms: u64, now_ms: u64) -> bool {
        if class.is_empty() || elapsed_ms == 0 {
            return false;
        }
        let known = self.learned.get(class).copied();
        let learned = rules::learned_micros(known, elapsed_ms);
        self.learned.insert(class.to_owned(), learned);
        self.by_age.set(class.to_owned(), now_ms);
        if self.by_age.len() > COST_CLASSES_MAX {
            let oldest = self.by_age.iter().next().map(|(_, class)| class.clone());
            if let Some(oldest) = oldest {
                self.by_age.remove(&oldest);
                self.learned.remove(&oldest);
            }
        }
        true
    }
}
