//! Jobs and what was asked for them.

use crate::error::{Error, invalid};
use crate::v1;
use model::job::{JobFilter, JobPage, JobRecord, Phase, ReviewAnswer, Urgency};
use model::plan::Sidecar;
use model::{JobId, TenantId, TitleId};

impl From<&JobRecord> for v1::Job {
    fn from(job: &JobRecord) -> Self {
        Self {
            id: job.id.to_string(),
            tenant: job.tenant.to_string(),
            title: job.title.to_string(),
            profile: job.profile.clone(),
            source_url: job.source_url.clone(),
            priority: u32::from(job.urgency.priority),
            deadline_ms: job.urgency.deadline_ms.unwrap_or(0),
            held_max: job.held_max.unwrap_or(0),
            paused: job.paused,
            phase: job.phase.as_str().to_owned(),
            version: job.version,
            failure: job.failure.as_ref().map(Into::into),
            title_version: job.title_version,
            accepted_at_ms: job.accepted_at_ms,
            changed_at_ms: job.changed_at_ms,
            units: job.units,
            units_done: job.units_done,
            failed_in: job
                .failed_in
                .map_or_else(String::new, |phase| phase.as_str().to_owned()),
            traceparent: job.traceparent.clone(),
        }
    }
}

impl TryFrom<v1::Job> for JobRecord {
    type Error = Error;
    fn try_from(wire: v1::Job) -> Result<Self, Error> {
        let failed_in = match wire.failed_in.as_str() {
            "" => None,
            text => Some(phase("job.failed_in", text)?),
        };
        Ok(Self {
            id: JobId::new(wire.id).map_err(|e| invalid("job.id", e))?,
            tenant: TenantId::new(wire.tenant).map_err(|e| invalid("job.tenant", e))?,
            title: TitleId::new(wire.title).map_err(|e| invalid("job.title", e))?,
            profile: wire.profile,
            source_url: wire.source_url,
            urgency: Urgency {
                priority: u8::try_from(wire.priority).map_err(|e| invalid("job.priority", e))?,
                deadline_ms: Some(wire.deadline_ms).filter(|at| *at > 0),
            },
            held_max: Some(wire.held_max).filter(|most| *most > 0),
            paused: wire.paused,
            traceparent: wire.traceparent,
            phase: phase("job.phase", &wire.phase)?,
            failed_in,
            version: wire.version,
            failure: wire.failure.map(TryInto::try_into).transpose()?,
            title_version: wire.title_version,
            accepted_at_ms: wire.accepted_at_ms,
            changed_at_ms: wire.changed_at_ms,
            units: wire.units,
            units_done: wire.units_done,
        })
    }
}

fn phase(field: &'static str, text: &str) -> Result<Phase, Error> {
    text.parse().map_err(|e: String| invalid(field, e))
}

impl TryFrom<&v1::ListJobsRequest> for JobFilter {
    type Error = Error;
    fn try_from(wire: &v1::ListJobsRequest) -> Result<Self, Error> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let tenant = given(&wire.tenant).map(TenantId::new).transpose();
        let title = given(&wire.title).map(TitleId::new).transpose();
        Ok(Self {
            tenant: tenant.map_err(|e| invalid("tenant", e))?,
            title: title.map_err(|e| invalid("title", e))?,
            phases: wire
                .phases
                .iter()
                .map(|text| phase("phases", text))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<&JobPage> for v1::ListJobsResponse {
    fn from(page: &JobPage) -> Self {
        Self {
            jobs: page.jobs.iter().map(Into::into).collect(),
            next_page_token: page.next.clone(),
        }
    }
}

impl TryFrom<v1::ListJobsResponse> for JobPage {
    type Error = Error;
    fn try_from(wire: v1::ListJobsResponse) -> Result<Self, Error> {
        let jobs = wire
            .jobs
            .into_iter()
            .map(TryInto::try_into)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            jobs,
            next: wire.next_page_token,
        })
    }
}

impl From<&Sidecar> for v1::Sidecar {
    fn from(sidecar: &Sidecar) -> Self {
        Self {
            url: sidecar.url.clone(),
            language: sidecar.language.clone(),
            forced: sidecar.forced,
            hearing_impaired: sidecar.hearing_impaired,
        }
    }
}

impl From<v1::Sidecar> for Sidecar {
    fn from(wire: v1::Sidecar) -> Self {
        Self {
            url: wire.url,
            language: wire.language,
            forced: wire.forced,
            hearing_impaired: wire.hearing_impaired,
        }
    }
}

impl TryFrom<&v1::ReviewJobRequest> for ReviewAnswer {
    type Error = Error;
    fn try_from(wire: &v1::ReviewJobRequest) -> Result<Self, Error> {
        match wire.answer.as_str() {
            "approve" => Ok(Self::Approve),
            "reject" => Ok(Self::Reject),
            other => Err(invalid(
                "answer",
                format!("{other:?} is neither approve nor reject"),
            )),
        }
    }
}
