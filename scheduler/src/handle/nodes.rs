//! Nodes and what the farm can do.

use super::Handle;
use crate::Result;
use model::NodeId;
use model::node::NodeRecord;
use serde::Serialize;
use std::time::{Duration, Instant};
use store::QueueDepth;
use tracing::info;

/// Age up to which what monitoring reads is answered again.
const METRICS_AGE_MAX: Duration = Duration::from_secs(1);

/// Longest wait for the store: monitoring gives up after ten seconds, and must hear that it is down.
const METRICS_TIME_MAX: Duration = Duration::from_secs(2);

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

    /// What monitoring reads, in the OpenMetrics text format: counters only, and `magpie_store_up 0`, when the
    /// store does not answer within two seconds. At most a second old, however many ask.
    pub async fn metrics(&self) -> String {
        let mut seen = self.farm.metrics_seen.lock().await;
        if let Some((at, text)) = seen.as_ref()
            && at.elapsed() < METRICS_AGE_MAX
        {
            return text.clone();
        }
        let counted = tokio::time::timeout(METRICS_TIME_MAX, self.counted()).await;
        let capacity = counted.ok().and_then(Result::ok);
        let text = self.farm.metrics.text(capacity.as_ref());
        *seen = Some((Instant::now(), text.clone()));
        text
    }

    /// How much there is to do and how much can be done.
    pub async fn capacity(&self) -> Result<Capacity> {
        self.farm.forget_nodes();
        self.counted().await
    }

    async fn counted(&self) -> Result<Capacity> {
        let depth = self.farm.store().depth().await?;
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
