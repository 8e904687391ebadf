//! What holds for the end of leases: time, failures, the DLQ.

use super::fixture::{Fixture, SECOND, TTL, elsewhere, encode, failure, node, retry, run, single};
use crate::{Counts, Disposition, Error, Expired, Renewed};
use model::NodeId;
use model::job::Phase;
use model::task::{Chunk, Claim, Committed, TaskKind, TaskState};
use std::time::Duration;

pub(super) async fn a_lease_ends_unless_it_is_renewed(f: &Fixture) {
    f.submit("j1", 50, &[encode("j1", &[0..4, 4..8])]).await;
    let kept = f.take("n1").await.unwrap();
    let left = f.take("n1").await.unwrap();
    assert_eq!(f.claim(&left).await, Claim::Unit(4));
    f.pass(TTL / 2).await;
    let leases = [(kept.chunk.clone(), kept.token)];
    let renewed = f.store.renew(&node("n1"), TTL, &leases).await.unwrap();
    assert_eq!(renewed, [Renewed::Held]);
    assert_eq!(f.store.expired(10, Duration::ZERO).await.unwrap(), []);
    f.pass(TTL / 2 + SECOND).await;
    let first = f.store.expired(10, Duration::ZERO).await.unwrap();
    let ended = Expired {
        chunk: left.chunk.clone(),
        token: left.token,
        node: node("n1"),
        silent_attempts: 0,
        worked_at_ms: first[0].worked_at_ms,
    };
    assert_eq!(first, std::slice::from_ref(&ended));
    assert_eq!(
        f.store.expired(10, Duration::ZERO).await.unwrap(),
        [ended],
        "it stays until it is failed"
    );
    let leases = [
        (left.chunk.clone(), left.token),
        (kept.chunk.clone(), kept.token),
    ];
    assert!(!f.expire(&kept).await, "it is not over");
    assert!(f.expire(&left).await);
    assert!(!f.expire(&left).await, "it was ended before");
    let renewed = f.store.renew(&node("n1"), TTL, &leases).await.unwrap();
    assert_eq!(renewed, [Renewed::Lost, Renewed::Held]);
    assert_eq!(f.claim(&left).await, Claim::Lost);
    assert_eq!(f.commit(&left, 4).await, Committed::Adopted);
    assert_eq!(f.store.expired(10, Duration::ZERO).await.unwrap(), []);
    let again = f.take("n2").await.unwrap();
    assert_eq!(
        (again.attempts, f.work_off(&again).await),
        (1, vec![5, 6, 7])
    );
}

pub(super) async fn a_lease_that_nobody_ended_lives_on_with_its_holder(f: &Fixture) {
    f.submit("j1", 50, &[run("j1", 4)]).await;
    let held = f.take("n1").await.unwrap();
    f.pass(TTL + SECOND).await;
    let told = f.store.expired(10, Duration::ZERO).await.unwrap();
    assert_eq!(f.claim(&held).await, Claim::Unit(0));
    assert_eq!(f.commit(&held, 0).await, Committed::Accepted);
    let leases = [(held.chunk.clone(), held.token)];
    let renewed = f.store.renew(&node("n1"), TTL, &leases).await.unwrap();
    assert_eq!(renewed, [Renewed::Held]);
    let ended = f.expire_as(&told[0], retry(Duration::ZERO)).await;
    assert!(!ended, "it was found before it was renewed");
    assert_eq!(f.work_off(&held).await, [1, 2, 3]);
}

