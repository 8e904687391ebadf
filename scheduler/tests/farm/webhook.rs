//! Webhooks, as a receiver sees them.

use crate::harness::{Farm, PATIENCE, eventually};
use crate::node::Script;
use proto::v1;
use scheduler::webhook::Targets;
use scheduler::{Secret, webhook};
use std::sync::Arc;
use std::time::Duration;
use store::SystemClock;
use store::memory::MemoryStore;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;

/// One request: the signature and the body.
async fn receive(stream: TcpStream, answer: &str) -> (String, Vec<u8>) {
    let mut stream = BufReader::new(stream);
    let (mut length, mut signature) = (0, String::new());
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                webhook::HEADER => signature = value.to_owned(),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
    (signature, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_phase_is_posted_signed_and_a_refused_one_again() {
    let secret = "webhook-secret";
    let farm = Farm::with(Arc::new(SystemClock), |config| {
        config.webhook_secret = Some(Secret::new(secret));
    })
    .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    farm.spawn_node("n1", Script::passing());
    let job = farm.submit_with(|request| request.webhook_url = url).await;

    let received = async {
        let (mut phases, mut ids) = (Vec::new(), Vec::new());
        while phases.len() < 3 {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = if ids.is_empty() {
                "503 Busy"
            } else {
                "204 Fine"
            };
            let (signature, body) = receive(stream, answer).await;
            assert!(
                webhook::verify(secret, &signature, &body).is_some(),
                "{signature}"
            );
            let notice: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(notice["job"]["id"], job);
            assert_eq!(notice["event"], "job.phase");
            if !ids.is_empty() {
                phases.push(notice["job"]["phase"].as_str().unwrap().to_owned());
            }
            ids.push(notice["id"].as_str().unwrap().to_owned());
        }
        (phases, ids)
    };
    let (mut phases, ids) = tokio::time::timeout(PATIENCE, received).await.unwrap();
    phases.sort();
    assert_eq!(phases, ["packaging", "processing", "published"]);
    assert!(
        ids[1..].contains(&ids[0]),
        "a refused notice comes again under its id: {ids:?}"
    );
}

/// The phase in the next notice that comes.
async fn next_phase(listener: &TcpListener) -> String {
    let next = async {
        let (stream, _) = listener.accept().await.unwrap();
        let (_, body) = receive(stream, "204 Fine").await;
        let notice: serde_json::Value = serde_json::from_slice(&body).unwrap();
        notice["job"]["phase"].as_str().unwrap().to_owned()
    };
    tokio::time::timeout(PATIENCE, next)
        .await
        .expect("a notice")
}

async fn cancelled(farm: &Farm, webhook_url: &str) -> String {
    let id = farm
        .submit_with(|request| request.webhook_url = webhook_url.to_owned())
        .await;
    let request = v1::CancelJobRequest { id: id.clone() };
    farm.client().cancel_job(request).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_survives_the_scheduler_that_could_not_deliver_it() {
    let first = Farm::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    cancelled(&first, &url).await;
    let (stream, _) = listener.accept().await.unwrap();
    receive(stream, "503 Busy").await;
    let store = first.config.store.clone();
    eventually("the receiver is put off", || async {
        // A receiver that waits for its next try is held by nobody.
        let waiting = store.deliver(Duration::ZERO).await.unwrap();
        waiting.filter(|delivery| delivery.failures > 0)
    })
    .await;
    let storage = first.stop().await;

    let _second = Farm::on(storage, Arc::new(SystemClock), |config| {
        config.store = store;
    })
    .await;
    assert_eq!(next_phase(&listener).await, "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_a_job_go_on_rising_after_the_store_was_lost() {
    let farm = Farm::start().await;
    let job = farm.submit().await;
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    let probe = node.take().await.unwrap();
    node.finish(&probe).await;
    let version = |detail: v1::JobDetail| detail.job.unwrap().version;
    let mut last = version(farm.reaches(&job, "processing").await);
    let mut epoch = scheduler::current_epoch(&farm.storage).await.unwrap();
    let mut storage = farm.stop().await;
    for _ in 0..2 {
        // Nobody says that the store was lost: it has the epoch of the lost one.
        let store = MemoryStore::with_epoch(Arc::new(SystemClock), epoch);
        let farm = Farm::on(storage, Arc::new(SystemClock), |config| {
            config.store = Arc::new(store);
        })
        .await;
        let now = version(farm.reaches(&job, "processing").await);
        assert!(now > last, "{now} after {last}");
        last = now;
        epoch = scheduler::current_epoch(&farm.storage).await.unwrap();
        storage = farm.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_holds_up_nobody_else() {
    let farm = Farm::start().await;
    // Connections are taken and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://{}/hook", silent.local_addr().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    for _ in 0..40 {
        cancelled(&farm, &dead).await;
    }
    cancelled(&farm, &url).await;
    let soon = tokio::time::timeout(Duration::from_secs(5), next_phase(&listener));
    assert_eq!(soon.await.expect("soon"), "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_inside_the_network_is_neither_accepted_nor_resolved_to() {
    let farm = Farm::with(Arc::new(SystemClock), |config| {
        config.webhook_targets = Targets::default();
    })
    .await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let request = v1::SubmitJobRequest {
        webhook_url: format!("http://127.0.0.1:{port}/hook"),
        ..farm.request()
    };
    let refused = farm.client().submit_job(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("webhook_url"), "{refused:?}");

    cancelled(&farm, &format!("http://localhost:{port}/hook")).await;
    let store = farm.config.store.clone();
    eventually("a try that failed", || async {
        let waiting = store.deliver(Duration::ZERO).await.unwrap();
        waiting.filter(|delivery| delivery.failures > 0)
    })
    .await;
    let connected = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(connected.is_err(), "the farm asked inside its own network");
}
