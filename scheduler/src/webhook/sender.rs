//! Posts notices. The one owner of the retries of a delivery: a receiver that fails is put off, longer
//! each time, and what is too old is dropped.

use super::{HEADER, sign};
use crate::config::Config;
use crate::farm::Farm;
use crate::policy::retry;
use crate::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::{Delivery, Notice};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// A receiver that takes longer has a queue of its own to put notices into.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long a receiver is held. Longer than a delivery takes; after it another replica may serve it.
const HOLD: Duration = Duration::from_secs(30);

/// Deliveries under way at a time, each to another receiver.
const AT_ONCE: usize = 32;

/// Longest pause between two looks for receivers that are due.
const POLL: Duration = Duration::from_secs(1);

/// A notice that could not be delivered for so long is dropped: by then somebody has asked the farm.
const GIVEN_UP_MS: u64 = 24 * 3_600_000;

/// Delivers notices until told to stop. What is under way then comes again when its hold ends.
pub(crate) async fn run(farm: Arc<Farm>, shutdown: CancellationToken) -> Result<()> {
    let client = client(&farm.config)?;
    let mut busy = JoinSet::new();
    while !shutdown.is_cancelled() {
        let woken = farm.notices.notified();
        while busy.len() < AT_ONCE {
            match farm.store().deliver(HOLD).await {
                Ok(Some(delivery)) => {
                    let (farm, client) = (farm.clone(), client.clone());
                    busy.spawn(async move { deliver(&farm, &client, &delivery).await });
                }
                Ok(None) => break,
                Err(error) => {
                    warn!(%error, "store does not hand out notices");
                    break;
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = woken => {}
            Some(_) = busy.join_next() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
    Ok(())
}

fn client(config: &Config) -> Result<reqwest::Client> {
    // Another part of the process may have installed the same provider before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        // A proxy would resolve the host anew, and the address could be another.
        .no_proxy()
        .dns_resolver(Arc::new(config.webhook_targets.clone()))
        // A redirect could lead a signed body to a host that nobody named.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| Error::Config {
            setting: "webhook client",
            reason: e.to_string(),
        })
}

/// Tries a delivery once, and tells the store what came of it. A store that does not hear of it hands
/// the notice out again.
async fn deliver(farm: &Farm, client: &reqwest::Client, delivery: &Delivery) {
    let told = match attempt(farm, client, delivery).await {
        Outcome::Done => farm.store().delivered(delivery).await,
        Outcome::PutOff => {
            let longest = retry::backoff(delivery.failures);
            let delay = longest / 2 + retry::jitter(longest / 2, rand::random());
            farm.store().put_off(delivery, delay).await
        }
    };
    if let Err(error) = told {
        warn!(%error, "store does not take a notice back");
    }
    farm.notices.notify_one();
}

/// What comes of a notice.
enum Outcome {
    /// It was delivered, or will never be.
    Done,
    /// It is tried again later.
    PutOff,
}

async fn attempt(farm: &Farm, client: &reqwest::Client, delivery: &Delivery) -> Outcome {
    let Notice { job, version, .. } = &delivery.notice;
    let now_ms = farm.store().now_ms().await.unwrap_or(delivery.posted_at_ms);
    if now_ms.saturating_sub(delivery.posted_at_ms) > GIVEN_UP_MS {
        warn!(job_id = %job, version, "notice was given up");
        return Outcome::Done;
    }
    match post(client, &farm.config, &delivery.notice).await {
        Ok(()) => debug!(job_id = %job, version, "notice was delivered"),
        Err(Refusal {
            retry: false,
            reason,
        }) => warn!(job_id = %job, version, reason, "notice was refused"),
        Err(Refusal { reason, .. }) => {
            let failures = delivery.failures;
            debug!(job_id = %job, version, failures, reason, "notice not delivered");
            return Outcome::PutOff;
        }
    }
    Outcome::Done
}

/// Why a delivery did not succeed.
struct Refusal {
    retry: bool,
    reason: String,
}

async fn post(
    client: &reqwest::Client,
    config: &Config,
    notice: &Notice,
) -> std::result::Result<(), Refusal> {
    // A host that is an address is connected to without a resolution.
    if let Some(reason) = config.webhook_targets.objection(&notice.url) {
        return Err(Refusal {
            retry: false,
            reason,
        });
    }
    let body = notice.body.clone().into_bytes();
    let mut request = client
        .post(&notice.url)
        .header("content-type", "application/json");
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