pub(super) async fn a_lease_is_judged_by_what_it_was_when_it_ended(f: &Fixture) {
    f.submit("j1", 50, &[run("j1", 4)]).await;
    let silent = Disposition::Retry {
        delay: Duration::ZERO,
        counts: Counts::Silent,
        elsewhere: false,
    };
    f.take("n1").await.unwrap();
    f.pass(TTL + SECOND).await;
    let first = f.store.expired(10, Duration::ZERO).await.unwrap();
    assert!(f.expire_as(&first[0], silent).await);
    let held = f.take("n2").await.unwrap();
    f.pass(TTL + SECOND).await;
    let second = f.store.expired(10, Duration::ZERO).await.unwrap();
    assert_eq!(second[0].silent_attempts, 1);
    assert_eq!(f.claim(&held).await, Claim::Unit(0));
    assert_eq!(f.commit(&held, 0).await, Committed::Accepted);
    let judged = f.expire_as(&second[0], Disposition::Dead).await;
    assert!(!judged, "its holder said a word since");
    let third = f.store.expired(10, Duration::ZERO).await.unwrap();
    assert_eq!(third[0].silent_attempts, 0);
    f.pass(SECOND).await;
    assert_eq!(f.claim(&held).await, Claim::Unit(1));
    assert!(
        !f.expire_as(&third[0], silent).await,
        "a claim is a word too"
    );
    let fourth = f.store.expired(10, Duration::ZERO).await.unwrap();
    assert!(f.expire_as(&fourth[0], silent).await);
}

pub(super) async fn holders_have_time_to_come_back_after_the_farm_was_away(f: &Fixture) {
    let grace = TTL;
    f.submit("j1", 50, &[encode("j1", &[0..1, 1..2, 2..3])])
        .await;
    assert!(f.expired(grace).await.is_empty());
    f.pass(3 * grace).await;
    let gone = f.take("n1").await.unwrap();
    f.pass(TTL + SECOND).await;
    assert!(f.expired(grace).await.is_empty(), "nobody could renew");
    let late = f.take("n2").await.unwrap();
    let back = f.take("n3").await.unwrap();
    for _ in 0..2 {
        f.pass(grace / 3).await;
        assert!(f.expired(grace).await.is_empty());
    }
    let leases = [(back.chunk.clone(), back.token)];
    f.store.renew(&node("n3"), TTL, &leases).await.unwrap();
    f.pass(grace / 3 + SECOND).await;
    let ended = [gone.chunk, late.chunk];
    assert_eq!(f.expired(grace).await, ended, "the grace is over");
    // Who always asks late is told of everything too, one gap later.
    f.pass(2 * grace).await;
    assert_eq!(f.expired(grace).await, ended);
    f.pass(grace + SECOND).await;
    let ended = [ended.as_slice(), &[back.chunk]].concat();
    assert_eq!(f.expired(grace).await, ended);
}

pub(super) async fn holders_have_time_to_come_back_each_time(f: &Fixture) {
    let grace = TTL;
    f.submit("j1", 50, &[run("j1", 4)]).await;
    f.expired(grace).await;
    f.pass(2 * grace).await;
    assert!(f.expired(grace).await.is_empty());
    let held = f.take("n1").await.unwrap();
    let leases = [(held.chunk.clone(), held.token)];
    for _ in 0..3 {
        f.pass(TTL + TTL / 3).await;
        assert!(f.expired(grace).await.is_empty(), "nobody could renew");
        f.store.renew(&node("n1"), TTL, &leases).await.unwrap();
        f.pass(TTL / 3).await;
        assert!(f.expired(grace).await.is_empty());
        f.store.renew(&node("n1"), TTL, &leases).await.unwrap();
    }
    for _ in 0..4 {
        f.pass(grace / 3 + SECOND).await;
        let ended = f.expired(grace).await;
        if !ended.is_empty() {
            assert_eq!(ended, std::slice::from_ref(&held.chunk), "it fell silent");
            return;
        }
    }
    panic!("a silent holder keeps its lease");
}

pub(super) async fn a_clock_that_is_set_back_ends_no_reaping(f: &Fixture) {
    let grace = TTL;
    f.submit("j1", 50, &[run("j1", 4)]).await;
    assert!(f.expired(grace).await.is_empty());
    f.turn_back(60 * TTL).await;
    let held = f.take("n1").await.unwrap();
    for _ in 0..3 {
        assert!(f.expired(grace).await.is_empty());
        f.pass(grace / 3).await;
    }
    f.pass(SECOND).await;
    assert_eq!(f.expired(grace).await, [held.chunk]);
}

