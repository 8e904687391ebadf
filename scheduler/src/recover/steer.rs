//! What a person said of a job, said again to a store that may have forgotten it. It is in storage before
//! the store hears of it, so what the two disagree about is on its way to the store, or was lost there.

use crate::Result;
use crate::farm::Farm;
use model::job::Steering;
use model::{JobId, layout};

/// Most rounds while a person goes on to change it.
const ROUNDS_MAX: u32 = 4;

/// Brings a job that the store knows to what storage says of it.
pub(super) async fn again(farm: &Farm, job: &JobId) -> Result<()> {
    let path = layout::steering(job);
    let mut wanted: Option<Steering> = farm.storage().find_json(&path).await?;
    for _ in 0..ROUNDS_MAX {
        let Some(said) = wanted else {
            return Ok(());
        };
        let known = farm.store().job(job).await?;
        let is_done = (known.urgency, known.paused) == (said.urgency, said.paused);
        if known.phase.is_final() || is_done {
            return Ok(());
        }
        farm.store().set_urgency(job, said.urgency).await?;
        farm.store().set_paused(job, said.paused).await?;
        // What was said meanwhile was heard before this, and would be taken back by it.
        wanted = farm.storage().find_json(&path).await?;
    }
    Ok(())
}
