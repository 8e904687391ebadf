//! What holds for jobs and the order of their tasks.

use super::fixture::{Fixture, TTL, encode, failure, job, record, retry, run, single, step, want};
use crate::page::LOOKS_MAX;
use crate::rules::EPOCH_VERSIONS;
use crate::{Advance, Disposition, Error, Steal, Submitted};
use futures::future::join_all;
use model::JobId;
use model::job::{JobFilter, JobRecord, NewJob, Phase};
use model::task::{Claim, Committed, TaskKind, TaskState};
use std::time::Duration;

pub(super) async fn a_repeated_submit_changes_nothing(f: &Fixture) {
    let id = f
        .submit("j1", 50, &[single("j1", TaskKind::Probe, &[])])
        .await;
    let before = f.store.job(&id).await.unwrap();
    let mut again = job("j1", 99);
    again.profile = "other".to_owned();
    let answer = f.store.submit(&again, &[run("j1", 4)]).await.unwrap();
    assert_eq!(answer, Submitted::Exists);
    assert_eq!(f.store.job(&id).await.unwrap(), before);
    assert_eq!(
        (before.phase, before.units, before.version),
        (Phase::Probing, 1, 1)
    );
    assert_eq!(f.store.tasks(&id).await.unwrap().len(), 1);
}

pub(super) async fn chunks_that_do_not_cover_their_task_are_refused(f: &Fixture) {
    let gap = encode("j1", &[0..2, 3..4]);
    let overlap = encode("j1", &[0..3, 2..4]);
    let foreign = run("j2", 4);
    for bad in [gap, overlap, foreign] {
        let answer = f.store.submit(&job("j1", 50), &[bad]).await;
        assert!(matches!(answer, Err(Error::Conflict { .. })), "{answer:?}");
    }
    let missing = f.store.job(&"j1".parse().unwrap()).await;
    assert!(
        matches!(missing, Err(Error::NotFound { what: "job", .. })),
        "{missing:?}"
    );
}

pub(super) async fn one_of_many_takes_a_step(f: &Fixture) {
    let id = f.submit("j1", 50, &[]).await;
    let step = step(Phase::Probing, Phase::Processing, vec![run("j1", 4)]);
    let answers = join_all((0..16).map(|_| f.store.advance(&id, &step))).await;
    let taken = answers
        .into_iter()
        .filter(|answer| *answer.as_ref().unwrap());
    assert_eq!(taken.count(), 1);
    assert_eq!(f.store.job(&id).await.unwrap().units, 4);
}

pub(super) async fn a_repeated_step_in_one_phase_changes_nothing(f: &Fixture) {
    let id = f.submit("j1", 50, &[]).await;
    let step = Advance {
        failure: Some(failure("flagged")),
        title_version: Some(3),
        ..step(Phase::Probing, Phase::Probing, vec![run("j1", 4)])
    };
    assert!(f.store.advance(&id, &step).await.unwrap());
    let before = f.store.job(&id).await.unwrap();
    assert_eq!((before.version, before.title_version), (2, 3));
    assert!(f.store.advance(&id, &step).await.unwrap());
    assert_eq!(f.store.job(&id).await.unwrap(), before);
}

pub(super) async fn only_a_revival_leads_out_of_a_final_phase(f: &Fixture) {
    let id = f.submit("j1", 50, &[]).await;
    let short = step(Phase::Probing, Phase::Published, vec![]);
    let answer = f.store.advance(&id, &short).await;
    assert!(matches!(answer, Err(Error::Conflict { .. })), "{answer:?}");
    f.step(&id, Phase::Probing, Phase::Cancelled, vec![]).await;
    let ended = f.store.job(&id).await.unwrap();
    for to in Phase::ALL {
        let answer = f.store.advance(&id, &step(ended.phase, to, vec![])).await;
        assert!(
            matches!(answer, Err(Error::Conflict { .. })),
            "{to}: {answer:?}"
        );
    }
    assert_eq!(f.store.job(&id).await.unwrap(), ended);
    let revived = f.store.revive(&id).await;
    assert!(
        matches!(revived, Err(Error::Conflict { .. })),
        "{revived:?}"
    );
}

