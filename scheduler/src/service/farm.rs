//! FarmService: what submitters, operators and reviewers say.

use super::wire::dead_chunk;
use crate::{Error, Handle};
use futures::Stream;
use futures::stream;
use model::job::{JobFilter, ReviewAnswer};
use model::{ChunkId, InvalidId, JobId, NodeId, TenantId, TitleId};
use proto::v1;
use proto::v1::farm_service_server::FarmService;
use std::pin::Pin;
use std::time::Duration;
use store::Share;
use tonic::{Request, Response, Status};

/// Distance of looks at a watched job: short enough to seem immediate to a person.
const WATCH_POLL: Duration = Duration::from_millis(200);

/// Longest comment on a review.
const COMMENT_BYTES_MAX: usize = 4 << 10;

type Answer<T> = Result<Response<T>, Status>;

/// The service.
#[derive(Clone)]
pub(crate) struct FarmApi {
    handle: Handle,
}

impl FarmApi {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }
}

fn rejected(field: &'static str) -> impl Fn(InvalidId) -> Error {
    move |e| Error::Rejected {
        field,
        reason: e.to_string(),
    }
}

fn job_id(text: &str) -> Result<JobId, Error> {
    JobId::new(text).map_err(rejected("id"))
}

fn tenant_message(tenant: &TenantId, share: &Share) -> v1::Tenant {
    v1::Tenant {
        id: tenant.to_string(),
        weight: share.weight,
        held_max: share.held_max.unwrap_or(0),
    }
}

#[tonic::async_trait]
impl FarmService for FarmApi {
    type WatchJobStream = Pin<Box<dyn Stream<Item = Result<v1::JobDetail, Status>> + Send>>;

