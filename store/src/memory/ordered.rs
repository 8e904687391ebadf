//! A set whose members have a score and are read by ascending score, ties by member: what a sorted
//! set is in Redis.

use std::collections::{BTreeMap, BTreeSet};

/// Members by score.
#[derive(Debug)]
pub(super) struct Ordered<K, S = u64> {
    scores: BTreeMap<K, S>,
    order: BTreeSet<(S, K)>,
}

impl<K, S> Default for Ordered<K, S> {
    fn default() -> Self {
        Self {
            scores: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone, S: Ord + Clone> Ordered<K, S> {
    /// Adds a member or moves it to another score.
    pub(super) fn set(&mut self, member: K, score: S) {
        match self.scores.get_mut(&member) {
            Some(known) if *known == score => return,
            Some(known) => {
                let old = std::mem::replace(known, score.clone());
                self.order.remove(&(old, member.clone()));
            }
            None => drop(self.scores.insert(member.clone(), score.clone())),
        }
        self.order.insert((score, member));
    }

    /// Adds a member unless it is there; answers whether it was added.
    pub(super) fn add(&mut self, member: K, score: S) -> bool {
        let new = !self.scores.contains_key(&member);
        if new {
            self.set(member, score);
        }
        new
    }

    pub(super) fn remove(&mut self, member: &K) {
        if let Some(score) = self.scores.remove(member) {
            self.order.remove(&(score, member.clone()));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn score(&self, member: &K) -> Option<S> {
        self.scores.get(member).cloned()
    }

    /// Members with their scores, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(S, K)> {
        self.order.iter()
    }

    /// At most `limit` members whose score is at most `score`, lowest first.
    pub(super) fn up_to(&self, score: S, limit: usize) -> Vec<(S, K)> {
        let due = self.order.iter().take_while(|(at, _)| *at <= score);
        due.take(limit).cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
