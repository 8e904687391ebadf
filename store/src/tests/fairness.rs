//! What holds for tenants, urgency and room: who is granted what, and who hands back for whom.

use super::fixture::{Fixture, SECOND, elsewhere, encode, info, job, run, want};
use crate::{LEAD_SECONDS, OLDEST_TURN, Share, Steal, Want};
use model::JobId;
use model::job::{NewJob, Phase, Urgency};
use model::task::{Claim, Grant, NewTask};

fn urgency(priority: u8, deadline_ms: Option<u64>) -> Urgency {
    Urgency {
        priority,
        deadline_ms,
    }
}

fn job_of(grant: &Grant) -> &str {
    grant.chunk.task.job.as_str()
}

async fn submit(f: &Fixture, id: &str, urgency: Urgency, tasks: &[NewTask]) -> JobId {
    let job = NewJob {
        urgency,
        ..job(id, 0)
    };
    f.store.submit(&job, tasks).await.unwrap();
    job.id
}

/// Takes and works off so many chunks, and counts those of jobs whose name begins so.
async fn count_served(f: &Fixture, chunks: u32, job: &str) -> u32 {
    let mut found = 0;
    for _ in 0..chunks {
        let grant = f.take("n1").await.unwrap();
        found += u32::from(job_of(&grant).starts_with(job));
        f.work_off(&grant).await;
    }
    found
}

pub(super) async fn the_earliest_deadline_comes_first_inside_a_priority(f: &Fixture) {
    submit(f, "none", urgency(50, None), &[run("none", 1)]).await;
    submit(f, "late", urgency(50, Some(9_000)), &[run("late", 1)]).await;
    submit(f, "early", urgency(50, Some(8_000)), &[run("early", 1)]).await;
    submit(f, "low", urgency(49, Some(1)), &[run("low", 1)]).await;
    let mut order = Vec::new();
    while let Some(grant) = f.take("n1").await {
        order.push(job_of(&grant).to_owned());
    }
    assert_eq!(order, ["early", "late", "none", "low"]);
}

pub(super) async fn a_job_that_becomes_urgent_moves_ahead(f: &Fixture) {
    f.submit("j1", 50, &[run("j1", 1)]).await;
    let second = f.submit("j2", 50, &[run("j2", 1)]).await;
    f.submit("j3", 50, &[run("j3", 1)]).await;
    let before = f.version(&second).await;
    let urgent = urgency(90, Some(7));
    f.store.set_urgency(&second, urgent).await.unwrap();
    f.store.set_urgency(&second, urgent).await.unwrap();
    let record = f.store.job(&second).await.unwrap();
    assert_eq!((record.urgency, record.version), (urgent, before + 1));
    assert_eq!(job_of(&f.take("n1").await.unwrap()), "j2");
    let missing = f.store.set_urgency(&"none".parse().unwrap(), urgent).await;
    assert!(missing.is_err());
}

pub(super) async fn tenants_are_served_by_weight(f: &Fixture) {
    let share = Share {
        weight: 3,
        held_max: None,
    };
    f.store
        .set_share(&"heavy".parse().unwrap(), &share)
        .await
        .unwrap();
    f.submit_for("light", "light-1", 40).await;
    f.submit_for("heavy", "heavy-1", 40).await;
    let heavy = count_served(f, 40, "heavy").await;
    assert!((29..=31).contains(&heavy), "{heavy} of 40");
}

pub(super) async fn a_tenant_that_was_away_saved_nothing_up(f: &Fixture) {
    f.submit_for("busy", "busy-1", 60).await;
    count_served(f, 20, "busy").await;
    f.submit_for("away", "away-1", 30).await;
    let away = count_served(f, 20, "away").await;
    assert!((9..=11).contains(&away), "{away} of 20");
}

pub(super) async fn the_oldest_job_is_not_starved_by_urgent_ones(f: &Fixture) {
    f.submit("old", 0, &[run("old", 1)]).await;
    let mut grants = 0;
    loop {
        let name = format!("urgent-{grants}");
        f.submit(&name, 100, &[run(&name, 1)]).await;
        let grant = f.take("n1").await.unwrap();
        grants += 1;
        f.work_off(&grant).await;
        if job_of(&grant) == "old" {
            break;
        }
        assert!(grants <= OLDEST_TURN, "the old job waits and waits");
    }
    assert_eq!(grants, OLDEST_TURN);
}