/// Sixteen tasks end at the same time, and the task that waits for them all is queued once.
pub(super) async fn a_task_waits_for_all_that_it_comes_after(f: &Fixture) {
    let mut tasks: Vec<_> = (0..16)
        .map(|index| single("j1", TaskKind::Audio { index }, &[]))
        .collect();
    let names: Vec<String> = tasks.iter().map(|task| task.kind.name()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    tasks.insert(0, single("j1", TaskKind::Package, &names));
    tasks.push(single("j1", TaskKind::Verify, &["package"]));
    let id = f.submit("j1", 50, &tasks).await;
    assert_eq!(f.store.depth().await.unwrap().chunks_queued, 16);
    let work = (0..16).map(|index| async move {
        let grant = f.take(&format!("n{index}")).await.unwrap();
        assert_ne!(grant.kind, TaskKind::Package);
        assert_eq!(f.claim(&grant).await, Claim::Unit(0));
        grant
    });
    let grants = join_all(work).await;
    assert_eq!(f.take("late").await, None);
    assert_eq!(f.task(&id, "package").await.state, TaskState::Blocked);
    let commits = join_all(grants.iter().map(|grant| f.commit(grant, 0))).await;
    assert!(commits.iter().all(|answer| *answer == Committed::Accepted));
    let package = f.take("late").await.unwrap();
    assert_eq!(package.kind, TaskKind::Package);
    assert_eq!(
        f.take("late").await,
        None,
        "queued twice, or before its turn"
    );
    f.work_off(&package).await;
    assert_eq!(f.take("late").await.unwrap().kind, TaskKind::Verify);
}

pub(super) async fn a_task_after_one_that_is_done_opens_at_once(f: &Fixture) {
    let id = f
        .submit("j1", 50, &[single("j1", TaskKind::Probe, &[])])
        .await;
    f.work_off(&f.take("n1").await.unwrap()).await;
    let add = vec![
        single("j1", TaskKind::Images, &["probe"]),
        single("j1", TaskKind::Qc, &["probe", "images", "package"]),
    ];
    f.step(&id, Phase::Probing, Phase::Processing, add).await;
    let images = f.take("n1").await.unwrap();
    assert_eq!(images.kind, TaskKind::Images);
    f.work_off(&images).await;
    assert_eq!(f.take("n1").await, None, "package is not even known");
    let add = vec![single("j1", TaskKind::Package, &[])];
    f.step(&id, Phase::Processing, Phase::Processing, add).await;
    f.work_off(&f.take("n1").await.unwrap()).await;
    assert_eq!(f.take("n1").await.unwrap().kind, TaskKind::Qc);
}

pub(super) async fn a_final_phase_empties_the_queue_and_ends_leases(f: &Fixture) {
    let id = f
        .submit("j1", 50, &[encode("j1", &[0..4, 4..8, 8..10, 10..12])])
        .await;
    let held = f.take("n1").await.unwrap();
    assert_eq!(f.claim(&held).await, Claim::Unit(0));
    let delayed = f.take("n2").await.unwrap();
    f.fail(&delayed, retry(Duration::from_secs(5))).await;
    let dead = f.take("n2").await.unwrap();
    f.fail(&dead, Disposition::Dead).await;
    f.step(&id, Phase::Probing, Phase::Cancelled, vec![]).await;
    f.pass(Duration::from_secs(6)).await;
    assert_eq!(f.steal("n3").await, None);
    assert_eq!(f.claim(&held).await, Claim::Lost);
    assert_eq!(f.commit(&held, 0).await, Committed::Gone);
    assert!(!f.fail(&held, Disposition::Dead).await);
    let leases = [(held.chunk.clone(), held.token)];
    let renewed = f
        .store
        .renew(&super::fixture::node("n1"), TTL, &leases)
        .await
        .unwrap();
    assert_eq!(renewed, [crate::Renewed::Lost]);
    assert_eq!(f.store.expired(10, Duration::ZERO).await.unwrap(), []);
    assert_eq!(f.store.depth().await.unwrap(), crate::QueueDepth::default());
    assert_eq!(
        f.store.dead().await.unwrap(),
        [],
        "nobody can do anything about it"
    );
    assert_eq!(f.store.job(&id).await.unwrap().units_done, 0);
}

pub(super) async fn a_commit_raises_the_version_without_asking_for_attention(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 2)]).await;
    let grant = f.take("n1").await.unwrap();
    let before = f.version(&id).await;
    f.claim(&grant).await;
    f.commit(&grant, 0).await;
    let record = f.store.job(&id).await.unwrap();
    assert_eq!((record.version > before, record.units_done), (true, 1));
    assert_eq!(f.store.attend(TTL).await.unwrap(), None);
    f.claim(&grant).await;
    f.commit(&grant, 1).await;
    assert_eq!(f.store.attend(TTL).await.unwrap().unwrap().job, id);
    assert_eq!(f.task(&id, "video-v").await.state, TaskState::Done);
}

