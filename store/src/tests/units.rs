//! What holds for claims, commits and splits.

use super::fixture::{
    Fixture, SECOND, TTL, elsewhere, encode, node, record, retry, run, single, want,
};
use crate::{Error, Renewed, Steal, Want};
use model::job::Phase;
use model::task::{Claim, Committed, Grant, NewTask, TaskKind, TaskState};
use std::time::Duration;

pub(super) async fn two_units_are_claimed_at_a_time(f: &Fixture) {
    f.submit("j1", 50, &[run("j1", 4)]).await;
    let grant = f.take("n1").await.unwrap();
    assert_eq!(f.claim(&grant).await, Claim::Unit(0));
    assert_eq!(f.claim(&grant).await, Claim::Unit(1));
    let third = f.store.claim(&grant.chunk, grant.token).await;
    assert!(matches!(third, Err(Error::Conflict { .. })), "{third:?}");
    assert_eq!(f.commit(&grant, 1).await, Committed::Accepted);
    assert_eq!(f.claim(&grant).await, Claim::Unit(2));
}

pub(super) async fn a_chunk_ends_with_its_last_unit(f: &Fixture) {
    let id = f.submit("j1", 50, &[encode("j1", &[0..2, 2..3])]).await;
    let grant = f.take("n1").await.unwrap();
    f.claim(&grant).await;
    f.claim(&grant).await;
    assert_eq!(f.claim(&grant).await, Claim::Drained);
    f.commit(&grant, 0).await;
    assert_eq!(f.claim(&grant).await, Claim::Drained);
    f.commit(&grant, 1).await;
    assert_eq!(f.claim(&grant).await, Claim::Lost);
    let task = f.task(&id, "video-v").await;
    assert_eq!((task.state, task.units_done), (TaskState::Open, 2));
    assert_eq!(task.chunks.len(), 1);
    assert_eq!(task.committed, [(0, record(0)), (1, record(1))]);
    f.work_off(&f.take("n1").await.unwrap()).await;
    let task = f.task(&id, "video-v").await;
    assert_eq!(
        (task.state, task.chunks.len(), task.units_done),
        (TaskState::Done, 0, 3)
    );
}

pub(super) async fn another_digest_for_a_unit_is_refused(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 3)]).await;
    let grant = f.take("n1").await.unwrap();
    f.claim(&grant).await;
    f.claim(&grant).await;
    assert_eq!(f.commit(&grant, 0).await, Committed::Accepted);
    assert_eq!(f.commit(&grant, 0).await, Committed::Already);
    let commit = async |unit: u32, digest: &str, config: &str| {
        let mut record = record(unit);
        record.digest = digest.to_owned();
        record.config_digest = config.to_owned();
        f.store
            .commit(&grant.chunk, grant.token, unit, &record)
            .await
    };
    assert_eq!(
        commit(0, "other", "avcc").await.unwrap(),
        Committed::Conflict
    );
    assert_eq!(
        commit(1, "digest-1", "other").await.unwrap(),
        Committed::Conflict
    );
    let outside = commit(3, "digest-3", "avcc").await;
    assert!(
        matches!(outside, Err(Error::Conflict { .. })),
        "{outside:?}"
    );
    assert_eq!(f.store.job(&id).await.unwrap().units_done, 1);
    assert_eq!(
        commit(1, "digest-1", "avcc").await.unwrap(),
        Committed::Accepted
    );
}

pub(super) async fn good_bytes_of_a_lost_lease_are_adopted(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 4)]).await;
    let late = f.take("n1").await.unwrap();
    f.claim(&late).await;
    f.claim(&late).await;
    f.fail(&late, retry(Duration::ZERO)).await;
    assert_eq!(f.claim(&late).await, Claim::Lost);
    let holder = f.take("n2").await.unwrap();
    assert_eq!(holder.units, 0..4, "claimed units are unclaimed");
    assert_eq!(f.claim(&holder).await, Claim::Unit(0));
    assert_eq!(f.commit(&late, 1).await, Committed::Adopted);
    assert_eq!(
        f.claim(&holder).await,
        Claim::Unit(2),
        "committed units are skipped"
    );
    assert_eq!(f.commit(&late, 0).await, Committed::Adopted);
    assert_eq!(f.commit(&holder, 0).await, Committed::Already);
    assert_eq!(
        f.claim(&holder).await,
        Claim::Unit(3),
        "an adopted unit is not claimed any more"
    );
    assert_eq!(f.commit(&holder, 2).await, Committed::Accepted);
    assert_eq!(f.commit(&late, 3).await, Committed::Adopted);
    assert_eq!(f.commit(&late, 3).await, Committed::Already);
    assert_eq!(f.task(&id, "video-v").await.state, TaskState::Done);
    assert_eq!(f.claim(&holder).await, Claim::Lost);
    f.step(&id, Phase::Probing, Phase::Cancelled, vec![]).await;
    assert_eq!(f.commit(&late, 3).await, Committed::Gone);
}

