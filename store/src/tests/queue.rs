//! What holds for the order and the choice of what is granted.

use super::fixture::{
    Fixture, SECOND, elsewhere, encode, info, job, node, retry, run, single, want,
};
use crate::{Error, Steal, Want};
use model::job::{NewJob, Phase, Urgency};
use model::node::builds_digest;
use model::task::{Claim, TaskKind};
use std::time::Duration;

pub(super) async fn the_urgent_comes_first_then_the_old(f: &Fixture) {
    f.submit("old", 50, &[encode("old", &[0..1, 1..2])]).await;
    f.submit("new", 50, &[run("new", 1)]).await;
    f.submit("idle", 0, &[run("idle", 1)]).await;
    f.submit("urgent", 100, &[run("urgent", 1)]).await;
    let first = f.take("n1").await.unwrap();
    assert_eq!(first.chunk.to_string(), "urgent/video-v#0");
    assert_eq!(first.traceparent, "00-trace");
    let old = f.take("n1").await.unwrap();
    assert_eq!(
        (old.chunk.to_string().as_str(), old.units.clone()),
        ("old/video-v#0", 0..1)
    );
    f.store.release(&old.chunk, old.token).await.unwrap();
    let mut order = Vec::new();
    while let Some(grant) = f.take("n1").await {
        order.push(grant.chunk.to_string());
    }
    let expected = [
        "old/video-v#0",
        "old/video-v#1",
        "new/video-v#0",
        "idle/video-v#0",
    ];
    assert_eq!(
        order, expected,
        "a chunk that was handed back keeps its place"
    );
}

pub(super) async fn a_task_is_offered_to_fitting_builds_only(f: &Fixture) {
    let mut task = run("j1", 4);
    task.builds = "x264-164".to_owned();
    f.submit("j1", 90, &[task]).await;
    f.submit("j2", 10, &[run("j2", 1)]).await;
    let other = Want {
        builds: "x264-165".to_owned(),
        ..want("n1", Steal::WhenIdle)
    };
    let fitting = Want {
        builds: "x264-164".to_owned(),
        ..want("n2", Steal::WhenIdle)
    };
    let any = f.store.take(&other).await.unwrap().unwrap();
    assert_eq!(
        any.chunk.task.job.as_str(),
        "j2",
        "any node may take what names no builds"
    );
    f.work_off(&any).await;
    assert_eq!(f.store.take(&other).await.unwrap(), None);
    assert_eq!(f.steal("n3").await, None);
    let own = f.store.take(&fitting).await.unwrap().unwrap();
    assert_eq!(own.chunk.task.job.as_str(), "j1");
    f.claim(&own).await;
    assert_eq!(
        f.store.take(&other).await.unwrap(),
        None,
        "nor may it steal it"
    );
    assert!(f.store.take(&fitting).await.unwrap().is_some());
}

pub(super) async fn a_delayed_chunk_is_offered_when_its_time_has_come(f: &Fixture) {
    f.submit("j1", 50, &[run("j1", 4)]).await;
    let grant = f.take("n1").await.unwrap();
    assert!(f.fail(&grant, retry(Duration::from_secs(5))).await);
    assert_eq!(f.store.depth().await.unwrap().chunks_queued, 1);
    f.pass(Duration::from_secs(4)).await;
    assert_eq!(f.steal("n1").await, None);
    f.pass(Duration::from_millis(1_001)).await;
    assert_eq!(f.take("n1").await.unwrap().attempts, 1);
    let depth = f.store.depth().await.unwrap();
    assert_eq!((depth.chunks_queued, depth.chunks_held), (0, 1));
}

