//! The store of a farm. Every operation is one Lua script, so Redis runs it whole or not at all, and
//! every time in it is that of Redis.
//!
//! It needs Redis 7.0 and no modules. Redis may lose its last second with its power (AOF `everysec`)
//! and everything with its disk: the truth is in object storage, and a rebuilt store is opened with
//! a greater epoch.

mod address;
mod connection;
mod keys;
mod lapses;
mod lease_end;
mod link;
mod listing;
mod operations;
mod scripts;
mod wire;
mod work_left;

pub use lapses::{Lapse, Lapses};

use crate::error::Result;
use connection::Connection;
use scripts::Scripts;
use std::sync::Arc;

/// A store in Redis. Clones share one connection.
#[derive(Clone)]
pub struct RedisStore {
    connection: Connection,
    scripts: Arc<Scripts>,
    epoch: u32,
}

impl RedisStore {
    /// Connects to `redis://`, `rediss://` or `redis+unix:///path`, or asks
    /// `redis+sentinel://[user:password@]host:port,host:port/service` where the primary is. `cell` names
    /// the farm's keys, so that cells may share a server. Tokens have the greatest epoch that the cell was
    /// opened with.
    pub async fn open(url: &str, cell: &str, epoch: u32) -> Result<Self> {
        let scripts = Arc::new(Scripts::new());
        let store = Self {
            connection: Connection::open(url, cell, Arc::clone(&scripts)).await?,
            scripts,
            epoch,
        };
        crate::Store::raise_epoch(&store, epoch).await?;
        Ok(store)
    }

    /// Watches from now on whether the server loses something. After each such moment operations wait, up
    /// to some seconds, until [`crate::Store::raise_epoch`] was called with an epoch that none had before.
    pub async fn lapses(&self) -> Result<Lapses> {
        Lapses::watch(self.connection.clone()).await
    }
}