pub(super) async fn a_thief_gets_the_second_half_of_the_richest(f: &Fixture) {
    let poor = encode("poor", &[0..10, 10..13]);
    f.submit("poor", 50, &[poor]).await;
    let mut slow = run("slow", 5);
    slow.unit_seconds = 10.0;
    f.submit("slow", 50, &[slow]).await;
    let poor = f.take("n1").await.unwrap();
    f.take("n1").await.unwrap();
    let slow = f.take("n2").await.unwrap();
    f.claim(&poor).await;
    f.claim(&slow).await;
    assert_eq!(f.take("n3").await, None);
    let half = f.steal("n3").await.unwrap();
    assert_eq!(
        (half.chunk.to_string().as_str(), half.units.clone()),
        ("slow/video-v#1", 3..5)
    );
    assert!(half.token > slow.token);
    let task = f.task(&slow.chunk.task.job, "video-v").await;
    assert_eq!(
        task.chunks[0].end, 3,
        "four units were free, the claimed one stays"
    );
    assert_eq!(task.chunks[0].lease.as_ref().unwrap().token, slow.token);
    assert_eq!(task.chunks[1].stolen_from.as_ref(), Some(&slow.chunk));
    assert_eq!(f.steal("n3").await.unwrap().units, 2..3);
    assert_eq!(f.claim(&half).await, Claim::Unit(3));
    // 10 s of work each: the victim's last free unit, then that of the thief.
    assert_eq!(f.steal("n3").await.unwrap().units, 1..2);
    assert_eq!(
        f.steal("n4").await.unwrap().units,
        4..5,
        "10 s are more than 9 s"
    );
    assert_eq!(f.work_off(&slow).await, [] as [u32; 0]);
    assert_eq!(f.commit(&slow, 0).await, Committed::Accepted);
    assert_eq!(f.claim(&poor).await, Claim::Unit(1));
}

pub(super) async fn a_single_free_unit_is_taken_whole(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 2)]).await;
    let victim = f.take("n1").await.unwrap();
    f.claim(&victim).await;
    let thief = f.steal("n1").await.unwrap();
    assert_eq!(
        thief.units,
        1..2,
        "a node may steal from its own other slot"
    );
    assert_eq!(f.steal("n2").await, None, "the thief has not begun");
    assert_eq!(f.claim(&thief).await, Claim::Unit(1));
    assert_eq!(f.steal("n2").await, None, "nothing waits any more");
    assert_eq!(f.claim(&victim).await, Claim::Drained);
    assert_eq!(f.commit(&victim, 0).await, Committed::Accepted);
    assert_eq!(f.claim(&victim).await, Claim::Lost);
    assert_eq!(f.task(&id, "video-v").await.units_done, 1);
}

pub(super) async fn a_chunk_whose_holder_has_claimed_nothing_is_not_stolen(f: &Fixture) {
    f.submit("j1", 50, &[run("j1", 8)]).await;
    let single = single("j2", TaskKind::Probe, &[]);
    f.submit("j2", 50, &[single]).await;
    let many = f.take("n1").await.unwrap();
    let one = f.take("n1").await.unwrap();
    assert_eq!(f.steal("n2").await, None);
    let leases = [(many.chunk.clone(), many.token), (one.chunk, one.token)];
    let renewed = f.store.renew(&node("n1"), TTL, &leases).await.unwrap();
    assert_eq!(renewed, [Renewed::Held, Renewed::Held]);
    assert_eq!(f.steal("n2").await, None);
    assert_eq!(f.claim(&many).await, Claim::Unit(0));
    assert_eq!(f.steal("n2").await.unwrap().units, 5..8);
}

pub(super) async fn after_a_claim_the_second_half_is_stolen(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 9)]).await;
    let victim = f.take("n1").await.unwrap();
    assert_eq!(f.claim(&victim).await, Claim::Unit(0));
    let thief = f.steal("n2").await.unwrap();
    assert_eq!(thief.units, 5..9);
    let second = f.steal("n3").await.unwrap();
    assert_eq!(
        second.units,
        3..5,
        "the thief's half is richer, but it rests"
    );
    assert_eq!(f.claim(&thief).await, Claim::Unit(5));
    let third = f.steal("n3").await.unwrap();
    assert_eq!(third.units, 8..9, "6 7 8 are more than 1 2");
    f.commit(&victim, 0).await;
    f.commit(&thief, 5).await;
    assert_eq!(f.steal("n4").await, None, "all are between two units");
    for (grant, units) in [
        (&victim, vec![1, 2]),
        (&second, vec![3, 4]),
        (&thief, vec![6, 7]),
        (&third, vec![8]),
    ] {
        assert_eq!(f.work_off(grant).await, units);
    }
    assert_eq!(f.task(&id, "video-v").await.state, TaskState::Done);
}