pub(super) async fn a_chunk_is_tried_elsewhere_if_there_is_an_elsewhere(f: &Fixture) {
    f.register("n1").await;
    f.register("n2").await;
    f.submit("j1", 50, &[encode("j1", &[0..1, 1..2])]).await;
    let grant = f.take("n1").await.unwrap();
    f.fail(&grant, elsewhere()).await;
    let next = f.take("n1").await.unwrap();
    assert_eq!(next.chunk.number, 1, "the next chunk is offered instead");
    assert_eq!(f.take("n1").await, None);
    f.pass(Duration::from_secs(9)).await;
    f.register("n1").await;
    assert_eq!(f.take("n1").await, None, "n2 was seen 9 s ago");
    f.pass(2 * SECOND).await;
    let again = f.take("n1").await.unwrap();
    assert_eq!(again.chunk, grant.chunk, "n2 was seen 11 s ago");
    f.fail(&again, elsewhere()).await;
    f.register("n2").await;
    assert_eq!(f.take("n1").await, None);
    assert_eq!(f.take("n2").await.unwrap().chunk, grant.chunk);
}

pub(super) async fn a_node_that_takes_no_work_or_has_other_builds_is_no_elsewhere(f: &Fixture) {
    let digest = builds_digest(&info("n1").builds);
    let mut other = info("n2");
    other.builds.insert("x264".to_owned(), "165".to_owned());
    f.register("n1").await;
    f.store.register(&other).await.unwrap();
    let mut task = run("j1", 4);
    task.builds = digest.clone();
    f.submit("j1", 50, &[task]).await;
    let want = Want {
        builds: digest,
        ..want("n1", Steal::Never)
    };
    let grant = f.store.take(&want).await.unwrap().unwrap();
    f.fail(&grant, elsewhere()).await;
    let grant = f.store.take(&want).await.unwrap().unwrap();
    f.fail(&grant, elsewhere()).await;
    f.register("n2").await;
    assert_eq!(f.store.take(&want).await.unwrap(), None);
    let (mut leaving, mut unfit) = (info("n2"), info("n2"));
    leaving.leaving = true;
    unfit.unfit = "5 attempts failed".to_owned();
    for away in [leaving, unfit] {
        f.store.register(&away).await.unwrap();
        let grant = f.store.take(&want).await.unwrap().unwrap();
        f.fail(&grant, elsewhere()).await;
        f.register("n2").await;
        assert_eq!(
            f.store.take(&want).await.unwrap(),
            None,
            "it takes work again"
        );
    }
    f.store.drain(&node("n2")).await.unwrap();
    assert!(f.store.take(&want).await.unwrap().is_some());
}

pub(super) async fn a_node_that_drains_gets_nothing_new(f: &Fixture) {
    f.submit("j1", 50, &[encode("j1", &[0..4, 4..8])]).await;
    f.register("n1").await;
    let unknown = f.store.drain(&node("n9")).await;
    assert!(
        matches!(unknown, Err(Error::NotFound { what: "node", .. })),
        "{unknown:?}"
    );
    let grant = f.take("n1").await.unwrap();
    f.store.drain(&node("n1")).await.unwrap();
    assert_eq!(f.steal("n1").await, None);
    assert_eq!(
        f.work_off(&grant).await,
        [0, 1, 2, 3],
        "it finishes what it holds"
    );
}

pub(super) async fn a_node_drains_until_it_was_away_for_a_minute(f: &Fixture) {
    f.submit("j1", 50, &[encode("j1", &[0..4, 4..8])]).await;
    f.register("n1").await;
    f.store.drain(&node("n1")).await.unwrap();
    for _ in 0..2 {
        f.pass(40 * SECOND).await;
        f.register("n1").await;
        assert_eq!(f.take("n1").await, None, "it was seen a moment ago");
        let known = f.store.nodes(SECOND).await.unwrap();
        assert!(known[0].draining);
    }
    f.register("n2").await;
    assert!(f.take("n2").await.is_some(), "another node does not drain");
    f.pass(61 * SECOND).await;
    f.register("n1").await;
    assert!(f.take("n1").await.is_some(), "a node that was away works");
}