pub(super) async fn the_end_of_a_job_tells_who_lost_its_leases(f: &Fixture) {
    let losses = async |since_ms| {
        let losses = f.store.losses(since_ms).await.unwrap();
        let names: Vec<String> = losses.nodes.iter().map(NodeId::to_string).collect();
        (names, losses.until_ms)
    };
    let mut ended = Vec::new();
    for id in ["j1", "j2", "j3"] {
        ended.push(f.submit(id, 50, &[encode(id, &[0..1, 1..2, 2..3])]).await);
    }
    for _ in 0..2 {
        f.take("n2").await.unwrap();
    }
    let returned = f.take("n1").await.unwrap();
    f.store
        .release(&returned.chunk, returned.token)
        .await
        .unwrap();
    let (nobody, start_ms) = losses(0).await;
    assert!(nobody.is_empty(), "{nobody:?} hold, or handed back");
    f.step(&ended[0], Phase::Probing, Phase::Probing, vec![])
        .await;
    f.pass(SECOND).await;
    f.step(&ended[0], Phase::Probing, Phase::Cancelled, vec![])
        .await;
    assert_eq!(losses(start_ms).await.0, ["n2"], "one entry a node");
    f.pass(SECOND).await;
    let (_, told_ms) = losses(start_ms).await;
    assert!(losses(told_ms).await.0.is_empty(), "it was told before");

    // A later loss moves the entry of a node, so that who asked in between hears of it.
    f.take("n1").await.unwrap();
    f.take("n2").await.unwrap();
    f.step(&ended[1], Phase::Probing, Phase::Failed, vec![])
        .await;
    assert_eq!(losses(told_ms).await.0, ["n1", "n2"]);
    f.pass(59 * SECOND).await;
    assert_eq!(losses(0).await.0, ["n1", "n2"]);
    f.pass(2 * SECOND).await;
    assert!(
        losses(0).await.0.is_empty(),
        "it was more than a minute ago"
    );
    f.take("n3").await.unwrap();
    f.step(&ended[2], Phase::Probing, Phase::Cancelled, vec![])
        .await;
    assert_eq!(losses(0).await.0, ["n3"]);
}

pub(super) async fn the_limit_of_expired_leases_holds(f: &Fixture) {
    f.submit("j1", 50, &[encode("j1", &[0..1, 1..2, 2..3])])
        .await;
    for _ in 0..3 {
        f.take("n1").await.unwrap();
    }
    f.pass(TTL + SECOND).await;
    assert_eq!(f.store.expired(2, Duration::ZERO).await.unwrap().len(), 2);
    assert_eq!(f.store.expired(10, Duration::ZERO).await.unwrap().len(), 3);
}

pub(super) async fn attempts_count_where_the_policy_says_so(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 4)]).await;
    let uncounted = Disposition::Retry {
        delay: Duration::ZERO,
        counts: Counts::Nothing,
        elsewhere: false,
    };
    let grant = f.take("n1").await.unwrap();
    f.fail(&grant, elsewhere()).await;
    assert_eq!(
        f.task(&id, "video-v").await.chunks[0].avoid,
        Some(node("n1"))
    );
    let grant = f.take("n1").await.unwrap();
    f.fail(&grant, uncounted).await;
    let chunk = &f.task(&id, "video-v").await.chunks[0];
    assert_eq!(
        (chunk.attempts, chunk.avoid.clone(), chunk.lease.clone()),
        (1, None, None)
    );
    assert_eq!(f.task(&id, "video-v").await.state, TaskState::Open);
}

