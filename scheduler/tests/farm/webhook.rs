//! Webhooks, as a receiver sees them.

use crate::harness::{Farm, PATIENCE};
use crate::node::Script;
use scheduler::{Secret, webhook};
use std::sync::Arc;
use store::SystemClock;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

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
