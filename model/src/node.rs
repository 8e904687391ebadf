//! Nodes: what they are and what they hold.

use crate::plan::BuildIds;
use crate::{ChunkId, NodeId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a node says of itself when it registers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its id.
    pub id: NodeId,
    /// Name of the host.
    pub host: String,
    /// Version of the magpie binary.
    pub version: String,
    /// Processor cores it may use.
    pub cores: u32,
    /// Memory of the host.
    pub memory_bytes: u64,
    /// Model of the processor.
    pub cpu: String,
    /// GPUs; empty until the host has one that passed its self-test.
    pub gpus: Vec<String>,
    /// Chunks it runs at a time.
    pub slots: u32,
    /// Versions of everything that turns source bytes into output bytes.
    pub builds: BuildIds,
    /// Why it takes no work for a while, such as failures of its own in a row; empty while it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unfit: String,
    /// It was told to end: it finishes what it holds and takes nothing new.
    #[serde(default)]
    pub leaving: bool,
}

impl NodeInfo {
    /// Whether it takes work, as far as it says itself.
    pub fn takes_work(&self) -> bool {
        self.unfit.is_empty() && !self.leaving
    }
}

/// A node as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// What it said of itself.
    pub info: NodeInfo,
    /// Last sign of life, in milliseconds since 1970.
    pub seen_at_ms: u64,
    /// Told by an operator to finish and take nothing new.
    pub draining: bool,
    /// Chunks it holds.
    pub holds: Vec<ChunkId>,
}

impl NodeRecord {
    /// Whether it finishes what it holds and takes nothing new, because an operator or its own host
    /// says so.
    pub fn is_draining(&self) -> bool {
        self.draining || self.info.leaving
    }

    /// Whether it may take new work.
    pub fn takes_work(&self) -> bool {
        !self.draining && self.info.takes_work()
    }
}

/// Digest of build ids, as tasks name it.
pub fn builds_digest(builds: &BuildIds) -> String {
    let text = serde_json::to_vec(builds).expect("a map of strings is JSON");
    hex::encode(&Sha256::digest(&text)[..8])
}