pub(super) async fn listings_show_the_newest_first_by_pages(f: &Fixture) {
    for number in 0..7 {
        let mut new = job(&format!("j{number}"), 50);
        new.title = if number % 2 == 0 { "even" } else { "odd" }
            .parse()
            .unwrap();
        f.store.submit(&new, &[]).await.unwrap();
    }
    f.step(
        &"j4".parse().unwrap(),
        Phase::Probing,
        Phase::Cancelled,
        vec![],
    )
    .await;
    let even = JobFilter {
        title: Some("even".parse().unwrap()),
        ..JobFilter::default()
    };
    let cancelled = JobFilter {
        phases: vec![Phase::Cancelled, Phase::Failed],
        ..JobFilter::default()
    };
    let stranger = JobFilter {
        tenant: Some("stranger".parse().unwrap()),
        ..JobFilter::default()
    };
    assert_eq!(
        pages(f, &JobFilter::default(), 3).await,
        [vec![6, 5, 4], vec![3, 2, 1], vec![0]]
    );
    assert_eq!(pages(f, &even, 2).await, [vec![6, 4], vec![2, 0]]);
    assert_eq!(pages(f, &cancelled, 2).await, [vec![4]]);
    assert_eq!(pages(f, &stranger, 2).await, [Vec::<u32>::new()]);
    let bad = f.store.jobs(&even, "no page", 2).await;
    assert!(matches!(bad, Err(Error::Conflict { .. })), "{bad:?}");
}

async fn pages(f: &Fixture, filter: &JobFilter, limit: u32) -> Vec<Vec<u32>> {
    let mut pages = Vec::new();
    let mut next = String::new();
    loop {
        let page = f.store.jobs(filter, &next, limit).await.unwrap();
        let number = |id: &str| id.trim_start_matches('j').parse().unwrap();
        pages.push(
            page.jobs
                .iter()
                .map(|job| number(job.id.as_str()))
                .collect(),
        );
        next = page.next;
        if next.is_empty() {
            return pages;
        }
    }
}

pub(super) async fn a_forgotten_job_leaves_nothing_behind(f: &Fixture) {
    f.submit("other", 50, &[]).await;
    let empty = f.keys().await.len();
    let tasks = [
        encode("j1", &[0..4, 4..8]),
        single("j1", TaskKind::Package, &["video-v", "never-added"]),
    ];
    let id = f.submit("j1", 50, &tasks).await;
    let refused = f.store.forget(&id).await;
    assert!(
        matches!(refused, Err(Error::Conflict { .. })),
        "{refused:?}"
    );
    let dead = f.take("n1").await.unwrap();
    f.claim(&dead).await;
    f.commit(&dead, 0).await;
    f.fail(&dead, Disposition::Dead).await;
    f.store.nudge(&id, Duration::from_secs(1)).await.unwrap();
    f.step(&id, Phase::Probing, Phase::Failed, vec![]).await;
    f.store.forget(&id).await.unwrap();
    f.store.forget(&id).await.unwrap();
    assert!(matches!(
        f.store.job(&id).await,
        Err(Error::NotFound { .. })
    ));
    assert_eq!(f.store.dead().await.unwrap(), []);
    assert_eq!(f.commit(&dead, 1).await, Committed::Gone);
    // Those of the farm that one take makes: the counter of grants and the totals of the queue.
    let left = f.keys().await;
    assert!(left.len() <= empty + 2, "{left:?}");
    assert!(!left.iter().any(|key| key.contains("j1")), "{left:?}");
}

