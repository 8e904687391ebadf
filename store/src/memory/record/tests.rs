//! The arithmetic of splits, for chunks of any shape.

use super::{ChunkRecord, Standing};
use crate::rules::CLAIMS_MAX;
use model::task::{Chunk, UnitRecord};
use proptest::collection::btree_set;
use proptest::prelude::ProptestConfig;
use proptest::{prop_assert_eq, prop_assume, proptest};
use std::collections::{BTreeMap, BTreeSet};

fn units(committed: &BTreeSet<u32>) -> BTreeMap<u32, UnitRecord> {
    let record = UnitRecord {
        digest: String::new(),
        config_digest: String::new(),
        frames: 1,
        node: "n1".parse().unwrap(),
        elapsed_ms: 1,
        reused: false,
    };
    committed
        .iter()
        .map(|unit| (*unit, record.clone()))
        .collect()
}

fn chunk(start: u32, end: u32, committed: &BTreeSet<u32>) -> ChunkRecord {
    let done = committed.range(start..end).count() as u32;
    ChunkRecord {
        chunk: Chunk {
            id: "j1/video-v#0".parse().unwrap(),
            next: start,
            end,
            claimed: Vec::new(),
            attempts: 2,
            room_attempts: 0,
            silent_attempts: 0,
            not_before_ms: 0,
            avoid: None,
            last_failure: None,
            lease: None,
            stolen_from: None,
        },
        standing: Standing::Held,
        left: end - start - done,
        micros: 1,
        place: 0,
        is_begun: false,
        pace: 1_000_000,
        worked_at_ms: 0,
        moved: None,
        last: None,
        failures: Vec::new(),
    }
}

/// Units of a chunk that are neither claimed nor committed, counted one by one.
fn free(record: &ChunkRecord, committed: &BTreeSet<u32>) -> Vec<u32> {
    let units = record.chunk.next..record.chunk.end;
    units.filter(|unit| !committed.contains(unit)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_split_shares_the_free_units_and_loses_none(
        start in 0..50_u32,
        length in 1..80_u32,
        committed in btree_set(0..130_u32, 0..60),
        claims in 1..=CLAIMS_MAX,
        share in 0.0..1.0_f64,
    ) {
        let done = units(&committed);
        let mut victim = chunk(start, start + length, &committed);
        for _ in 0..claims {
            victim.claim(&done, 0);
        }
        let before = free(&victim, &committed);
        prop_assert_eq!(before.len() as u32, victim.free());
        prop_assume!(!before.is_empty());
        let claimed = victim.chunk.claimed.clone();
        let wanted = 1 + (share * before.len() as f64) as u32;
        let half = victim.split(1, wanted, &done);
        let (kept, taken) = (free(&victim, &committed), free(&half, &committed));
        prop_assert_eq!([kept.clone(), taken.clone()].concat(), before);
        prop_assert_eq!((kept.len() as u32, taken.len() as u32), (victim.free(), half.free()));
        prop_assert_eq!(taken.len() as u32, wanted);
        prop_assert_eq!(victim.chunk.claimed, claimed);
        prop_assert_eq!((victim.chunk.end, half.chunk.attempts), (half.chunk.next, 2));
        prop_assert_eq!(half.chunk.stolen_from, Some(victim.chunk.id));
    }
}
