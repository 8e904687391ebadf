//! Posts notices. The one owner of the retries of a delivery.

use super::{HEADER, Notice, sign};
use crate::config::Config;
use crate::policy::retry;
use crate::{Error, Result};
use model::layout;
use model::plan::Ticket;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// Tries of one delivery. The waits between them grow to sixteen seconds: a receiver that restarts is
/// back by then.
const TRIES_MAX: u32 = 6;

/// A receiver that takes longer has a queue of its own to put notices into.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Deliveries under way at a time.
const AT_ONCE: usize = 32;

/// Delivers notices until told to stop. What waits for another try then is given up.
pub(crate) async fn run(
    config: Config,
    mut notices: mpsc::Receiver<Notice>,
    shutdown: CancellationToken,
) -> Result<()> {
    let client = client()?;
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let tracker = TaskTracker::new();
    loop {
        let notice = tokio::select! {
            () = shutdown.cancelled() => break,
            notice = notices.recv() => notice,
        };
        let Some(notice) = notice else { break };
        let Ok(permit) = room.clone().acquire_owned().await else {
            break;
        };
        let (client, config, shutdown) = (client.clone(), config.clone(), shutdown.clone());
        tracker.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = deliver(&client, &config, &notice) => {}
            }
            drop(permit);
        });
    }
    tracker.close();
    tracker.wait().await;
    Ok(())
}

fn client() -> Result<reqwest::Client> {
    // Another part of the process may have installed the same provider before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        // A redirect could lead a signed body to a host that nobody named.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| Error::Config {
            setting: "webhook client",
            reason: e.to_string(),
        })
}

async fn deliver(client: &reqwest::Client, config: &Config, notice: &Notice) {
    let job_id = &notice.job.id;
    let ticket = match config
        .storage
        .get_json::<Ticket>(&layout::ticket(job_id))
        .await
    {
        Ok(ticket) => ticket,
        Err(error) => return warn!(%job_id, %error, "no ticket, so nobody to notify"),
    };
    if ticket.webhook_url.is_empty() {
        return;
    }
    let Ok(body) = serde_json::to_vec(notice) else {
        return warn!(%job_id, "notice cannot be written as JSON");
    };
    for tried in 0..TRIES_MAX {
        match post(client, config, &ticket.webhook_url, body.clone()).await {
            Ok(()) => return debug!(%job_id, notice = notice.id, "notice was delivered"),
            Err(Refusal {
                retry: false,
                reason,
            }) => {
                return warn!(%job_id, reason, "receiver refused a notice");
            }
            Err(Refusal { reason, .. }) => debug!(%job_id, tried, reason, "notice not delivered"),
        }
        if tried + 1 < TRIES_MAX {
            tokio::time::sleep(retry::jitter(retry::backoff(tried), rand::random())).await;
        }
    }
    warn!(%job_id, tries = TRIES_MAX, "notice was given up");
}

/// Why a delivery did not succeed.
struct Refusal {
    retry: bool,
    reason: String,
}

async fn post(
    client: &reqwest::Client,
    config: &Config,
    url: &str,
    body: Vec<u8>,
) -> std::result::Result<(), Refusal> {
    let mut request = client.post(url).header("content-type", "application/json");
    if let Some(secret) = &config.webhook_secret {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        request = request.header(HEADER, sign(secret.reveal(), now, &body));
    }
    // The URL may hold a token of the receiver's and stays out of the reason.
    let sent = request.body(body).send().await;
    let response = sent.map_err(|e| Refusal {
        retry: true,
        reason: e.without_url().to_string(),
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let retry = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
    Err(Refusal {
        retry,
        reason: status.to_string(),
    })
}