pub(super) async fn listings_go_on_past_many_jobs_that_do_not_fit(f: &Fixture) {
    let wanted = f.submit("j0", 50, &[]).await;
    f.step(&wanted, Phase::Probing, Phase::Cancelled, vec![])
        .await;
    for number in 1..600 {
        f.submit(&format!("j{number}"), 50, &[]).await;
    }
    let cancelled = JobFilter {
        phases: vec![Phase::Cancelled],
        ..JobFilter::default()
    };
    assert_eq!(pages(f, &cancelled, 5).await, [vec![0]]);
    assert_eq!(pages(f, &JobFilter::default(), 400).await.len(), 2);
}

pub(super) async fn a_page_is_short_where_many_jobs_do_not_fit(f: &Fixture) {
    let submit = async |tenant: &str, number: usize| {
        let new = NewJob {
            tenant: tenant.parse().unwrap(),
            ..job(&format!("j{number}"), 50)
        };
        f.store.submit(&new, &[]).await.unwrap();
    };
    for number in 0..LOOKS_MAX + 2 {
        submit(if number < 2 { "rare" } else { "acme" }, number).await;
    }
    let rare = JobFilter {
        tenant: Some("rare".parse().unwrap()),
        ..JobFilter::default()
    };
    assert_eq!(pages(f, &rare, 5).await, [vec![], vec![1, 0]]);
    assert_eq!(pages(f, &rare, 1).await, [vec![], vec![1], vec![0]]);
    submit("rare", 9999).await;
    let open = JobFilter {
        phases: vec![Phase::Probing],
        ..rare
    };
    assert_eq!(pages(f, &open, 5).await, [vec![9999], vec![1, 0]]);
    f.step(
        &"j9999".parse().unwrap(),
        Phase::Probing,
        Phase::Cancelled,
        vec![],
    )
    .await;
    let page = f.store.jobs(&open, "", 5).await.unwrap();
    assert_eq!(
        (page.jobs.len(), page.next.as_str()),
        (0, "3"),
        "the ended one is not looked at"
    );
}

/// The scripts are gone with the server too, and are loaded again.
pub(super) async fn what_was_answered_survives_a_killed_server(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 2)]).await;
    let grant = f.take("n1").await.unwrap();
    assert_eq!(f.claim(&grant).await, Claim::Unit(0));
    if !f.kill_and_restart() {
        return;
    }
    let mut failed = 0;
    let commit = loop {
        match f
            .store
            .commit(&grant.chunk, grant.token, 0, &record(0))
            .await
        {
            Err(Error::Unavailable { .. }) if failed < 20 => failed += 1,
            answer => break answer.unwrap(),
        }
    };
    assert!(
        matches!(commit, Committed::Accepted | Committed::Already),
        "{commit:?}"
    );
    assert_eq!(f.claim(&grant).await, Claim::Unit(1));
    assert_eq!(f.commit(&grant, 1).await, Committed::Accepted);
    assert_eq!(f.task(&id, "video-v").await.state, TaskState::Done);
}

pub(super) async fn a_record_that_cannot_be_read_is_said_to_be_corrupt(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 2)]).await;
    let grant = f.take("n1").await.unwrap();
    if !f.spoil("chunk:j1/video-v#0", "left").await {
        return;
    }
    let claim = f.store.claim(&grant.chunk, grant.token).await;
    assert!(matches!(claim, Err(Error::Corrupt { .. })), "{claim:?}");
    assert!(f.spoil("job:j1", "phase").await);
    let job = f.store.job(&id).await;
    assert!(
        matches!(&job, Err(Error::Corrupt { key, .. }) if key == "phase"),
        "{job:?}"
    );
}

