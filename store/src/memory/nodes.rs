//! Nodes, and how much there is for them to do.

use super::record::Standing;
use super::state::{Node, State};
use crate::QueueDepth;
use crate::clock::milliseconds;
use crate::error::{Error, Result};
use crate::rules::{DRAIN_KEPT_MS, NODE_SILENCE_MS};
use model::node::{NodeInfo, NodeRecord, builds_digest};
use model::{ChunkId, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl State {
    pub(super) fn register(&mut self, info: &NodeInfo, now_ms: u64) {
        let draining = self.nodes.get(&info.id).is_some_and(|known| {
            known.draining && known.seen_at_ms.saturating_add(DRAIN_KEPT_MS) >= now_ms
        });
        let node = Node {
            builds: builds_digest(&info.builds),
            info: info.clone(),
            seen_at_ms: now_ms,
            draining,
            pace: self.pace_of(&info.id),
        };
        self.nodes.insert(info.id.clone(), node);
        if now_ms >= self.silence_at_ms {
            self.forget_silent(now_ms);
        }
    }

    /// Forgets nodes that are silent for a day and hold nothing, and notes when the next may be.
    fn forget_silent(&mut self, now_ms: u64) {
        let holders: BTreeSet<&NodeId> = self.holders.values().collect();
        let ends_ms = |node: &Node| node.seen_at_ms.saturating_add(NODE_SILENCE_MS);
        self.nodes
            .retain(|id, node| ends_ms(node) > now_ms || holders.contains(id));
        let earliest = self.nodes.values().map(ends_ms).min();
        // Who is silent and holds something is looked at again when it may have lost that.
        self.silence_at_ms = earliest.unwrap_or(0);
    }

    pub(super) fn nodes_seen(&self, within: Duration, now_ms: u64) -> Vec<NodeRecord> {
        let since = now_ms.saturating_sub(milliseconds(within));
        let mut held: BTreeMap<&NodeId, Vec<ChunkId>> = BTreeMap::new();
        for (chunk, holder) in &self.holders {
            held.entry(holder).or_default().push(chunk.clone());
        }
        let seen = self
            .nodes
            .iter()
            .filter(|(_, node)| node.seen_at_ms >= since);
        let records = seen.map(|(id, node)| NodeRecord {
            info: node.info.clone(),
            seen_at_ms: node.seen_at_ms,
            draining: node.draining,
            holds: held.remove(id).unwrap_or_default(),
        });
        records.collect()
    }

    pub(super) fn drain(&mut self, id: &NodeId) -> Result<()> {
        let node = self.nodes.get_mut(id).ok_or_else(|| Error::NotFound {
            what: "node",
            id: id.to_string(),
        })?;
        node.draining = true;
        Ok(())
    }

    pub(super) fn depth(&self) -> QueueDepth {
        let mut depth = QueueDepth {
            dead: self.dead.len() as u64,
            ..QueueDepth::default()
        };
        let mut micros = 0;
        for job in self.jobs.values() {
            depth.jobs += u64::from(!job.record.phase.is_final());
            for task in job.tasks.values() {
                for record in task.chunks.values() {
                    match record.standing {
                        Standing::Queued if job.record.paused => {
                            depth.chunks_paused += 1;
                            continue;
                        }
                        Standing::Queued => depth.chunks_queued += 1,
                        Standing::Held => depth.chunks_held += 1,
                        Standing::Parked | Standing::Dead { .. } => continue,
                    }
                    depth.units_left += u64::from(record.left);
                    micros += u64::from(record.left) * record.micros;
                }
            }
        }
        depth.seconds_left = micros as f64 / 1e6;
        depth
    }
}