pub(super) async fn a_tenant_and_a_job_hold_no_more_than_they_may(f: &Fixture) {
    let share = Share {
        weight: 1,
        held_max: Some(2),
    };
    f.store
        .set_share(&"small".parse().unwrap(), &share)
        .await
        .unwrap();
    f.submit_for("small", "small-1", 4).await;
    let one = NewJob {
        held_max: Some(1),
        ..job("single", 50)
    };
    f.store
        .submit(&one, &[encode("single", &[0..4, 4..8])])
        .await
        .unwrap();
    let mut held = Vec::new();
    while let Some(grant) = f.steal("n1").await {
        f.claim(&grant).await;
        held.push(grant);
    }
    let mut names: Vec<&str> = held.iter().map(job_of).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["single", "small-1", "small-1"],
        "nothing is stolen past the limit either"
    );
    f.store
        .release(&held[0].chunk, held[0].token)
        .await
        .unwrap();
    let again = f.take("n2").await.unwrap();
    assert_eq!(job_of(&again), job_of(&held[0]));
    assert_eq!(f.take("n2").await, None);
    let more = Share {
        weight: 1,
        held_max: None,
    };
    f.store
        .set_share(&"small".parse().unwrap(), &more)
        .await
        .unwrap();
    assert_eq!(job_of(&f.take("n2").await.unwrap()), "small-1");
}

pub(super) async fn an_urgent_job_overtakes_at_the_next_unit(f: &Fixture) {
    f.submit("j1", 50, &[run("j1", 4)]).await;
    let grant = f.take("n1").await.unwrap();
    f.submit("urgent", 90, &[run("urgent", 2)]).await;
    assert_eq!(
        f.claim(&grant).await,
        Claim::Unit(0),
        "a first unit is done in any case"
    );
    assert_eq!(f.claim(&grant).await, Claim::Yield);
    f.commit(&grant, 0).await;
    f.store.release(&grant.chunk, grant.token).await.unwrap();
    let urgent = f.take("n1").await.unwrap();
    assert_eq!(job_of(&urgent), "urgent");
    f.work_off(&urgent).await;
    let rest = f.take("n1").await.unwrap();
    assert_eq!((job_of(&rest), rest.units.clone()), ("j1", 1..4));
    f.submit("equal", 50, &[run("equal", 1)]).await;
    f.claim(&rest).await;
    assert_eq!(
        f.claim(&rest).await,
        Claim::Unit(2),
        "an equal one does not overtake"
    );
}

pub(super) async fn no_more_holders_yield_than_there_is_work(f: &Fixture) {
    f.submit("j1", 50, &[encode("j1", &[0..4, 4..8, 8..12])])
        .await;
    let mut held = Vec::new();
    for node in ["n1", "n2", "n3"] {
        let grant = f.take(node).await.unwrap();
        f.claim(&grant).await;
        held.push(grant);
    }
    f.submit("urgent", 90, &[run("urgent", 1)]).await;
    assert_eq!(f.claim(&held[0]).await, Claim::Yield);
    assert!(matches!(f.claim(&held[1]).await, Claim::Unit(_)));
    f.pass(6 * SECOND).await;
    assert_eq!(
        f.claim(&held[2]).await,
        Claim::Yield,
        "the first never came for it"
    );
}

pub(super) async fn who_yields_for_a_job_gets_no_more_than_its_tenant_may_hold(f: &Fixture) {
    f.submit("j1", 50, &[encode("j1", &[0..4, 4..8])]).await;
    let first = f.take("n1").await.unwrap();
    let second = f.take("n2").await.unwrap();
    f.claim(&first).await;
    f.submit("urgent", 90, &[run("urgent", 1)]).await;
    assert_eq!(f.claim(&first).await, Claim::Yield);
    let tenant = "acme".parse().unwrap();
    let share = |held_max| Share {
        weight: 1,
        held_max,
    };
    f.store.set_share(&tenant, &share(Some(1))).await.unwrap();
    f.store.release(&first.chunk, first.token).await.unwrap();
    assert_eq!(f.take("n1").await, None, "the other chunk is held");
    f.store.release(&second.chunk, second.token).await.unwrap();
    assert_eq!(job_of(&f.take("n1").await.unwrap()), "urgent");
}

