//! What runs scripts, and keeps them waiting where the server may have lost something. A command that fails
//! is not repeated here: whether it happened is not known, and only the caller knows what a repetition
//! means.

use super::keys;
use super::lapses::Guard;
use super::link::{Link, Open};
use super::scripts::Scripts;
use crate::error::{Error, Result};
use redis::{FromRedisValue, RedisError, Script};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a server may read its data before it answers; a gigabyte takes about 10 s.
const LOADING_MAX: Duration = Duration::from_secs(60);
const LOADING_PAUSE: Duration = Duration::from_millis(100);

/// A connection that is shared by all operations of one store.
#[derive(Clone)]
pub(super) struct Connection {
    shared: Arc<Shared>,
}

/// What all clones of a connection have in common.
pub(super) struct Shared {
    pub(super) link: Link,
    pub(super) guard: Guard,
    pub(super) scripts: Arc<Scripts>,
    tag: String,
}

impl Connection {
    pub(super) async fn open(url: &str, cell: &str, scripts: Arc<Scripts>) -> Result<Self> {
        let shared = Arc::new(Shared {
            link: Link::new(url)?,
            guard: Guard::default(),
            scripts,
            tag: keys::tag(cell)?,
        });
        shared.wait_until_loaded().await?;
        Ok(Self { shared })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Runs a script by its digest; a server that does not know it is sent the text.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        arguments: &[String],
    ) -> Result<T> {
        let open = self.shared.guarded().await?;
        self.shared.run(&open, script, arguments).await
    }

    /// Raises the epoch, for which nothing waits that this allows to go on.
    pub(super) async fn raise(&self, script: &Script, epoch: u32) -> Result<()> {
        let open = self.shared.looked_at().await?;
        let lapses = self.shared.guard.count();
        let arguments = [epoch.to_string()];
        let _: u32 = self.shared.run(&open, script, &arguments).await?;
        self.shared.guard.raised(epoch, lapses);
        Ok(())
    }
}

impl Shared {
    /// Asks until the server has read its data, for a while.
    async fn wait_until_loaded(&self) -> Result<()> {
        let deadline = Instant::now() + LOADING_MAX;
        loop {
            let mut open = self.link.open().await?;
            match redis::cmd("PING")
                .query_async::<()>(&mut open.connection)
                .await
            {
                Err(error) if error.code() == Some("LOADING") && Instant::now() < deadline => {
                    tokio::time::sleep(LOADING_PAUSE).await;
                }
                answer => return answer.map_err(unavailable),
            }
        }
    }

    /// Runs a script on this connection.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        open: &Open,
        script: &Script,
        arguments: &[String],
    ) -> Result<T> {
        let mut invocation = script.key(&self.tag);
        for argument in arguments {
            invocation.arg(argument);
        }
        let mut connection = open.connection.clone();
        let answer = invocation.invoke_async(&mut connection).await;
        answer.map_err(|error| {
            self.link.heard(open, &error);
            refused(error)
        })
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

pub(super) fn unavailable(error: RedisError) -> Error {
    Error::Unavailable {
        reason: error.to_string(),
    }
}
