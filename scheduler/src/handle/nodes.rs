//! Nodes and what the farm can do.

use super::Handle;
use crate::Result;
use model::NodeId;
use model::node::NodeRecord;
use serde::Serialize;
use store::QueueDepth;
use tracing::{info, warn};

/// How much there is to do and how much can be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Capacity {
    /// What waits and what is held.
    pub depth: QueueDepth,
    /// Nodes that are alive.
    pub nodes: u32,
    /// Their slots.
    pub slots: u32,
    /// Slots that hold a chunk.
    pub slots_busy: u32,
    /// Jobs in storage that the recovery has not looked at yet; 0 when it has ended.
    pub to_recover: u64,
}

impl Handle {
    /// Milliseconds since 1970 on the store's clock.
    pub async fn now_ms(&self) -> Result<u64> {
        Ok(self.farm.store().now_ms().await?)
    }

    /// Nodes that showed a sign of life lately, by id.
    pub async fn nodes(&self) -> Result<Vec<NodeRecord>> {
        Ok(self
            .farm
            .store()
            .nodes(self.farm.config.seen_within())
            .await?)
    }

    /// Tells a node to finish what it holds and take nothing new.
    pub async fn drain(&self, node: &NodeId) -> Result<()> {
        self.farm.store().drain(node).await?;
        self.farm.forget_nodes();
        // A node that waits for work hears of it now and not when its wait ends.
        self.farm.work.notify_waiters();
        info!(node_id = %node, "node was told to drain");
        Ok(())
    }

    /// What monitoring reads, in the OpenMetrics text format; counters only, and `magpie_store_up 0`, while the
    /// store does not answer.
    pub async fn metrics(&self) -> String {
        let capacity = self.capacity().await;
        let capacity = capacity.inspect_err(|error| warn!(%error, "the farm could not be counted"));
        self.farm.metrics.text(capacity.ok().as_ref())
    }

    /// How much there is to do and how much can be done.
    pub async fn capacity(&self) -> Result<Capacity> {
        let depth = self.farm.store().depth().await?;
        self.farm.forget_nodes();
        let nodes = self.farm.nodes_alive().await?;
        let total =
            |count: fn(&NodeRecord) -> u32| nodes.iter().map(count).fold(0, u32::saturating_add);
        Ok(Capacity {
            depth,
            to_recover: self.farm.recovery().map_or(0, |recovery| recovery.left()),
            nodes: total(|_| 1),
            slots: total(|node| node.info.slots),
            slots_busy: total(|node| u32::try_from(node.holds.len()).unwrap_or(u32::MAX)),
        })
    }
}
