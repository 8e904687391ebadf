//! What a scheduler is told. Checked once in [`Config::check`]; nothing is read from the environment
//! here.

use crate::webhook::Targets;
use crate::{Error, Result};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use storage::{SourceRoots, Storage};
use store::Store;
use store::redis::Lapses;

/// Heartbeats that a node may miss before its leases end.
const HEARTBEATS_IN_LEASE: u32 = 3;

/// A secret that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: for comparing and signing only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Bounds on what is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that may be open at a time.
    pub jobs_max: u64,
    /// Longest request.
    pub message_bytes_max: usize,
    /// Requests that one connection may have under way.
    pub requests_per_connection_max: u32,
    /// Longest that a node may wait for work in one request.
    pub take_wait_max: Duration,
    /// Jobs that one replica decides about at a time.
    pub jobs_at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A queued job costs the store less than 5 KB, so as many cost half a gigabyte. One under way costs
            // some hundred, but few more jobs are begun than there are slots.
            jobs_max: 100_000,
            // A profile of 64 KiB, 64 sidecar URLs of 2 KiB and a failure's evidence fit many times.
            message_bytes_max: 1 << 20,
            // A node has one request for each slot, one that waits for work and one, held most of the time,
            // for its heartbeat; dashboards watch jobs.
            requests_per_connection_max: 512,
            // Below the idle time-outs of usual load balancers.
            take_wait_max: Duration::from_secs(20),
            jobs_at_once: 8,
        }
    }
}

/// Configuration of a scheduler.
#[derive(Clone)]
pub struct Config {
    /// Where tickets, plans, segments and titles are.
    pub storage: Storage,
    /// Who may do what, and what is done.
    pub store: Arc<dyn Store>,
    /// Tells when the store may have lost something, so that it is given back; a store that loses nothing
    /// before it loses everything, such as one in memory, tells nothing.
    pub lapses: Option<Lapses>,
    /// Which sources may be named.
    pub sources: SourceRoots,
    /// Where nodes find the storage; it may have another address for them.
    pub storage_url: String,
    /// Distance of a node's heartbeats; a lease lasts three of them.
    pub heartbeat: Duration,
    /// Bounds.
    pub limits: Limits,
    /// How long a job that has ended stays in the store. Its report stays in storage for good. Failed
    /// jobs stay until a person has acted on them.
    pub keep_ended: Duration,
    /// How long a job waits for a node with the builds that its plan pins while there are only others;
    /// then it fails.
    pub builds_wait: Duration,
    /// Signs what is posted to webhooks. Without it nothing is signed, and the header is absent.
    pub webhook_secret: Option<Secret>,
    /// Which addresses webhooks may reach; by default public ones alone.
    pub webhook_targets: Targets,
    /// What every request must bear; without it only loopback listeners are allowed.
    pub token: Option<Secret>,
}

impl Config {
    /// A configuration with the usual heartbeat of two seconds, usual limits, and no secrets. Ended jobs are kept for thirty days.
    pub fn new(storage: Storage, store: Arc<dyn Store>, sources: SourceRoots) -> Self {
        Self {
            storage_url: storage.url().to_owned(),
            storage,
            store,
            lapses: None,
            sources,
            heartbeat: Duration::from_secs(2),
            limits: Limits::default(),
            keep_ended: Duration::from_secs(30 * 24 * 3600),
            // An update that goes wrong is taken back within the hour.
            builds_wait: Duration::from_secs(3_600),
            webhook_secret: None,
            webhook_targets: Targets::default(),
            token: None,
        }
    }

    /// How long a lease lasts without a renewal.
    pub fn lease_ttl(&self) -> Duration {
        self.heartbeat * HEARTBEATS_IN_LEASE
    }

    /// How long after its last sign of life a node is still listed: long enough that an operator sees
    /// who went missing.
    pub fn seen_within(&self) -> Duration {
        self.lease_ttl() * 5
    }

    /// Refuses what cannot work.
    pub fn check(&self) -> Result<()> {
        let wrong = |setting, reason: &str| {
            Err(Error::Config {
                setting,
                reason: reason.to_owned(),
            })
        };
        if self.heartbeat.is_zero() || self.heartbeat > Duration::from_secs(60) {
            return wrong("heartbeat", "must be above 0 and at most 60 s");
        }
        if self
            .token
            .as_ref()
            .is_some_and(|token| token.reveal().len() < 16)
        {
            return wrong("token", "must have at least 16 bytes");
        }
        if self.limits.jobs_at_once == 0 || self.limits.requests_per_connection_max == 0 {
            return wrong("limits", "must be above 0");
        }
        Ok(())
    }

    /// Refuses to listen where strangers could connect without a token.
    pub fn check_listener(&self, address: SocketAddr) -> Result<()> {
        if self.token.is_some() || address.ip().is_loopback() {
            return Ok(());
        }
        let reason = format!("{address} is not a loopback address and no token is set");
        Err(Error::Config {
            setting: "listen",
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, Secret, SourceRoots, Storage};
    use std::sync::Arc;
    use std::time::Duration;
    use store::SystemClock;
    use store::memory::MemoryStore;

    fn config() -> Config {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        Config::new(
            Storage::open("memory:").unwrap(),
            store,
            SourceRoots::default(),
        )
    }

    #[test]
    fn strangers_can_only_connect_where_a_token_is_set() {
        let (here, anywhere) = ("127.0.0.1:1".parse().unwrap(), "0.0.0.0:1".parse().unwrap());
        let open = config();
        assert!(open.check_listener(here).is_ok());
        assert!(open.check_listener("[::1]:1".parse().unwrap()).is_ok());
        assert!(open.check_listener(anywhere).is_err());
        let closed = Config {
            token: Some(Secret::new("0123456789abcdef")),
            ..config()
        };
        assert!(closed.check_listener(anywhere).is_ok());
    }

    #[test]
    fn what_cannot_work_is_refused_before_it_starts() {
        assert!(config().check().is_ok());
        let silent = Config {
            heartbeat: Duration::ZERO,
            ..config()
        };
        assert!(silent.check().is_err());
        let weak = Config {
            token: Some(Secret::new("1234")),
            ..config()
        };
        assert!(weak.check().unwrap_err().to_string().starts_with("token"));
    }

    #[test]
    fn secrets_are_never_printed() {
        assert_eq!(format!("{:?}", Secret::new("hidden")), "Secret(..)");
    }
}