    async fn submit_job(
        &self,
        request: Request<v1::SubmitJobRequest>,
    ) -> Answer<v1::SubmitJobResponse> {
        let accepted = self.handle.submit(&request.into_inner().into()).await?;
        let job = Some((&accepted.job).into());
        Ok(Response::new(v1::SubmitJobResponse {
            job,
            existed: accepted.existed,
        }))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Answer<v1::JobDetail> {
        let job = job_id(&request.into_inner().id)?;
        Ok(Response::new((&self.handle.detail(&job).await?).into()))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Answer<v1::ListJobsResponse> {
        let request = request.into_inner();
        let filter = JobFilter::try_from(&request).map_err(Error::from)?;
        let page = self
            .handle
            .jobs(&filter, &request.page_token, request.page_size)
            .await?;
        Ok(Response::new((&page).into()))
    }

    async fn watch_job(&self, request: Request<v1::GetJobRequest>) -> Answer<Self::WatchJobStream> {
        let job = job_id(&request.into_inner().id)?;
        // An unknown job is an error of the call and not of the stream.
        self.handle.job(&job).await?;
        let watch = Watch {
            handle: self.handle.clone(),
            job,
            seen: None,
        };
        let details = stream::try_unfold(Some(watch), |watch| async move {
            match watch {
                Some(watch) => watch.next().await,
                None => Ok(None),
            }
        });
        Ok(Response::new(Box::pin(details)))
    }

    async fn cancel_job(&self, request: Request<v1::CancelJobRequest>) -> Answer<v1::Job> {
        let job = job_id(&request.into_inner().id)?;
        Ok(Response::new((&self.handle.cancel(&job).await?).into()))
    }

    async fn set_urgency(&self, request: Request<v1::SetUrgencyRequest>) -> Answer<v1::Job> {
        let request = request.into_inner();
        let job = job_id(&request.id)?;
        let (priority, deadline_ms) = (request.priority, request.deadline_ms);
        let record = self.handle.set_urgency(&job, priority, deadline_ms).await?;
        Ok(Response::new((&record).into()))
    }

    async fn pause_job(&self, request: Request<v1::PauseJobRequest>) -> Answer<v1::Job> {
        let job = job_id(&request.into_inner().id)?;
        Ok(Response::new(
            (&self.handle.set_paused(&job, true).await?).into(),
        ))
    }

    async fn resume_job(&self, request: Request<v1::ResumeJobRequest>) -> Answer<v1::Job> {
        let job = job_id(&request.into_inner().id)?;
        Ok(Response::new(
            (&self.handle.set_paused(&job, false).await?).into(),
        ))
    }

    async fn set_tenant(&self, request: Request<v1::SetTenantRequest>) -> Answer<v1::Tenant> {
        let wire = request.into_inner().tenant.unwrap_or_default();
        let tenant = TenantId::new(wire.id).map_err(rejected("tenant.id"))?;
        let share = Share {
            weight: wire.weight,
            held_max: Some(wire.held_max).filter(|most| *most > 0),
        };
        self.handle.set_tenant(&tenant, share).await?;
        Ok(Response::new(tenant_message(&tenant, &share)))
    }

    async fn list_tenants(
        &self,
        _request: Request<v1::ListTenantsRequest>,
    ) -> Answer<v1::ListTenantsResponse> {
        let tenants = self.handle.tenants().await?;
        let messages = tenants
            .iter()
            .map(|(tenant, share)| tenant_message(tenant, share));
        Ok(Response::new(v1::ListTenantsResponse {
            tenants: messages.collect(),
        }))
    }

    async fn review_job(&self, request: Request<v1::ReviewJobRequest>) -> Answer<v1::Job> {
        let request = request.into_inner();
        let job = job_id(&request.id)?;
        let answer = ReviewAnswer::try_from(&request).map_err(Error::from)?;
        if request.comment.len() > COMMENT_BYTES_MAX {
            let reason = format!("more than {COMMENT_BYTES_MAX} bytes");
            return Err(Error::Rejected {
                field: "comment",
                reason,
            }
            .into());
        }
        Ok(Response::new(
            (&self.handle.review(&job, answer, &request.comment).await?).into(),
        ))
    }

    async fn list_nodes(
        &self,
        _request: Request<v1::ListNodesRequest>,
    ) -> Answer<v1::ListNodesResponse> {
        let nodes = self.handle.nodes().await?;
        Ok(Response::new(v1::ListNodesResponse {
            nodes: nodes.iter().map(Into::into).collect(),
        }))
    }

    async fn drain_node(
        &self,
        request: Request<v1::DrainNodeRequest>,
    ) -> Answer<v1::DrainNodeResponse> {
        let node = NodeId::new(request.into_inner().id).map_err(rejected("id"))?;
        self.handle.drain(&node).await?;
        Ok(Response::new(v1::DrainNodeResponse {}))
    }

    async fn get_capacity(
        &self,
        _request: Request<v1::GetCapacityRequest>,
    ) -> Answer<v1::Capacity> {
        Ok(Response::new((&self.handle.capacity().await?).into()))
    }

    async fn list_work(
        &self,
        request: Request<v1::ListWorkRequest>,
    ) -> Answer<v1::ListWorkResponse> {
        let request = request.into_inner();
        let (page, size) = (&request.page_token, request.page_size);
        let page = self.handle.work_left(page, size).await?;
        let now_ms = self.handle.now_ms().await?;
        Ok(Response::new((&page, now_ms).into()))
    }

    async fn list_dead_chunks(
        &self,
        _request: Request<v1::ListDeadChunksRequest>,
    ) -> Answer<v1::ListDeadChunksResponse> {
        let chunks = self.handle.dead().await?.iter().map(dead_chunk).collect();
        Ok(Response::new(v1::ListDeadChunksResponse { chunks }))
    }

    async fn retry_dead_job(&self, request: Request<v1::RetryDeadJobRequest>) -> Answer<v1::Job> {
        let job = JobId::new(request.into_inner().job).map_err(rejected("job"))?;
        Ok(Response::new((&self.handle.retry(&job).await?).into()))
    }

    async fn drop_dead_chunk(
        &self,
        request: Request<v1::DropDeadChunkRequest>,
    ) -> Answer<v1::DropDeadChunkResponse> {
        let chunk: ChunkId = request.into_inner().id.parse().map_err(rejected("id"))?;
        self.handle.drop_dead(&chunk).await?;
        Ok(Response::new(v1::DropDeadChunkResponse {}))
    }

    async fn get_title(&self, request: Request<v1::GetTitleRequest>) -> Answer<v1::Title> {
        let title = TitleId::new(request.into_inner().title).map_err(rejected("title"))?;
        Ok(Response::new((&self.handle.title(&title).await?).into()))
    }

    async fn list_titles(
        &self,
        _request: Request<v1::ListTitlesRequest>,
    ) -> Answer<v1::ListTitlesResponse> {
        let titles = self.handle.titles().await?.iter().map(Into::into).collect();
        Ok(Response::new(v1::ListTitlesResponse { titles }))
    }

    async fn rollback_title(
        &self,
        request: Request<v1::RollbackTitleRequest>,
    ) -> Answer<v1::Title> {
        let request = request.into_inner();
        let title = TitleId::new(request.title).map_err(rejected("title"))?;
        Ok(Response::new(
            (&self.handle.rollback(&title, request.version).await?).into(),
        ))
    }
}

/// A watched job.
struct Watch {
    handle: Handle,
    job: JobId,
    /// Version that was sent last.
    seen: Option<u64>,
}

impl Watch {
    /// The job when it has changed, and the watch if it goes on.
    async fn next(mut self) -> Result<Option<(v1::JobDetail, Option<Self>)>, Status> {
        loop {
            let record = self.handle.job(&self.job).await?;
            if self.seen != Some(record.version) {
                let detail = self.handle.detail(&self.job).await?;
                self.seen = Some(detail.job.version);
                let last = detail.job.phase.is_final();
                return Ok(Some(((&detail).into(), (!last).then_some(self))));
            }
            tokio::select! {
                () = self.handle.farm.stopping.cancelled() => {
                    return Err(Status::unavailable("this scheduler stops; ask another one"));
                }
                () = tokio::time::sleep(WATCH_POLL) => {}
            }
        }
    }
}
