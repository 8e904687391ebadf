//! Notices of a cloud that it takes this host away: spot and preemptible machines go within half a minute
//! to two minutes. The agent drains at once, and shortly before the end it hands back what is not done.
//! The metadata service is asked from the host alone and over plain HTTP, as all clouds have it.

use crate::{Error, Result, Shutdown};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use std::time::{Duration, SystemTime};

/// Longest wait for an answer: the service is in the host.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The shortest notice that a cloud promises, where it does not say when the host ends.
const NOTICE_MIN: Duration = Duration::from_secs(30);

/// How long before the end EC2 says so, at most.
const NOTICE_OF_AWS: Duration = Duration::from_secs(120);

/// So long before the end of the host what is not done is handed back.
const MARGIN: Duration = Duration::from_secs(10);

/// Whose metadata service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// EC2 spot instances: `spot/instance-action`, two minutes before.
    Aws,
    /// Azure spot machines: `Preempt` of the scheduled events, half a minute before.
    Azure,
    /// Spot and preemptible machines of Compute Engine: `instance/preempted`, half a minute before.
    Gcp,
}

/// Asks the metadata service of this host whether it goes, until it does.
pub struct SpotNotice {
    cloud: Cloud,
    base: String,
    client: Client,
    /// Whether it answered the last question.
    is_heard: Option<bool>,
}