pub(super) async fn failures_waits_and_silences_are_counted_apart(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 8)]).await;
    let met = async || {
        let chunks = f.task(&id, "video-v").await.chunks;
        let met = |c: &Chunk| [c.attempts, c.room_attempts, c.silent_attempts];
        chunks.iter().map(met).collect::<Vec<_>>()
    };
    let counts = |counts| Disposition::Retry {
        delay: Duration::ZERO,
        counts,
        elsewhere: false,
    };
    for _ in 0..2 {
        f.fail(&f.take("n1").await.unwrap(), counts(Counts::Room))
            .await;
    }
    assert_eq!(met().await, [[0, 2, 0]]);
    for _ in 0..3 {
        f.fail(&f.take("n1").await.unwrap(), counts(Counts::Silent))
            .await;
    }
    f.fail(&f.take("n1").await.unwrap(), counts(Counts::Attempt))
        .await;
    assert_eq!(met().await, [[1, 2, 3]]);
    let victim = f.take("n1").await.unwrap();
    assert_eq!(
        (victim.attempts, f.claim(&victim).await),
        (4, Claim::Unit(0))
    );
    let half = f.steal("n2").await.unwrap();
    assert_eq!(met().await, [[1, 2, 3]; 2], "a split forgets none");
    f.pass(TTL).await;
    let silent = f.store.expired(10, Duration::ZERO).await.unwrap();
    let silent = silent.iter().map(|lease| lease.silent_attempts);
    assert_eq!(silent.collect::<Vec<_>>(), [3, 3]);
    f.commit(&victim, 0).await;
    assert_eq!(met().await, [[0; 3], [1, 2, 3]], "work sets all back");
    f.fail(&half, Disposition::Dead).await;
    f.step(&id, Phase::Probing, Phase::Failed, vec![]).await;
    f.store.revive(&id).await.unwrap();
    assert_eq!(met().await, [[0; 3]; 2], "and so does a revival");
    let both = [f.take("n1").await.unwrap(), f.take("n1").await.unwrap()];
    for grant in &both {
        f.fail(grant, counts(Counts::Room)).await;
    }
    assert_eq!(met().await, [[0, 1, 0]; 2]);
}

pub(super) async fn work_of_the_holder_sets_the_attempts_back(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 4)]).await;
    let lost = f.take("n1").await.unwrap();
    f.claim(&lost).await;
    f.fail(&lost, retry(Duration::ZERO)).await;
    assert_eq!(f.commit(&lost, 0).await, Committed::Adopted);
    let second = f.take("n1").await.unwrap();
    assert_eq!(second.attempts, 1, "adopted work is not the holder's");
    f.fail(&second, retry(Duration::ZERO)).await;
    let third = f.take("n1").await.unwrap();
    assert_eq!((third.attempts, f.claim(&third).await), (2, Claim::Unit(1)));
    assert_eq!(f.commit(&third, 1).await, Committed::Accepted);
    assert_eq!(f.task(&id, "video-v").await.chunks[0].attempts, 0);
    assert_eq!(f.commit(&third, 1).await, Committed::Already);
    f.fail(&third, Disposition::Dead).await;
    let kept = f.store.dead().await.unwrap()[0].failures.len();
    assert_eq!(kept, 3, "the failures stay for people");
}

pub(super) async fn a_dead_chunk_rests_until_its_job_is_revived(f: &Fixture) {
    let verify = single("j1", TaskKind::Verify, &["video-v"]);
    let id = f
        .submit("j1", 50, &[encode("j1", &[0..4, 4..6]), verify])
        .await;
    settle_all(f).await;
    let grant = f.take("n1").await.unwrap();
    f.claim(&grant).await;
    f.commit(&grant, 0).await;
    f.claim(&grant).await;
    let before = f.version(&id).await;
    assert!(f.fail(&grant, Disposition::Dead).await);
    assert!(f.version(&id).await > before);
    let attention = f.store.attend(TTL).await.unwrap().unwrap();
    assert_eq!(attention.job, id);
    f.store.settle(&attention).await.unwrap();
    let task = f.task(&id, "video-v").await;
    assert_eq!(
        (task.state, task.failure),
        (TaskState::Dead, Some(failure("it broke")))
    );
    let dead = f.store.dead().await.unwrap();
    assert_eq!(
        (dead.len(), &dead[0].chunk, &dead[0].units),
        (1, &grant.chunk, &vec![1, 2, 3])
    );
    assert_eq!(dead[0].failures[0].node, node("n1"));
    assert_eq!(dead[0].failures[0].at_ms, dead[0].dead_at_ms);
    assert_eq!(dead[0].failures[0].failure, failure("it broke"));
    f.step(&id, Phase::Probing, Phase::Failed, vec![]).await;
    assert_eq!(
        f.store.job(&id).await.unwrap().failed_in,
        Some(Phase::Probing)
    );
    assert_eq!(f.take("n1").await, None);
    settle_all(f).await;
    f.store.revive(&id).await.unwrap();
    assert!(matches!(
        f.store.revive(&id).await,
        Err(Error::Conflict { .. })
    ));
    let job = f.store.job(&id).await.unwrap();
    assert_eq!(
        (job.phase, job.failed_in, job.failure),
        (Phase::Probing, None, None)
    );
    assert_eq!(f.store.attend(TTL).await.unwrap().unwrap().job, id);
    assert_eq!(f.store.dead().await.unwrap(), []);
    let first = f.take("n1").await.unwrap();
    assert_eq!(
        (first.attempts, f.work_off(&first).await),
        (0, vec![1, 2, 3])
    );
    f.work_off(&f.take("n1").await.unwrap()).await;
    assert_eq!(f.take("n1").await.unwrap().kind, TaskKind::Verify);
}

