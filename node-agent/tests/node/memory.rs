//! Hosts with too little memory for what is to be encoded, in one slot or in all of them.

use crate::agent::Running;
use crate::fake_scheduler::FakeScheduler;
use crate::title::{Place, encode};
use crate::{Case, block_on};
use anyhow::{Context, Result, ensure};
use model::plan::Plan;
use model::task::UnitRecord;
use model::{FailureKind, JobId, layout};

pub(crate) const CASES: &[Case] = &[
    (
        "a_chunk_that_the_host_has_no_memory_for_is_refused_with_both_numbers",
        too_small,
    ),
    (
        "slots_with_memory_for_one_encoder_encode_one_after_the_other",
        one_at_a_time,
    ),
];

/// Less than a worker takes without any picture, and room for one but not for two.
const SMALL: u64 = 64 << 20;
const FOR_ONE: u64 = 256 << 20;

fn too_small() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        place.plan().await?;
        let scheduler = FakeScheduler::default();
        scheduler.add(&place.job, encode(), 3)?;
        let size = (1, Some(SMALL));
        let running = Running::of_size(size, scheduler, &place.storage, place.roots()?)?;
        running.finish().await?.with(|state| {
            let failure = state.chunks[0].failure.as_ref().context("it was made")?;
            ensure!(failure.kind == FailureKind::Exhausted, "{failure}");
            let said = " MiB of memory in a slot, and this node has 64 MiB";
            ensure!(failure.message.contains(said), "{failure}");
            Ok(())
        })
    })
}

/// Two jobs of the same source: what one has made the other finds, if it waits for it.
fn one_at_a_time() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        let plan = place.plan().await?;
        let second = JobId::new("second")?;
        let path = layout::plan(&second);
        let other = Plan {
            job: second.clone(),
            ..plan
        };
        place.storage.put_json(&path, &other).await?;
        let scheduler = FakeScheduler::default();
        for job in [&place.job, &second] {
            scheduler.add(job, encode(), 3)?;
        }
        scheduler.with(|state| state.slot_bytes = FOR_ONE / 2);
        let size = (2, Some(FOR_ONE));
        let running = Running::of_size(size, scheduler, &place.storage, place.roots()?)?;
        running.finish().await?.with(|state| {
            let found = |records: &mut dyn Iterator<Item = &UnitRecord>| {
                records.filter(|record| record.reused).count()
            };
            let mut counts = Vec::new();
            for chunk in &state.chunks {
                ensure!(chunk.failure.is_none(), "{:?}", chunk.failure);
                counts.push(found(&mut chunk.committed.values()));
            }
            counts.sort_unstable();
            ensure!(counts == [0, 3], "{counts:?} of each three were found");
            Ok(())
        })
    })
}
