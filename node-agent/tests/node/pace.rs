//! How long segments are said to have taken.

use crate::title::{Place, encode};
use crate::{Case, block_on};
use anyhow::{Result, ensure};
use std::time::Instant;

pub(crate) const CASES: &[Case] = &[(
    "time_in_which_two_segments_are_made_counts_for_one",
    overlapping,
)];

fn overlapping() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip_of(60)?;
        place.plan().await?;
        let started = Instant::now();
        let made = place.done(encode(), 30).await?;
        let whole = started.elapsed();
        let counted: u64 = made.values().map(|record| record.elapsed_ms).sum();
        ensure!(
            u128::from(counted) <= whole.as_millis(),
            "{counted} ms are counted in {whole:?}: {made:?}"
        );
        Ok(())
    })
}