pub(super) async fn what_is_paused_does_not_wait_for_a_node(f: &Fixture) {
    let paused = f.submit_for("acme", "j1", 4).await;
    f.submit_for("acme", "j2", 1).await;
    let counts = async || {
        let depth = f.store.depth().await.unwrap();
        (depth.chunks_queued, depth.chunks_paused, depth.units_left)
    };
    let (done, late) = (f.take("n1").await.unwrap(), f.take("n1").await.unwrap());
    f.claim(&done).await;
    f.claim(&late).await;
    assert_eq!(counts().await, (3, 0, 5));
    f.store.set_paused(&paused, true).await.unwrap();
    assert_eq!(counts().await, (1, 2, 3), "the held ones are under way");
    f.commit(&done, 0).await;
    let release = f.store.release(&late.chunk, late.token);
    release.await.unwrap();
    assert_eq!(counts().await, (1, 3, 1));
    f.commit(&late, 1).await;
    assert_eq!(counts().await, (1, 2, 1), "adopted while it is paused");
    let more = single("j1", TaskKind::Images, &[]);
    f.step(&paused, Phase::Probing, Phase::Probing, vec![more])
        .await;
    assert_eq!(counts().await, (1, 3, 1));
    f.store.set_paused(&paused, false).await.unwrap();
    assert_eq!(counts().await, (4, 0, 4));
    f.store.set_paused(&paused, true).await.unwrap();
    f.step(&paused, Phase::Probing, Phase::Failed, vec![]).await;
    assert_eq!(counts().await, (1, 0, 1));
    f.store.revive(&paused).await.unwrap();
    assert_eq!(counts().await, (4, 0, 4), "a retry goes on");
}

pub(super) async fn depth_counts_what_there_is_to_do(f: &Fixture) {
    let mut task = encode("j1", &[0..4, 4..8, 8..10]);
    task.unit_seconds = 2.5;
    let blocked = single("j1", TaskKind::Package, &["video-v"]);
    let id = f.submit("j1", 50, &[task, blocked]).await;
    f.submit("j2", 50, &[]).await;
    let depth = f.store.depth().await.unwrap();
    assert_eq!(
        (depth.jobs, depth.chunks_queued, depth.chunks_held),
        (2, 3, 0)
    );
    assert_eq!((depth.units_left, depth.seconds_left), (10, 25.0));
    let first = f.take("n1").await.unwrap();
    f.claim(&first).await;
    f.commit(&first, 0).await;
    assert_eq!(f.claim(&first).await, Claim::Unit(1));
    let second = f.take("n2").await.unwrap();
    f.fail(&second, crate::Disposition::Dead).await;
    let depth = f.store.depth().await.unwrap();
    assert_eq!(
        (depth.chunks_queued, depth.chunks_held, depth.dead),
        (1, 1, 1)
    );
    assert_eq!((depth.units_left, depth.seconds_left), (5, 12.5));
    f.step(
        &id,
        model::job::Phase::Probing,
        model::job::Phase::Failed,
        vec![],
    )
    .await;
    let depth = f.store.depth().await.unwrap();
    assert_eq!((depth.jobs, depth.units_left, depth.dead), (1, 0, 1));
    f.store.revive(&id).await.unwrap();
    let depth = f.store.depth().await.unwrap();
    assert_eq!(
        (
            depth.jobs,
            depth.chunks_queued,
            depth.units_left,
            depth.dead
        ),
        (2, 3, 9, 0)
    );
}