pub(super) async fn a_tenant_that_is_far_ahead_yields(f: &Fixture) {
    let tenant = |id: &str, name: &str| NewJob {
        tenant: name.parse().unwrap(),
        ..job(id, 50)
    };
    let task = |id: &str, units: u32| NewTask {
        unit_seconds: LEAD_SECONDS / 2.0,
        ..run(id, units)
    };
    f.store
        .submit(&tenant("long", "one"), &[task("long", 100)])
        .await
        .unwrap();
    let long = f.take("n1").await.unwrap();
    f.store
        .submit(&tenant("other", "two"), &[task("other", 1)])
        .await
        .unwrap();
    for unit in 0..3 {
        assert_eq!(
            f.claim(&long).await,
            Claim::Unit(unit),
            "not far enough yet"
        );
        f.commit(&long, unit).await;
    }
    assert_eq!(f.claim(&long).await, Claim::Yield);
    f.store.release(&long.chunk, long.token).await.unwrap();
    assert_eq!(job_of(&f.take("n1").await.unwrap()), "other");
}

pub(super) async fn a_paused_job_rests_until_it_goes_on(f: &Fixture) {
    let id = f.submit("j1", 50, &[encode("j1", &[0..4, 4..8])]).await;
    let grant = f.take("n1").await.unwrap();
    f.store.set_paused(&id, true).await.unwrap();
    f.store.set_paused(&id, true).await.unwrap();
    assert!(f.store.job(&id).await.unwrap().paused);
    assert_eq!(f.claim(&grant).await, Claim::Yield, "not even a first unit");
    f.store.release(&grant.chunk, grant.token).await.unwrap();
    assert_eq!(f.steal("n1").await, None);
    f.store.set_paused(&id, false).await.unwrap();
    let grant = f.take("n1").await.unwrap();
    assert_eq!(f.claim(&grant).await, Claim::Unit(0));
    f.store.set_paused(&id, true).await.unwrap();
    f.step(&id, Phase::Probing, Phase::Failed, vec![]).await;
    assert!(
        f.store.set_paused(&id, false).await.is_err(),
        "it has ended"
    );
    f.store.revive(&id).await.unwrap();
    assert!(!f.store.job(&id).await.unwrap().paused, "a retry goes on");
    assert!(f.take("n1").await.is_some());
}

pub(super) async fn what_a_unit_costs_is_learned_from_commits(f: &Fixture) {
    let task = |job: &str| NewTask {
        unit_seconds: 10.0,
        cost_class: "1080p".to_owned(),
        ..run(job, 4)
    };
    let seconds = async || f.store.depth().await.unwrap().seconds_left;
    f.submit("j1", 50, &[task("j1")]).await;
    assert!((seconds().await - 40.0).abs() < 1e-6, "as was expected");
    let grant = f.take("n1").await.unwrap();
    for unit in 0..2 {
        f.claim(&grant).await;
        f.commit(&grant, unit).await;
    }
    // 1.5 s, and then a quarter of the way to 1.6 s.
    let own = 2.0 * 1.525;
    assert!((seconds().await - own).abs() < 1e-6, "as was learned");
    f.submit("j2", 50, &[task("j2")]).await;
    // Other jobs go an eighth of the way.
    let others = 4.0 * 1.5125;
    assert!(
        (seconds().await - own - others).abs() < 1e-6,
        "also by other jobs"
    );
    let other = NewTask {
        cost_class: "2160p".to_owned(),
        ..task("j3")
    };
    f.submit("j3", 50, &[other]).await;
    assert!(
        (seconds().await - 40.0 - own - others).abs() < 1e-6,
        "each class by itself"
    );
}

pub(super) async fn a_chunk_is_offered_where_there_is_room(f: &Fixture) {
    let large = NewTask {
        slot_bytes: 1 << 33,
        ..run("large", 4)
    };
    f.submit("large", 50, &[large]).await;
    f.submit("little", 10, &[run("little", 1)]).await;
    let small = Want {
        room_bytes: 1 << 32,
        ..want("n1", Steal::WhenIdle)
    };
    let grant = f.store.take(&small).await.unwrap().unwrap();
    assert_eq!(job_of(&grant), "little", "what is too large is passed over");
    let large = f.take("n2").await.unwrap();
    f.claim(&large).await;
    assert_eq!(
        f.store.take(&small).await.unwrap(),
        None,
        "nor is it stolen"
    );
    assert!(f.steal("n3").await.is_some());
}

pub(super) async fn a_host_without_the_memory_is_no_elsewhere(f: &Fixture) {
    let mut little = info("n2");
    little.memory_bytes = 1 << 32;
    f.register("n1").await;
    f.store.register(&little).await.unwrap();
    let large = NewTask {
        slot_bytes: 1 << 33,
        ..run("j1", 4)
    };
    f.submit("j1", 50, &[large]).await;
    let grant = f.take("n1").await.unwrap();
    f.fail(&grant, elsewhere()).await;
    assert!(f.take("n1").await.is_some(), "no other node could run it");
}
