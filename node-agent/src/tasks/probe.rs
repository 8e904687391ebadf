//! Reads what the source is. The hash is made here, outside the worker: what names the source in every
//! content key must not come from the process that the source may have taken over.

use super::claims;
use super::context::Context;
use super::single::Outcome;
use super::work::{Given, Running};
use crate::agent::{Attempt, Stop};
use crate::worker::message::Work;
use model::plan::Probed;
use model::source::SourceInfo;
use model::{Failure, FailureKind, layout};

pub(super) async fn run(context: &Context, attempt: &Attempt) -> Result<Outcome, Stop> {
    let job = &attempt.task().job;
    let ticket = context.ticket(job).await?;
    let source = context.source(&ticket.source_url).await?;
    if source.size_bytes() == 0 {
        let message = format!("{} is empty", ticket.source_url);
        return Err(Failure::new(FailureKind::BadInput, "probe", message).into());
    }
    let given = Given {
        source: Some(context.reader(source.clone())),
        ..Given::default()
    };
    let running = Running::start(context, attempt, Work::Probe, given).await?;
    let hashed = async { context.hash(job, &source).await.map_err(Stop::from) };
    let (sha256, found) = tokio::try_join!(hashed, look(attempt, running))?;
    let info = SourceInfo {
        sha256,
        size_bytes: source.size_bytes(),
        ..found
    };
    let probed = Probed {
        source: info,
        builds: (*context.builds).clone(),
    };
    Ok(Outcome::write_to(context, &layout::source_info(job), &probed, false).await?)
}

async fn look(attempt: &Attempt, mut running: Running) -> Result<SourceInfo, Stop> {
    if let Some((output, _)) = running.piece(attempt).await? {
        let message = format!("worker sent a piece of {output}");
        return Err(Failure::new(FailureKind::NodeFault, "probe", message).into());
    }
    let found = running.parsed(attempt).await?;
    claims::source(found)
        .map_err(|problem| Failure::new(FailureKind::NodeFault, "probe", problem).into())
}