pub(super) async fn work_left_says_what_each_open_job_still_takes(f: &Fixture) {
    let mut video = encode("j1", &[0..4, 4..6]);
    (video.unit_seconds, video.cost_class) = (2.5, "film".to_owned());
    let sound = single("j1", TaskKind::Audio { index: 0 }, &[]);
    let images = single("j1", TaskKind::Images, &["video-v"]);
    let rules = single("j1", TaskKind::Qc, &["video-v", "audio-0", "images"]);
    f.submit("j1", 50, &[video, sound, images, rules]).await;
    let ended = f.submit("j2", 50, &[run("j2", 4)]).await;
    f.step(&ended, Phase::Probing, Phase::Cancelled, vec![])
        .await;
    let urgency = Urgency {
        priority: 50,
        deadline_ms: Some(7_000),
    };
    let urgent = NewJob {
        urgency,
        held_max: Some(2),
        ..job("j3", 50)
    };
    f.store.submit(&urgent, &[run("j3", 3)]).await.unwrap();
    f.store.set_paused(&urgent.id, true).await.unwrap();

    let first = f.store.work_left("", 1).await.unwrap();
    let newest = &first.jobs[0];
    assert_eq!(newest.of.job, urgent.id);
    assert_eq!(
        (newest.of.deadline_ms, newest.of.held_max, newest.of.paused),
        (Some(7_000), Some(2), true)
    );
    assert_eq!((newest.open_units, newest.open_seconds), (3, 3.0));
    let all = f.store.work_left("", 50).await.unwrap();
    let rest = f.store.work_left(&first.next, 50).await.unwrap();
    assert_eq!((&all.jobs[1..], ""), (&rest.jobs[..], &*rest.next));
    assert_eq!(rest.jobs.len(), 1, "a job that has ended is not listed");
    assert!(f.store.work_left("nowhere", 1).await.is_err());

    let work = &rest.jobs[0];
    assert_eq!((work.open_units, work.open_seconds), (7, 16.0));
    assert_eq!((work.later_seconds, work.later_chain_seconds), (2.0, 2.0));
    assert_eq!(work.chain_seconds, 4.5, "a segment, the images, the rules");
    let grant = f.take("n1").await.unwrap();
    f.claim(&grant).await;
    // It took 1.5 s.
    f.commit(&grant, 0).await;
    let work = &f.store.work_left("", 50).await.unwrap().jobs[1];
    assert_eq!((work.open_units, work.open_seconds), (6, 8.5));
}

pub(super) async fn nodes_are_listed_with_what_they_hold(f: &Fixture) {
    f.register("n2").await;
    f.register("n1").await;
    f.submit("j1", 50, &[encode("j1", &[0..4, 4..8])]).await;
    let grant = f.take("n1").await.unwrap();
    f.pass(Duration::from_secs(30)).await;
    let leases = [(grant.chunk.clone(), grant.token)];
    f.store.renew(&node("n1"), SECOND, &leases).await.unwrap();
    let nodes = f.store.nodes(Duration::from_secs(3_600)).await.unwrap();
    let ids: Vec<&str> = nodes.iter().map(|node| node.info.id.as_str()).collect();
    assert_eq!(ids, ["n1", "n2"]);
    assert_eq!(nodes[0].holds, [grant.chunk]);
    assert_eq!(nodes[0].info, info("n1"));
    assert!(nodes[0].seen_at_ms >= nodes[1].seen_at_ms + 30_000);
    let recent = f.store.nodes(Duration::from_secs(20)).await.unwrap();
    assert_eq!(recent.len(), 1);
    assert!(job("j1", 50).id == nodes[0].holds[0].task.job);
}

pub(super) async fn a_node_that_is_silent_for_a_day_is_forgotten(f: &Fixture) {
    f.register("holder").await;
    f.register("silent").await;
    f.submit("j1", 50, &[run("j1", 4)]).await;
    let grant = f.take("holder").await.unwrap();
    f.pass(Duration::from_secs(25 * 3_600)).await;
    f.register("n1").await;
    let listed = async || {
        let nodes = f
            .store
            .nodes(Duration::from_secs(100 * 3_600))
            .await
            .unwrap();
        nodes
            .iter()
            .map(|node| node.info.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed().await, ["holder", "n1"]);
    f.fail(&grant, retry(Duration::ZERO)).await;
    f.register("n1").await;
    assert_eq!(listed().await, ["n1"]);
}
