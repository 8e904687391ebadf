//! The one connection to Redis, the one owner of reconnects: made when it is needed and there is none. A
//! caller that comes while another one connects waits for that one's success or failure.

use super::address::Address;
use super::connection::unavailable;
use crate::error::{Error, Result};
use parking_lot::{Mutex, RwLock};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// Longest wait for an answer. A script takes milliseconds, so a longer silence is a lost server.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for one server; the way through sentinels goes to two.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Waits between attempts to connect: doubled from the first to the second, with jitter.
const DELAY_MIN: Duration = Duration::from_millis(50);
const DELAY_MAX: Duration = Duration::from_secs(2);
/// Attempts in a row; then the next command fails and starts the next row.
const ATTEMPTS: u32 = 8;

/// The connection, if there is one, and the way to make one.
pub(super) struct Link {
    open: RwLock<Option<Open>>,
    dialing: tokio::sync::Mutex<Dialing>,
    /// Rows of attempts that failed, and why the last one did.
    failed: Mutex<(u64, String)>,
    config: AsyncConnectionConfig,
}

/// A connection; clones share it.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) connection: MultiplexedConnection,
    /// Which one it is of all that there were.
    pub(super) serial: u64,
}

struct Dialing {
    address: Address,
    serial: u64,
}

impl Link {
    pub(super) fn new(url: &str) -> Result<Self> {
        Ok(Self {
            open: RwLock::new(None),
            dialing: tokio::sync::Mutex::new(Dialing {
                address: Address::parse(url).map_err(unavailable)?,
                serial: 0,
            }),
            failed: Mutex::new((0, String::new())),
            config: AsyncConnectionConfig::new()
                .set_response_timeout(Some(RESPONSE_TIMEOUT))
                .set_connection_timeout(Some(CONNECT_TIMEOUT)),
        })
    }

    /// The connection; made where there is none.
    pub(super) async fn open(&self) -> Result<Open> {
        if let Some(open) = self.open.read().clone() {
            return Ok(open);
        }
        let rows = self.failed.lock().0;
        let mut dialing = self.dialing.lock().await;
        if let Some(open) = self.open.read().clone() {
            return Ok(open);
        }
        let (failed, reason) = self.failed.lock().clone();
        if failed != rows {
            return Err(Error::Unavailable { reason });
        }
        match dialing.row(&self.config).await {
            Ok(open) => {
                *self.open.write() = Some(open.clone());
                Ok(open)
            }
            Err(error) => {
                let mut failed = self.failed.lock();
                *failed = (failed.0 + 1, error.to_string());
                Err(unavailable(error))
            }
        }
    }

    /// Takes note of what a command said: after some errors the connection is not used again.
    pub(super) fn heard(&self, open: &Open, error: &RedisError) {
        if !is_lost(error) {
            return;
        }
        let mut current = self.open.write();
        if current
            .as_ref()
            .is_some_and(|now| now.serial == open.serial)
        {
            *current = None;
        }
    }
}

impl Dialing {
    /// A row of attempts.
    async fn row(&mut self, config: &AsyncConnectionConfig) -> RedisResult<Open> {
        let mut delay = DELAY_MIN;
        for _ in 1..ATTEMPTS {
            match self.attempt(config).await {
                Ok(open) => return Ok(open),
                Err(error) => tracing::debug!(%error, "redis cannot be reached"),
            }
            tokio::time::sleep(delay.mul_f64(0.5 + 0.5 * random_part())).await;
            delay = (delay * 2).min(DELAY_MAX);
        }
        self.attempt(config).await
    }

    async fn attempt(&mut self, config: &AsyncConnectionConfig) -> RedisResult<Open> {
        let connect = self.address.connect(config);
        let connection = tokio::time::timeout(2 * CONNECT_TIMEOUT, connect).await;
        let connection = connection
            .map_err(|_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))??;
        self.serial += 1;
        Ok(Open {
            connection,
            serial: self.serial,
        })
    }
}

/// Whether the server is gone, or is not the one that takes writes any more, or not yet: a primary that was
/// demoted stays connected and refuses.
fn is_lost(error: &RedisError) -> bool {
    error.is_unrecoverable_error()
        || error.is_io_error()
        || matches!(error.code(), Some("READONLY" | "LOADING" | "MASTERDOWN"))
}

/// A number that differs between processes and calls.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// From 0 up to 1.
fn random_part() -> f64 {
    random() as f64 / u64::MAX as f64
}
