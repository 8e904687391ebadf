//! Makes segments again that were committed and are damaged since. A segment is a function of its plan,
//! so what comes out is what was committed, and no task needs to be opened again for it.

use super::context::{Context, LoadedPlan};
use super::memory;
use super::unit::{Expected, Unit};
use super::work::{Given, Running, out_of_place};
use crate::agent::{Attempt, Stop};
use crate::worker::message::Work;
use crate::worker::session::{Handed, Made};
use model::plan::{RenditionGroup, VideoPlan};
use model::{Failure, FailureKind};
use std::collections::BTreeMap;

/// Makes segments of a group again, all in one worker and one after the other.
pub(super) async fn mend(
    context: &Context,
    attempt: &Attempt,
    loaded: &LoadedPlan,
    (video, group): (&VideoPlan, &RenditionGroup),
    damaged: &[u32],
) -> Result<(), Stop> {
    tracing::warn!(group = group.name, ?damaged, "segments are made again");
    let _share = memory::share(attempt, video, group)?;
    let plan = &loaded.plan;
    let given = Given {
        plan: loaded.json.clone(),
        source: Some(context.planned_source(plan).await?),
        ..Given::default()
    };
    let work = Work::Chunk {
        group: group.name.clone(),
    };
    let mut running = Running::start(context, attempt, work, given).await?;
    let mut left = damaged.iter();
    let mut open = BTreeMap::new();
    while let Some(made) = running.next(attempt).await? {
        match made {
            Made::Claim(question) => {
                let next = left.next().map(|&segment| {
                    let expected = Expected::new(plan, video, group, segment);
                    let frames = expected.frames();
                    open.insert(segment, Unit::new(expected));
                    Handed { segment, frames }
                });
                // A worker that is gone shows as the end of its events.
                let _ = question.send(next.into());
            }
            Made::Segment {
                segment,
                rendition,
                facts,
                bytes,
            } => unit(&mut open, segment)?.add(rendition, *facts, bytes.into())?,
            Made::Pictures {
                segment,
                facts,
                tiles,
            } => unit(&mut open, segment)?.add_pictures(*facts, tiles.into())?,
            Made::UnitDone { segment } => {
                let unit = open.remove(&segment).ok_or_else(|| unknown(segment))?;
                unit.store(context).await?;
            }
            Made::Progress { .. } => {}
            Made::Piece { .. } => return Err(out_of_place(attempt, &made).into()),
        }
    }
    running.result(attempt).await?;
    Ok(())
}

fn unit(open: &mut BTreeMap<u32, Unit>, segment: u32) -> Result<&mut Unit, Failure> {
    open.get_mut(&segment).ok_or_else(|| unknown(segment))
}

fn unknown(segment: u32) -> Failure {
    let message = format!("worker speaks of segment {segment}, which it does not have");
    Failure::new(FailureKind::NodeFault, "mend", message)
}