pub(super) async fn between_two_units_a_chunk_is_not_stolen_until_the_next_claim(f: &Fixture) {
    f.submit("j1", 50, &[run("j1", 8)]).await;
    let first = f.take("n1").await.unwrap();
    f.claim(&first).await;
    f.commit(&first, 0).await;
    assert_eq!(f.steal("n2").await, None);
    assert_eq!(f.claim(&first).await, Claim::Unit(1));
    f.pass(3 * SECOND).await;
    assert_eq!(f.claim(&first).await, Claim::Unit(2));
    f.commit(&first, 1).await;
    let half = f.steal("n2").await.unwrap();
    assert_eq!(half.units, 6..8, "unit 2 is still claimed");
    f.store.release(&first.chunk, first.token).await.unwrap();
    let second = f.take("n3").await.unwrap();
    assert_eq!(second.units, 2..6);
    assert_eq!(f.steal("n2").await, None, "a release unclaims");
    assert_eq!(f.claim(&second).await, Claim::Unit(2));
    assert_eq!(f.commit(&first, 2).await, Committed::Adopted);
    assert_eq!(f.steal("n2").await, None, "an adopted unit is unclaimed");
    assert_eq!(f.claim(&second).await, Claim::Unit(3));
    assert_eq!(f.steal("n2").await.unwrap().units, 5..6);
}

pub(super) async fn a_holder_leaves_the_rest_to_one_that_has_nothing_to_do(f: &Fixture) {
    let large = NewTask {
        slot_bytes: 1 << 33,
        ..run("j1", 6)
    };
    let id = f.submit("j1", 50, &[large]).await;
    let small = Want {
        room_bytes: 1 << 32,
        ..want("n3", Steal::WhenIdle)
    };
    let first = f.take("n1").await.unwrap();
    assert_eq!(f.claim(&first).await, Claim::Unit(0));
    assert_eq!(f.store.take(&small).await.unwrap(), None);
    assert_eq!(f.claim(&first).await, Claim::Unit(1), "n3 has no room");
    f.commit(&first, 0).await;
    f.commit(&first, 1).await;
    assert_eq!(f.steal("n2").await, None, "nothing is claimed");
    assert_eq!(f.claim(&first).await, Claim::Unit(2), "its only one");
    assert_eq!(f.claim(&first).await, Claim::Later);
    assert_eq!(f.claim(&first).await, Claim::Later, "a repetition");
    assert_eq!(f.steal("n2").await.unwrap().units, 5..6);
    f.store.set_paused(&id, true).await.unwrap();
    assert_eq!(f.steal("n2").await, None);
    f.store.set_paused(&id, false).await.unwrap();
    f.commit(&first, 2).await;
    assert_eq!(f.claim(&first).await, Claim::Unit(3));
    f.pass(3 * SECOND).await;
    assert_eq!(f.claim(&first).await, Claim::Unit(4), "nobody asked lately");
}

pub(super) async fn a_split_does_not_count_committed_units(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 9)]).await;
    let late = f.take("n1").await.unwrap();
    for unit in [5, 6, 7] {
        assert_eq!(
            f.commit(&late, unit).await,
            Committed::Adopted,
            "never claimed"
        );
    }
    assert_eq!(f.claim(&late).await, Claim::Unit(0));
    let thief = f.steal("n2").await.unwrap();
    assert_eq!(thief.units, 4..9, "free are 1 2 3 4 8");
    assert_eq!(f.work_off(&thief).await, [4, 8]);
    f.commit(&late, 0).await;
    assert_eq!(f.work_off(&late).await, [1, 2, 3]);
    assert_eq!(f.task(&id, "video-v").await.state, TaskState::Done);
}

pub(super) async fn a_node_does_not_steal_what_it_failed(f: &Fixture) {
    f.register("n1").await;
    f.register("n2").await;
    f.submit("j1", 50, &[run("j1", 8)]).await;
    let grant = f.take("n1").await.unwrap();
    f.fail(&grant, elsewhere()).await;
    let victim = f.take("n2").await.unwrap();
    f.claim(&victim).await;
    assert_eq!(f.steal("n1").await, None);
    let stolen = f.steal("n3").await.unwrap();
    assert_eq!(
        (stolen.units, stolen.attempts),
        (5..8, 1),
        "a split does not forget attempts"
    );
}

/// A claim whose answer was lost leaves a unit that nobody works on; the release gives it back.
pub(super) async fn a_release_gives_back_what_was_claimed(f: &Fixture) {
    f.submit("j1", 50, &[run("j1", 3)]).await;
    let grant = f.take("n1").await.unwrap();
    f.claim(&grant).await;
    f.claim(&grant).await;
    f.commit(&grant, 1).await;
    f.store.release(&grant.chunk, grant.token).await.unwrap();
    f.store.release(&grant.chunk, grant.token).await.unwrap();
    assert_eq!(f.claim(&grant).await, Claim::Lost);
    let again: Grant = f
        .store
        .take(&want("n2", Steal::Never))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.attempts, 0, "a release is no failure");
    f.store.release(&grant.chunk, grant.token).await.unwrap();
    assert_eq!(
        f.work_off(&again).await,
        [0, 2],
        "a stale release changes nothing"
    );
    let unknown = "j9/video-v#0".parse().unwrap();
    f.store.release(&unknown, grant.token).await.unwrap();
    assert_eq!(
        f.store.claim(&unknown, grant.token).await.unwrap(),
        Claim::Lost
    );
    let renewed = f
        .store
        .renew(&node("n1"), TTL, &[(unknown, grant.token)])
        .await;
    assert_eq!(renewed.unwrap(), [Renewed::Lost]);
}
