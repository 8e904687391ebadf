//! The connection to Redis, the one owner of reconnects. A command that fails is not repeated here:
//! whether it happened is not known, and only the caller knows what a repetition means.

use super::keys;
use crate::error::{Error, Result};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, FromRedisValue, RedisError, RedisResult, Script};
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for an answer. A script takes milliseconds, so a longer silence is a lost server.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Waits between attempts to reconnect: doubled from the first to the second, with jitter.
const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(50);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);
/// Attempts in a row; then the next command fails and starts the next row.
const RECONNECT_ATTEMPTS: usize = 8;

/// How long a server may read its data before it answers; a gigabyte takes about 10 s.
const LOADING_MAX: Duration = Duration::from_secs(60);
const LOADING_PAUSE: Duration = Duration::from_millis(100);

/// A connection that is shared by all operations of one store.
#[derive(Clone)]
pub(super) struct Connection {
    manager: ConnectionManager,
    tag: String,
}

impl Connection {
    pub(super) async fn open(url: &str, cell: &str) -> Result<Self> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_min_delay(RECONNECT_DELAY_MIN)
            .set_max_delay(RECONNECT_DELAY_MAX)
            .set_number_of_retries(RECONNECT_ATTEMPTS);
        let client = Client::open(url).map_err(unavailable)?;
        let connect = || ConnectionManager::new_with_config(client.clone(), config.clone());
        let manager = when_loaded(connect).await?;
        let ping = || {
            let mut manager = manager.clone();
            async move { redis::cmd("PING").query_async::<()>(&mut manager).await }
        };
        when_loaded(ping).await?;
        Ok(Self {
            manager,
            tag: keys::tag(cell)?,
        })
    }

    /// Runs a script by its digest; a server that does not know it is sent the text.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        arguments: &[String],
    ) -> Result<T> {
        let mut invocation = script.key(&self.tag);
        for argument in arguments {
            invocation.arg(argument);
        }
        let mut manager = self.manager.clone();
        invocation.invoke_async(&mut manager).await.map_err(refused)
    }
}

/// Asks again while the server reads its data, for a while.
async fn when_loaded<T, F>(ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = RedisResult<T>>,
{
    let deadline = Instant::now() + LOADING_MAX;
    loop {
        match ask().await {
            Err(error) if error.code() == Some("LOADING") && Instant::now() < deadline => {
                tokio::time::sleep(LOADING_PAUSE).await;
            }
            outcome => return outcome.map_err(unavailable),
        }
    }
}

/// What a script or the connection says. The scripts answer `NOTFOUND what id` and
/// `CONFLICT id reason`.
fn refused(error: RedisError) -> Error {
    let (first, second) = error
        .detail()
        .and_then(|detail| detail.split_once(' '))
        .unwrap_or_default();
    match error.code() {
        Some("NOTFOUND") => Error::NotFound {
            what: match first {
                "job" => "job",
                "node" => "node",
                _ => "chunk",
            },
            id: second.to_owned(),
        },
        Some("CONFLICT") => Error::Conflict {
            id: first.to_owned(),
            reason: second.to_owned(),
        },
        // A script stopped at a record that it cannot work on. Repeating it would not help.
        Some("ERR")
            if error
                .detail()
                .is_some_and(|detail| detail.contains("@user_script")) =>
        {
            Error::Corrupt {
                key: "script".to_owned(),
                reason: error.to_string(),
            }
        }
        _ => unavailable(error),
    }
}

fn unavailable(error: RedisError) -> Error {
    Error::Unavailable {
        reason: error.to_string(),
    }
}
