//! Nodes.

use crate::error::{Error, invalid};
use crate::v1;
use model::node::{NodeInfo, NodeRecord};
use model::{ChunkId, NodeId};

impl From<&NodeInfo> for v1::Node {
    fn from(info: &NodeInfo) -> Self {
        Self {
            id: info.id.to_string(),
            host: info.host.clone(),
            version: info.version.clone(),
            cores: info.cores,
            memory_bytes: info.memory_bytes,
            cpu: info.cpu.clone(),
            gpus: info.gpus.clone(),
            slots: info.slots,
            builds: info.builds.clone().into_iter().collect(),
            seen_at_ms: 0,
            draining: false,
            holds: Vec::new(),
            unfit: info.unfit.clone(),
            leaving: info.leaving,
        }
    }
}

impl From<&NodeRecord> for v1::Node {
    fn from(node: &NodeRecord) -> Self {
        Self {
            seen_at_ms: node.seen_at_ms,
            draining: node.is_draining(),
            holds: node.holds.iter().map(ToString::to_string).collect(),
            ..Self::from(&node.info)
        }
    }
}

impl TryFrom<v1::Node> for NodeInfo {
    type Error = Error;
    fn try_from(wire: v1::Node) -> Result<Self, Error> {
        Ok(Self {
            id: NodeId::new(wire.id).map_err(|e| invalid("node.id", e))?,
            host: wire.host,
            version: wire.version,
            cores: wire.cores,
            memory_bytes: wire.memory_bytes,
            cpu: wire.cpu,
            gpus: wire.gpus,
            slots: wire.slots,
            builds: wire.builds.into_iter().collect(),
            unfit: wire.unfit,
            leaving: wire.leaving,
        })
    }
}

impl TryFrom<v1::Node> for NodeRecord {
    type Error = Error;
    fn try_from(mut wire: v1::Node) -> Result<Self, Error> {
        let holds = std::mem::take(&mut wire.holds);
        let holds = holds
            .iter()
            .map(|id| id.parse::<ChunkId>())
            .collect::<Result<_, _>>();
        Ok(Self {
            seen_at_ms: wire.seen_at_ms,
            draining: wire.draining,
            holds: holds.map_err(|e| invalid("node.holds", e))?,
            info: wire.try_into()?,
        })
    }
}
