//! Who waits to hear that it lost a lease, and the look at the store that tells them. It goes through
//! the store because a job may end at another replica than the one that its nodes talk to. Nothing is
//! lost with it: a node that is not told hears it with its next renewal.

use crate::farm::Farm;
use model::NodeId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Pause between two looks, whatever the number of nodes. With it, a worker is gone within a second of
/// the end of its job.
const PAUSE: Duration = Duration::from_millis(250);

/// The nodes that wait.
#[derive(Default)]
pub(crate) struct Losses {
    /// How to tell each, and in how many requests it waits.
    waiting: Mutex<HashMap<NodeId, (Arc<Notify>, usize)>>,
    /// One has come.
    come: Notify,
}

/// A request of a node that waits until this is dropped.
pub(crate) struct Waiting<'a> {
    losses: &'a Losses,
    node: NodeId,
    told: Arc<Notify>,
}

impl Losses {
    /// Notes that a node waits.
    pub(crate) fn wait(&self, node: &NodeId) -> Waiting<'_> {
        let mut waiting = self.waiting.lock();
        let (told, requests) = waiting.entry(node.clone()).or_default();
        *requests += 1;
        let told = Arc::clone(told);
        drop(waiting);
        self.come.notify_one();
        Waiting {
            losses: self,
            node: node.clone(),
            told,
        }
    }

    fn tell(&self, nodes: &[NodeId]) {
        let waiting = self.waiting.lock();
        for (told, _) in nodes.iter().filter_map(|node| waiting.get(node)) {
            told.notify_waiters();
        }
    }

    /// Comes back while a node waits.
    async fn some(&self) {
        while self.waiting.lock().is_empty() {
            self.come.notified().await;
        }
    }
}

impl Waiting<'_> {
    /// Comes back when the node is told, after this call, that it lost something.
    pub(crate) fn told(&self) -> Notified<'_> {
        self.told.notified()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut waiting = self.losses.waiting.lock();
        if let Some((_, requests)) = waiting.get_mut(&self.node) {
            *requests -= 1;
            if *requests == 0 {
                waiting.remove(&self.node);
            }
        }
    }
}

/// Asks the store for losses while nodes wait, until told to stop.
pub(crate) async fn run(farm: Arc<Farm>, shutdown: CancellationToken) {
    let (mut since_ms, mut is_away) = (0, false);
    let look = async {
        loop {
            farm.losses.some().await;
            let found = farm.store().losses(since_ms).await;
            if let Err(error) = &found
                && !is_away
            {
                warn!(%error, "nodes hear of lost leases with their next renewal only");
            }
            is_away = found.is_err();
            if let Ok(found) = found {
                farm.losses.tell(&found.nodes);
                since_ms = found.until_ms;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = look => {}
    }
}

#[cfg(test)]
mod tests {
    use super::Losses;
    use futures::FutureExt;

    #[test]
    fn nobody_asks_the_store_while_no_node_waits() {
        let losses = Losses::default();
        let (node, other) = ("n1".parse().unwrap(), "n2".parse().unwrap());
        assert!(losses.some().now_or_never().is_none());
        let (first, second) = (losses.wait(&node), losses.wait(&node));
        drop(first);
        assert!(losses.some().now_or_never().is_some());
        let third = losses.wait(&other);
        drop((second, third));
        assert!(losses.some().now_or_never().is_none());
    }

    #[test]
    fn all_requests_of_a_node_are_told_and_no_other() {
        let losses = Losses::default();
        let (node, other) = ("n1".parse().unwrap(), "n2".parse().unwrap());
        let waiting = [&node, &node, &other].map(|node| losses.wait(node));
        let told = waiting.each_ref().map(|waiting| waiting.told());
        losses.tell(&[node, "n3".parse().unwrap()]);
        let heard = told.map(|told| told.now_or_never().is_some());
        assert_eq!(heard, [true, true, false]);
    }
}
