//! Against a double of the metadata services that answers as their documentation says.

use super::{Cloud, SpotNotice};
use crate::Shutdown;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What is answered to a request that begins with this line and has this header.
type Known = (&'static str, &'static str, &'static str, String);

const TOKEN: &str = "PUT /latest/api/token ";
const TOKEN_TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds: 60";
const ACTION: &str = "GET /latest/meta-data/spot/instance-action ";
const WITH_TOKEN: &str = "x-aws-ec2-metadata-token: secret";
const EVENTS: &str = "GET /metadata/scheduledevents?api-version=2020-07-01 ";
const NAME: &str = "GET /metadata/instance/compute/name?api-version=2021-02-01&format=text ";

struct Double {
    url: String,
    known: Arc<Mutex<Vec<Known>>>,
}

impl Double {
    async fn start(known: Vec<Known>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let known = Arc::new(Mutex::new(known));
        let answers = Arc::clone(&known);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                let request = String::from_utf8(request).unwrap();
                let answer = answer(&answers.lock().unwrap(), &request);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, known }
    }

    fn notice(&self, cloud: Cloud) -> SpotNotice {
        SpotNotice::of(cloud, Some(&self.url)).unwrap()
    }
}

fn answer(known: &[Known], request: &str) -> String {
    let found = known.iter().find(|(line, ..)| request.starts_with(line));
    let (status, body) = match found {
        None => ("404 Not Found", ""),
        Some((_, header, ..)) if !request.to_lowercase().contains(&header.to_lowercase()) => {
            ("401 Unauthorized", "")
        }
        Some((.., status, body)) => (*status, body.as_str()),
    };
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn token() -> Known {
    (TOKEN, TOKEN_TTL, "200 OK", "secret".to_owned())
}

fn action(left: Duration) -> Known {
    let time = humantime::format_rfc3339_seconds(SystemTime::now() + left);
    let body = format!(r#"{{"action": "terminate", "time": "{time}"}}"#);
    (ACTION, WITH_TOKEN, "200 OK", body)
}

fn event(kind: &str, machine: &str) -> Known {
    let body = format!(
        r#"{{"DocumentIncarnation": 2, "Events": [{{"EventId": "1", "EventStatus": "Scheduled",
            "EventType": "{kind}", "ResourceType": "VirtualMachine", "Resources": ["{machine}"],
            "NotBefore": "Mon, 23 Nov 2026 18:29:47 GMT", "EventSource": "Platform"}}]}}"#
    );
    (EVENTS, "metadata: true", "200 OK", body)
}

#[tokio::test]
async fn ec2_says_when_a_spot_instance_ends() {
    let double = Double::start(vec![token()]).await;
    let notice = double.notice(Cloud::Aws);
    assert_eq!(notice.notice().await, Ok(None));
    double
        .known
        .lock()
        .unwrap()
        .push(action(Duration::from_secs(120)));
    let left = notice.notice().await.unwrap().unwrap();
    assert!((118..=120).contains(&left.as_secs()), "{left:?}");
    double.known.lock().unwrap()[1].3 = r#"{"action": "hibernate"}"#.to_owned();
    let reason = notice.notice().await.unwrap_err();
    assert!(reason.contains("missing field `time`"), "{reason}");
}

#[tokio::test]
async fn azure_preempts_the_machine_that_is_named() {
    let name = (NAME, "metadata: true", "200 OK", "farm_7".to_owned());
    for (kind, machine, left) in [
        ("Preempt", "FARM_7", Some(30)),
        ("Preempt", "farm_8", None),
        ("Reboot", "farm_7", None),
    ] {
        let double = Double::start(vec![event(kind, machine), name.clone()]).await;
        let answer = double.notice(Cloud::Azure).notice().await;
        let expected = left.map(Duration::from_secs);
        assert_eq!(answer, Ok(expected), "{kind} {machine}");
    }
}

#[tokio::test]
async fn compute_engine_says_that_it_preempts() {
    let line = "GET /computeMetadata/v1/instance/preempted ";
    for (said, left) in [("FALSE", None), ("TRUE\n", Some(30))] {
        let known = (line, "metadata-flavor: google", "200 OK", said.to_owned());
        let double = Double::start(vec![known]).await;
        let answer = double.notice(Cloud::Gcp).notice().await;
        assert_eq!(answer, Ok(left.map(Duration::from_secs)), "{said}");
    }
}

#[tokio::test]
async fn a_service_that_refuses_or_is_not_there_gives_no_notice() {
    let refusing = (TOKEN, "no such header", "200 OK", String::new());
    let double = Double::start(vec![refusing]).await;
    let mut notice = double.notice(Cloud::Aws);
    assert_eq!(notice.ask().await, None);
    let reason = notice.notice().await.unwrap_err();
    assert_eq!(reason, "it answers 401 Unauthorized");
    let nobody = SpotNotice::of(Cloud::Gcp, Some("http://127.0.0.1:1/")).unwrap();
    assert!(nobody.notice().await.is_err());
}

#[tokio::test]
async fn an_agent_drains_at_the_notice_and_is_killed_before_the_end() {
    // Killed ten seconds before the end.
    let double = Double::start(vec![token(), action(Duration::from_secs(12))]).await;
    let shutdown = Shutdown::default();
    double.notice(Cloud::Aws).heed(shutdown.clone()).await;
    assert!(shutdown.drain.is_cancelled(), "before it takes work");
    assert!(!shutdown.kill.is_cancelled(), "there is time");
    let killed = tokio::time::timeout(Duration::from_secs(5), shutdown.kill.cancelled());
    assert!(killed.await.is_ok());
}
