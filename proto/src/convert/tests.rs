//! What goes over the wire comes back as it was, and what means nothing is refused by name.

use crate::{Error, v1};
use model::job::{JobRecord, Phase, Urgency};
use model::node::{NodeInfo, NodeRecord};
use model::task::{Claim, Committed, Grant, TaskKind, Token, UnitRecord};
use model::work::{JobWork, WorkOf};
use model::{Failure, FailureKind, JobId, NodeId, TenantId, TitleId};

fn node(id: &str) -> NodeId {
    NodeId::new(id).unwrap()
}

#[test]
fn failures_keep_their_class_over_the_wire() {
    for kind in FailureKind::ALL {
        let failure = Failure::new(kind, "probe", "moov is missing").with_evidence("stderr");
        assert_eq!(Failure::try_from(v1::Failure::from(&failure)), Ok(failure));
    }
    let wire = v1::Failure {
        kind: "other".to_owned(),
        ..Default::default()
    };
    let Err(Error::Invalid { field, .. }) = Failure::try_from(wire) else {
        panic!("an unknown kind was accepted")
    };
    assert_eq!(field, "failure.kind");
}

#[test]
fn grants_of_every_kind_survive_the_wire() {
    let kinds = [
        TaskKind::Probe,
        TaskKind::Encode {
            group: "h264".to_owned(),
        },
        TaskKind::Audio { index: 0 },
        TaskKind::Text { index: 3 },
        TaskKind::Images,
        TaskKind::Qc,
        TaskKind::Package,
        TaskKind::Verify,
    ];
    for kind in kinds {
        let grant = Grant {
            chunk: format!("j1/{}#4", kind.name()).parse().unwrap(),
            kind,
            units: 3..9,
            token: Token {
                epoch: 2,
                counter: 77,
            },
            attempts: 1,
            traceparent: "00-ab-cd-01".to_owned(),
        };
        assert_eq!(Grant::try_from(v1::Grant::from(&grant)), Ok(grant));
    }
    let empty = Grant::try_from(v1::Grant {
        chunk: "j/probe#0".to_owned(),
        ..Default::default()
    });
    assert_eq!(empty.unwrap_err().to_string(), "grant.kind: is missing");
}

#[test]
fn outcomes_survive_the_wire() {
    for claim in [
        Claim::Unit(0),
        Claim::Unit(7),
        Claim::Drained,
        Claim::Lost,
        Claim::Yield,
        Claim::Later,
    ] {
        assert_eq!(Claim::try_from(v1::ClaimResponse::from(claim)), Ok(claim));
    }
    use Committed::{Accepted, Adopted, Already, Conflict, Gone};
    for committed in [Accepted, Adopted, Already, Conflict, Gone] {
        assert_eq!(
            Committed::try_from(v1::CommitResponse::from(committed)),
            Ok(committed)
        );
    }
    assert!(Claim::try_from(v1::ClaimResponse::default()).is_err());
    assert!(Committed::try_from(v1::CommitResponse::default()).is_err());
}

#[test]
fn units_need_a_digest_and_a_node() {
    let record = UnitRecord {
        digest: "d".to_owned(),
        config_digest: String::new(),
        frames: 96,
        node: node("n1"),
        elapsed_ms: 12,
        reused: true,
    };
    let wire = v1::UnitRecord::from(&record);
    assert_eq!(UnitRecord::try_from(wire.clone()), Ok(record));
    assert!(
        UnitRecord::try_from(v1::UnitRecord {
            digest: String::new(),
            ..wire.clone()
        })
        .is_err()
    );
    assert!(
        UnitRecord::try_from(v1::UnitRecord {
            node: "../n".to_owned(),
            ..wire
        })
        .is_err()
    );
}

#[test]
fn jobs_survive_the_wire() {
    let job = JobRecord {
        id: JobId::new("j1").unwrap(),
        tenant: TenantId::new("t").unwrap(),
        title: TitleId::new("bunny").unwrap(),
        profile: "web".to_owned(),
        source_url: "file:///a.mov".to_owned(),
        urgency: Urgency::of(50),
        held_max: None,
        paused: false,
        traceparent: String::new(),
        phase: Phase::Failed,
        failed_in: Some(Phase::Probing),
        version: 9,
        failure: Some(Failure::new(FailureKind::BadInput, "probe", "empty")),
        title_version: 3,
        accepted_at_ms: 1,
        changed_at_ms: 2,
        units: 10,
        units_done: 4,
    };
    assert_eq!(JobRecord::try_from(v1::Job::from(&job)), Ok(job.clone()));
    let wire = v1::Job {
        phase: "asleep".to_owned(),
        ..v1::Job::from(&job)
    };
    assert!(
        JobRecord::try_from(wire)
            .unwrap_err()
            .to_string()
            .starts_with("job.phase")
    );
}

#[test]
fn nodes_survive_the_wire() {
    let info = NodeInfo {
        id: node("n1"),
        host: "host".to_owned(),
        version: "0.1.0".to_owned(),
        cores: 4,
        memory_bytes: 1 << 34,
        cpu: "cpu".to_owned(),
        gpus: vec!["gpu".to_owned()],
        slots: 2,
        builds: [("x264".to_owned(), "164".to_owned())].into(),
        unfit: "5 attempts failed".to_owned(),
        leaving: true,
    };
    assert_eq!(NodeInfo::try_from(v1::Node::from(&info)), Ok(info.clone()));
    let holds = vec!["j1/video-h264#0".parse().unwrap()];
    let record = NodeRecord {
        info,
        seen_at_ms: 5,
        draining: true,
        holds,
    };
    assert_eq!(NodeRecord::try_from(v1::Node::from(&record)), Ok(record));
}

#[test]
fn what_is_left_of_a_job_survives_the_wire_unless_it_is_no_time() {
    let of = WorkOf {
        job: JobId::new("j1").unwrap(),
        title: TitleId::new("film").unwrap(),
        phase: Phase::Processing,
        deadline_ms: Some(9),
        held_max: None,
        paused: true,
    };
    let work = JobWork {
        of,
        open_units: 7,
        open_seconds: 12.5,
        later_seconds: 4.0,
        later_chain_seconds: 3.0,
        chain_seconds: 5.5,
    };
    let wire = v1::JobWork::from(&work);
    assert_eq!(JobWork::try_from(wire.clone()), Ok(work));
    for bad in [f64::NAN, f64::INFINITY, -1.0] {
        let wire = v1::JobWork {
            chain_seconds: bad,
            ..wire.clone()
        };
        let refused = JobWork::try_from(wire).unwrap_err().to_string();
        assert!(refused.starts_with("work.chain_seconds"), "{refused}");
    }
}