async fn settle_all(f: &Fixture) {
    while let Some(attention) = f.store.attend(TTL).await.unwrap() {
        f.store.settle(&attention).await.unwrap();
    }
}

pub(super) async fn a_late_commit_can_empty_the_dlq(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 1)]).await;
    let grant = f.take("n1").await.unwrap();
    f.claim(&grant).await;
    f.fail(&grant, Disposition::Dead).await;
    assert_eq!(f.commit(&grant, 0).await, Committed::Adopted);
    assert_eq!(f.store.dead().await.unwrap(), []);
    let task = f.task(&id, "video-v").await;
    assert_eq!((task.state, task.failure), (TaskState::Done, None));
    assert_eq!(f.store.depth().await.unwrap().dead, 0);
}

pub(super) async fn a_dropped_chunk_does_not_come_back(f: &Fixture) {
    let id = f.submit("j1", 50, &[encode("j1", &[0..1, 1..2])]).await;
    let grant = f.take("n1").await.unwrap();
    let alive = f.store.drop_dead(&grant.chunk).await;
    assert!(matches!(alive, Err(Error::NotFound { .. })), "{alive:?}");
    f.fail(&grant, Disposition::Dead).await;
    f.store.drop_dead(&grant.chunk).await.unwrap();
    let again = f.store.drop_dead(&grant.chunk).await;
    assert!(matches!(again, Err(Error::NotFound { .. })), "{again:?}");
    assert_eq!(f.store.dead().await.unwrap(), []);
    assert_eq!(f.task(&id, "video-v").await.state, TaskState::Dead);
    f.step(&id, Phase::Probing, Phase::Failed, vec![]).await;
    assert!(matches!(
        f.store.revive(&id).await,
        Err(Error::Conflict { .. })
    ));
}

pub(super) async fn the_last_eight_failures_are_kept(f: &Fixture) {
    f.submit("j1", 50, &[run("j1", 1)]).await;
    for attempt in 0..10 {
        let grant = f.take("n1").await.unwrap();
        let what = if attempt == 9 {
            Disposition::Dead
        } else {
            retry(Duration::ZERO)
        };
        let why = failure(&format!("line one\nattempt {attempt}"));
        assert!(
            f.store
                .fail(&grant.chunk, grant.token, &why, what)
                .await
                .unwrap()
        );
        let tasks = f.store.tasks(&grant.chunk.task.job).await.unwrap();
        assert_eq!(tasks[0].chunks[0].last_failure, Some(why));
    }
    let dead = f.store.dead().await.unwrap();
    let messages = dead[0]
        .failures
        .iter()
        .map(|attempt| attempt.failure.message.clone());
    let expected: Vec<String> = (2..10).map(|n| format!("line one\nattempt {n}")).collect();
    assert_eq!(messages.collect::<Vec<_>>(), expected);
}