pub(super) async fn two_stores_on_one_server_see_each_other(f: &Fixture) {
    let Some(other) = f.reopen(7).await else {
        return;
    };
    use crate::Store;
    let id = f.submit("j1", 50, &[run("j1", 2)]).await;
    let grant = other
        .take(&want("n1", Steal::Never))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(f.claim(&grant).await, Claim::Unit(0));
    let answer = other.commit(&grant.chunk, grant.token, 0, &record(0)).await;
    assert_eq!(answer.unwrap(), Committed::Accepted);
    assert_eq!(f.store.job(&id).await.unwrap().units_done, 1);
    f.store.release(&grant.chunk, grant.token).await.unwrap();
    let later = f.take("n1").await.unwrap();
    assert!(
        later.token > grant.token,
        "the cell keeps the greater epoch"
    );
    assert_eq!(later.token.epoch, 7);
}

pub(super) async fn a_raised_epoch_raises_tokens_and_versions(f: &Fixture) {
    let (job, mut tokens) = (f.submit("j1", 50, &[]).await, Vec::new());
    let first = f.version(&job).await;
    for (epoch, id) in [(1, "j2"), (7, "j3"), (2, "j4"), (9_000_000, "j5")] {
        f.store.raise_epoch(epoch).await.unwrap();
        let id: JobId = id.parse().unwrap();
        f.submit(
            id.as_str(),
            50,
            &[single(id.as_str(), TaskKind::Probe, &[])],
        )
        .await;
        let grant = f.take("n1").await.unwrap();
        tokens.push(grant.token.epoch);
        let epoch = u64::from(grant.token.epoch);
        assert_eq!(f.version(&id).await, (epoch - 1) * EPOCH_VERSIONS + first);
        f.step(&id, Phase::Probing, Phase::Processing, Vec::new())
            .await;
        let version = f.version(&id).await;
        assert_eq!(version, (epoch - 1) * EPOCH_VERSIONS + first + 1);
        let mut attended = None;
        while let Some(attention) = f.store.attend(TTL).await.unwrap() {
            attended = Some(attention.version);
            f.store.settle(&attention).await.unwrap();
        }
        assert_eq!(attended, Some(version), "settled by its whole version");
        assert_eq!(f.store.attend(TTL).await.unwrap(), None);
    }
    assert_eq!(tokens, [1, 7, 7, 9_000_000]);
}

pub(super) async fn an_ended_job_is_restored_as_it_was(f: &Fixture) {
    let open = f.submit("j1", 50, &[]).await;
    let ended = JobRecord {
        id: "j0".parse().unwrap(),
        phase: Phase::Failed,
        failed_in: Some(Phase::Packaging),
        version: 3 * EPOCH_VERSIONS + 17,
        failure: Some(failure("it broke\nat the end")),
        title_version: 4,
        accepted_at_ms: 1_600_000_000_000,
        changed_at_ms: 1_600_000_000_001,
        units: 9,
        units_done: 8,
        ..f.store.job(&open).await.unwrap()
    };
    let refused = f.store.restore(&f.store.job(&open).await.unwrap()).await;
    assert!(
        matches!(refused, Err(Error::Conflict { .. })),
        "{refused:?}"
    );
    for answer in [Submitted::New, Submitted::Exists] {
        assert_eq!(f.store.restore(&ended).await.unwrap(), answer);
    }
    assert_eq!(f.store.job(&ended.id).await.unwrap(), ended);
    let listed = f.store.jobs(&JobFilter::default(), "", 9).await.unwrap();
    assert!(listed.jobs.contains(&ended), "{listed:?}");
    assert_eq!(f.store.tasks(&ended.id).await.unwrap(), []);
    assert_eq!(f.store.depth().await.unwrap().jobs, 1);
    while let Some(attention) = f.store.attend(TTL).await.unwrap() {
        assert_eq!(attention.job, open, "it needs no decision");
        f.store.settle(&attention).await.unwrap();
    }
    f.store.forget(&ended.id).await.unwrap();
    assert_eq!(f.submit("j0", 50, &[]).await, ended.id, "it may come again");
}
