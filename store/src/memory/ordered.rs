//! A set whose members have a score and are read by ascending score, ties by member: what a sorted
//! set is in Redis.

use std::collections::{BTreeMap, BTreeSet};

/// Members by score.
#[derive(Debug)]
pub(super) struct Ordered<K> {
    scores: BTreeMap<K, u64>,
    order: BTreeSet<(u64, K)>,
}

impl<K> Default for Ordered<K> {
    fn default() -> Self {
        Self {
            scores: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone> Ordered<K> {
    /// Adds a member or moves it to another score.
    pub(super) fn set(&mut self, member: K, score: u64) {
        if let Some(old) = self.scores.insert(member.clone(), score) {
            self.order.remove(&(old, member.clone()));
        }
        self.order.insert((score, member));
    }

    /// Adds a member unless it is there; answers whether it was added.
    pub(super) fn add(&mut self, member: K, score: u64) -> bool {
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

    pub(super) fn score(&self, member: &K) -> Option<u64> {
        self.scores.get(member).copied()
    }

    /// Members with their scores, lowest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(u64, K)> {
        self.order.iter()
    }

    /// At most `limit` members whose score is at most `score`, lowest first.
    pub(super) fn up_to(&self, score: u64, limit: usize) -> Vec<(u64, K)> {
        let due = self.order.iter().take_while(|(at, _)| *at <= score);
        due.take(limit).cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