#[derive(Deserialize)]
struct InstanceAction {
    time: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduledEvents {
    events: Vec<ScheduledEvent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduledEvent {
    event_type: String,
    resources: Vec<String>,
}

impl Cloud {
    fn base(self) -> &'static str {
        match self {
            Self::Aws | Self::Azure => "http://169.254.169.254",
            Self::Gcp => "http://metadata.google.internal",
        }
    }

    /// Between two questions: what each of them recommends, or a small part of its notice.
    fn pause(self) -> Duration {
        match self {
            Self::Aws => Duration::from_secs(5),
            Self::Azure | Self::Gcp => Duration::from_secs(1),
        }
    }
}

impl SpotNotice {
    /// The service of this cloud; at another address than the usual where `base` says one.
    pub fn of(cloud: Cloud, base: Option<&str>) -> Result<Self> {
        // Another part of the process may have installed the same provider before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(ANSWER_MAX)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::Inventory {
                reason: format!("no client for the metadata service: {error}"),
            })?;
        let base = base.unwrap_or(cloud.base()).trim_end_matches('/');
        Ok(Self {
            cloud,
            base: base.to_owned(),
            client,
            is_heard: None,
        })
    }

    /// Ends an agent in time: drains it when the cloud says that the host goes, and kills its workers
    /// shortly before it does. The first question is answered when this returns, so that an agent which is
    /// started meanwhile takes no work; the others are asked in the background until the agent is killed.
    pub async fn heed(mut self, shutdown: Shutdown) {
        let first = self.ask().await;
        if first.is_some() {
            shutdown.drain.cancel();
        }
        tokio::spawn(async move {
            let kill = shutdown.kill.clone();
            tokio::select! {
                () = kill.cancelled() => {}
                () = self.wait_and_end(first, &shutdown) => {}
            }
        });
    }

    async fn wait_and_end(mut self, first: Option<Duration>, shutdown: &Shutdown) {
        let mut notice = first;
        let left = loop {
            if let Some(left) = notice {
                break left;
            }
            tokio::time::sleep(self.cloud.pause()).await;
            notice = self.ask().await;
        };
        tracing::warn!(
            seconds = left.as_secs(),
            "the cloud takes this host away: draining"
        );
        shutdown.drain.cancel();
        tokio::time::sleep(left.saturating_sub(MARGIN)).await;
        tracing::warn!("handing back what is not done");
        shutdown.kill.cancel();
    }

    /// The time that is left, if there is a notice. A service that does not answer gives none, and that is
    /// said once.
    async fn ask(&mut self) -> Option<Duration> {
        let answer = self.notice().await;
        let is_heard = answer.is_ok();
        match &answer {
            Err(reason) if self.is_heard != Some(false) => {
                let url = &self.base;
                tracing::warn!(
                    url,
                    reason,
                    "the metadata service is not heard: no notice would be"
                );
            }
            Ok(_) if self.is_heard == Some(false) => {
                tracing::info!("the metadata service is heard again");
            }
            _ => {}
        }
        self.is_heard = Some(is_heard);
        answer.unwrap_or_default()
    }

    async fn notice(&self) -> Answer<Option<Duration>> {
        match self.cloud {
            Cloud::Aws => self.notice_of_aws().await,
            Cloud::Azure => self.notice_of_azure().await,
            Cloud::Gcp => self.notice_of_gcp().await,
        }
    }

    /// EC2 User Guide, "Spot Instance interruption notices": 404 while there is none. The session token is
    /// that of IMDSv2, which accounts may demand.
    async fn notice_of_aws(&self) -> Answer<Option<Duration>> {
        let token = self.client.put(self.url("/latest/api/token"));
        let token = token.header("X-aws-ec2-metadata-token-ttl-seconds", "60");
        let token = text(token).await?.ok_or("there is no session token")?;
        let action = self.get("/latest/meta-data/spot/instance-action");
        let Some(action) = text(action.header("X-aws-ec2-metadata-token", token)).await? else {
            return Ok(None);
        };
        let action: InstanceAction = read(&action)?;
        let end = humantime::parse_rfc3339(&action.time).map_err(|error| error.to_string())?;
        let left = end.duration_since(SystemTime::now()).unwrap_or_default();
        // The host's clock may be behind; the notice comes no earlier.
        Ok(Some(left.min(NOTICE_OF_AWS)))
    }

    /// Azure, "Scheduled Events for Linux VMs". Machines of a set hear of each other's events.
    async fn notice_of_azure(&self) -> Answer<Option<Duration>> {
        let metadata = |path| self.get(path).header("Metadata", "true");
        let events = metadata("/metadata/scheduledevents?api-version=2020-07-01");
        let events = text(events).await?.ok_or("there are no scheduled events")?;
        let events: ScheduledEvents = read(&events)?;
        let mut preempted = events
            .events
            .iter()
            .filter(|event| event.event_type == "Preempt");
        let Some(event) = preempted.next() else {
            return Ok(None);
        };
        let name = "/metadata/instance/compute/name?api-version=2021-02-01&format=text";
        let name = text(metadata(name))
            .await?
            .ok_or("the machine has no name")?;
        let mut resources = preempted.chain([event]).flat_map(|event| &event.resources);
        let is_named = resources.any(|resource| resource.eq_ignore_ascii_case(name.trim()));
        Ok(is_named.then_some(NOTICE_MIN))
    }

    /// Compute Engine, "Detect if a VM was preempted".
    async fn notice_of_gcp(&self) -> Answer<Option<Duration>> {
        let preempted = self.get("/computeMetadata/v1/instance/preempted");
        let preempted = text(preempted.header("Metadata-Flavor", "Google")).await?;
        let preempted = preempted.ok_or("it does not say whether it was preempted")?;
        Ok((preempted.trim() == "TRUE").then_some(NOTICE_MIN))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path))
    }
}

/// What the service says, or why it does not.
type Answer<T> = std::result::Result<T, String>;

/// The text of an answer; `None` for what is not there.
async fn text(request: RequestBuilder) -> Answer<Option<String>> {
    let said = |error: reqwest::Error| error.without_url().to_string();
    let mut response = request.send().await.map_err(said)?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => return Ok(None),
        other => return Err(format!("it answers {other}")),
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(said)? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_BYTES_MAX {
            return Err("it does not end".to_owned());
        }
    }
    String::from_utf8(body)
        .map(Some)
        .map_err(|_| "it is no text".to_owned())
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Answer<T> {
    serde_json::from_str(text).map_err(|error| format!("it cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
