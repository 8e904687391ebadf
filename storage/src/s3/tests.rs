//! What becomes of the answers of a server that is full, busy or closed to us: each has its class,
//! and none makes storage ask again, because whoever calls owns the retry.

mod settings;

use crate::{Created, Error, Storage};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server that answers every request alike, and counts them.
struct Server {
    storage: Storage,
    requests: Arc<AtomicUsize>,
}

fn server(status: &'static str, code: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            answer(&stream.unwrap(), status, code);
        }
    });
    let settings = [
        ("AWS_ENDPOINT_URL", &*endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let storage = Storage::open_with("s3://bucket/prefix", &settings).unwrap();
    Server { storage, requests }
}

/// Reads one request to its end and answers it.
fn answer(mut stream: &TcpStream, status: &str, code: &str) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let body = format!("<Error><Code>{code}</Code></Error>");
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
}

impl Server {
    async fn put(&self) -> Result<(), Error> {
        self.storage.put("a/b", vec![1].into()).await
    }

    async fn create(&self) -> Result<Created, Error> {
        self.storage.put_if_absent("a/b", vec![1].into()).await
    }

    async fn get(&self) -> Result<Vec<u8>, Error> {
        self.storage.get("a/b").await.map(|bytes| bytes.to_vec())
    }

    /// How often it was asked since the last time.
    fn asked(&self) -> usize {
        self.requests.swap(0, Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_full_server_is_full() {
    let server = server("507 Insufficient Storage", "XMinioStorageFull");
    for error in [
        server.put().await.unwrap_err(),
        server.create().await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, Error::Full { path } if path == "a/b"),
            "{error}"
        );
    }
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn a_busy_server_is_asked_once() {
    for status in [
        "503 Slow Down",
        "500 Internal Server Error",
        "429 Too Many Requests",
    ] {
        let server = server(status, "SlowDown");
        let errors = [
            server.put().await.unwrap_err(),
            server.create().await.unwrap_err(),
            server.get().await.unwrap_err(),
        ];
        for error in errors {
            assert!(
                matches!(&error, Error::Failed { path, .. } if path == "a/b"),
                "{error}"
            );
        }
        assert_eq!(server.asked(), 3, "{status}");
    }
}

#[tokio::test]
async fn keys_that_are_refused_are_no_absent_object() {
    for status in ["403 Forbidden", "401 Unauthorized"] {
        let server = server(status, "AccessDenied");
        for error in [
            server.put().await.unwrap_err(),
            server.get().await.unwrap_err(),
        ] {
            assert!(matches!(error, Error::Denied { .. }), "{error}");
        }
        assert!(server.storage.find_json::<u64>("a/b").await.is_err());
        assert!(server.storage.exists("a/b").await.is_err());
    }
}

#[tokio::test]
async fn a_write_under_way_is_not_taken_for_an_object() {
    let undecided = server("409 Conflict", "ConditionalRequestConflict");
    let error = undecided.create().await.unwrap_err();
    assert!(matches!(error, Error::Raced { .. }), "{error}");
    let there = server("412 Precondition Failed", "PreconditionFailed");
    assert_eq!(there.create().await.unwrap(), Created::Existed);
}

#[tokio::test]
async fn an_absent_bucket_is_no_absent_object() {
    let server = server("404 Not Found", "NoSuchBucket");
    for error in [
        server.get().await.unwrap_err(),
        server.put().await.unwrap_err(),
        server.create().await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("no such bucket"), "{error}");
        assert!(!matches!(error, Error::NotFound { .. }), "{error}");
    }
}
