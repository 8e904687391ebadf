//! What KEDA asks: how many nodes the queue is worth. The trigger's metadata say how large a node is and how
//! soon work shall be done; one of the metric is one node, so KEDA's own bounds are counts of nodes.

use super::gate::{Gate, bearer};
use crate::policy::capacity::Wish;
use crate::{Error, Handle};
use futures::{Stream, stream};
use proto::keda;
use proto::keda::external_scaler_server::ExternalScaler;
use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// The metric.
const METRIC: &str = "magpie-nodes";

/// Minutes in which work shall be done when the trigger does not say.
const TARGET_MINUTES: f64 = 60.0;

/// Most slots of a node; more than any host has.
const SLOTS_MAX: f64 = 65_536.0;

/// Longest time in minutes, a year.
const MINUTES_MAX: f64 = 366.0 * 24.0 * 60.0;

/// Distance of looks for those who want to hear of changes; what they see may be as old again.
const STREAM_POLL: Duration = Duration::from_secs(1);

type Answer<T> = Result<Response<T>, Status>;

/// The service.
#[derive(Clone)]
pub(crate) struct KedaApi {
    handle: Handle,
    gate: Gate,
}

impl KedaApi {
    pub(crate) fn new(handle: Handle, gate: Gate) -> Self {
        Self { handle, gate }
    }

    /// What the trigger wishes for, if it may ask.
    fn admit(
        &self,
        header: Option<&str>,
        about: Option<keda::ScaledObjectRef>,
    ) -> Result<Wish, Status> {
        let metadata = about.unwrap_or_default().scaler_metadata;
        // KEDA has no headers to give: it sends what a variable of the scaled container holds.
        let told = ["tokenFromEnv", "token"].map(|key| metadata.get(key));
        let told = told.into_iter().flatten().next();
        self.gate.check(header.or(told.map(String::as_str)))?;
        Ok(wish(&metadata)?)
    }

    async fn is_active_for(&self, wish: &Wish) -> Result<bool, Status> {
        Ok(self.handle.nodes_worth(wish).await? > 0)
    }
}

/// Reads the metadata of a trigger; KEDA's own keys are among them.
fn wish(metadata: &HashMap<String, String>) -> Result<Wish, Error> {
    let number = |key: &'static str, range: std::ops::RangeInclusive<f64>| {
        let Some(text) = metadata.get(key) else {
            return Ok(None);
        };
        let number = text.trim().parse().ok();
        let number = number.filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| Error::Rejected {
            field: key,
            reason: format!(
                "{text:?} is no number from {} to {}",
                range.start(),
                range.end()
            ),
        })
    };
    let slots = number("slots", 1.0..=SLOTS_MAX)?.ok_or_else(|| Error::Rejected {
        field: "slots",
        reason: "say how many slots one node has".to_owned(),
    })?;
    let target = number("targetMinutes", 1.0..=MINUTES_MAX)?.unwrap_or(TARGET_MINUTES);
    let new_job = number("newJobMinutes", 0.0..=MINUTES_MAX)?.unwrap_or(0.0);
    let min_unit = number("minSegmentSeconds", 0.0..=MINUTES_MAX * 60.0)?.unwrap_or(0.0);
    Ok(Wish {
        slots: slots as u32,
        target_seconds: target * 60.0,
        min_unit_seconds: min_unit,
        new_job_seconds: new_job * 60.0,
    })
}

#[tonic::async_trait]
impl ExternalScaler for KedaApi {
    type StreamIsActiveStream =
        Pin<Box<dyn Stream<Item = Result<keda::IsActiveResponse, Status>> + Send>>;

    async fn is_active(
        &self,
        request: Request<keda::ScaledObjectRef>,
    ) -> Answer<keda::IsActiveResponse> {
        let (metadata, _, about) = request.into_parts();
        let wish = self.admit(bearer(&metadata), Some(about))?;
        let result = self.is_active_for(&wish).await?;
        Ok(Response::new(keda::IsActiveResponse { result }))
    }

    async fn stream_is_active(
        &self,
        request: Request<keda::ScaledObjectRef>,
    ) -> Answer<Self::StreamIsActiveStream> {
        let (metadata, _, about) = request.into_parts();
        let wish = self.admit(bearer(&metadata), Some(about))?;
        let watch = (self.clone(), wish, None);
        let changes = stream::try_unfold(watch, |(api, wish, told)| async move {
            let result = api.next_activity(&wish, told).await?;
            let answer = keda::IsActiveResponse { result };
            Ok(Some((answer, (api, wish, Some(result)))))
        });
        Ok(Response::new(Box::pin(changes)))
    }

    async fn get_metric_spec(
        &self,
        request: Request<keda::ScaledObjectRef>,
    ) -> Answer<keda::GetMetricSpecResponse> {
        let (metadata, _, about) = request.into_parts();
        self.admit(bearer(&metadata), Some(about))?;
        let spec = keda::MetricSpec {
            metric_name: METRIC.to_owned(),
            target_size: 1,
            target_size_float: 1.0,
        };
        Ok(Response::new(keda::GetMetricSpecResponse {
            metric_specs: vec![spec],
        }))
    }

    async fn get_metrics(
        &self,
        request: Request<keda::GetMetricsRequest>,
    ) -> Answer<keda::GetMetricsResponse> {
        let (metadata, _, request) = request.into_parts();
        let wish = self.admit(bearer(&metadata), request.scaled_object_ref)?;
        if request.metric_name != METRIC {
            let reason = format!("{:?} is not {METRIC}", request.metric_name);
            let field = "metricName";
            return Err(Error::Rejected { field, reason }.into());
        }
        let nodes = self.handle.nodes_worth(&wish).await?;
        let value = keda::MetricValue {
            metric_name: METRIC.to_owned(),
            metric_value: i64::from(nodes),
            metric_value_float: f64::from(nodes),
        };
        Ok(Response::new(keda::GetMetricsResponse {
            metric_values: vec![value],
        }))
    }
}

impl KedaApi {
    /// Whether there is anything to do, as soon as that is not what was told last.
    async fn next_activity(&self, wish: &Wish, told: Option<bool>) -> Result<bool, Status> {
        loop {
            let result = self.is_active_for(wish).await?;
            if told != Some(result) {
                return Ok(result);
            }
            tokio::select! {
                () = self.handle.farm.stopping.cancelled() => {
                    return Err(Status::unavailable("this scheduler stops; ask another one"));
                }
                () = tokio::time::sleep(STREAM_POLL) => {}
            }
        }
    }
}
