//! Measures how many units a Redis of its own can hand out, claim and commit, and whether a long
//! queue slows that down. A sanity check on the host at hand: nothing is pinned,
//! client and server share the cores.
//!
//! `cargo bench -p store --bench throughput`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it reports to a person or stops"
)]

use futures::future::join_all;
use model::job::{NewJob, Urgency};
use model::task::{Claim, NewTask, TaskKind, UnitRecord};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use store::redis::RedisStore;
use store::{Steal, Store, Want};

const CHUNKS_PER_JOB: u32 = 1_000;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("redis.sock");
    let server = Command::new("redis-server")
        .args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--unixsocket",
        ])
        .arg(&socket)
        .arg("--dir")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn();
    let _server = Server(server.expect("redis-server is installed"));
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let url = format!("redis+unix://{}", socket.display());
    let store = RedisStore::open(&url, "throughput", 1).await.unwrap();

    look(&store, 16, 32_000).await;
    submit(&store, 0..10).await;
    measure(&store, "10,000 chunks queued", 1, 2_000).await;
    measure(&store, "10,000 chunks queued", 16, 4_000).await;
    let start = Instant::now();
    submit(&store, 10..104).await;
    println!(
        "submitting 94 jobs of 1,000 chunks: {:.1?}",
        start.elapsed()
    );
    measure(&store, "100,000 chunks queued", 1, 2_000).await;
    measure(&store, "100,000 chunks queued", 16, 4_000).await;
    let start = Instant::now();
    let depth = store.depth().await.unwrap();
    println!(
        "depth of {} chunks: {:.1?}",
        depth.chunks_queued,
        start.elapsed()
    );
    let job = "job-0".parse().unwrap();
    let start = Instant::now();
    let tasks = store.tasks(&job).await.unwrap();
    println!(
        "tasks of a job with {} units: {:.1?}",
        tasks[0].units,
        start.elapsed()
    );
}

async fn submit(store: &RedisStore, jobs: std::ops::Range<u32>) {
    for number in jobs {
        let job = NewJob {
            id: format!("job-{number}").parse().unwrap(),
            tenant: "acme".parse().unwrap(),
            title: "film".parse().unwrap(),
            profile: "standard".to_owned(),
            source_url: "file:///film.mkv".to_owned(),
            urgency: Urgency::of(50),
            held_max: None,
            traceparent: String::new(),
        };
        let task = NewTask {
            id: format!("job-{number}/video-v").parse().unwrap(),
            kind: TaskKind::Encode {
                group: "v".to_owned(),
            },
            after: Vec::new(),
            units: CHUNKS_PER_JOB,
            chunks: (0..CHUNKS_PER_JOB).map(|unit| unit..unit + 1).collect(),
            unit_seconds: 4.0,
            cost_class: "x264".to_owned(),
            builds: "builds".to_owned(),
            slot_bytes: 1 << 30,
        };
        store.submit(&job, &[task]).await.unwrap();
    }
}

/// Asks for work that is not there, as idle nodes do, by `callers` at a time over one connection.
async fn look(store: &RedisStore, callers: u32, looks: u32) {
    let start = Instant::now();
    let work = (0..callers).map(|caller| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..looks / callers {
                assert_eq!(store.take(&want(caller)).await.unwrap(), None);
            }
        })
    });
    join_all(work)
        .await
        .into_iter()
        .for_each(|done| done.unwrap());
    let rate = f64::from(looks) / start.elapsed().as_secs_f64();
    println!("nothing to take, {callers} at a time: {rate:.0} looks/s");
}

fn want(caller: u32) -> Want {
    Want {
        node: format!("n{caller}").parse().unwrap(),
        builds: "builds".to_owned(),
        ttl: Duration::from_secs(60),
        room_bytes: 1 << 34,
        at_hand: Vec::new(),
        steal: Steal::WhenIdle,
    }
}

/// Takes, claims and commits `units` units by `callers` at a time over one connection.
async fn measure(store: &RedisStore, what: &str, callers: u32, units: u32) {
    let start = Instant::now();
    let work = (0..callers).map(|caller| {
        let store = store.clone();
        tokio::spawn(async move { work(&store, caller, units / callers).await })
    });
    let slowest = join_all(work)
        .await
        .into_iter()
        .map(|took| took.unwrap())
        .max();
    let rate = f64::from(units) / start.elapsed().as_secs_f64();
    println!(
        "{what}, {callers} at a time: {rate:.0} units/s, {:.0} operations/s, slowest take {:.1?}",
        3.0 * rate,
        slowest.unwrap_or_default()
    );
}

async fn work(store: &RedisStore, caller: u32, units: u32) -> Duration {
    let want = want(caller);
    let mut slowest = Duration::ZERO;
    for _ in 0..units {
        let start = Instant::now();
        let grant = store.take(&want).await.unwrap().unwrap();
        slowest = slowest.max(start.elapsed());
        let Claim::Unit(unit) = store.claim(&grant.chunk, grant.token).await.unwrap() else {
            panic!("a fresh chunk has a unit");
        };
        let record = UnitRecord {
            digest: "0".repeat(64),
            config_digest: "1".repeat(64),
            frames: 96,
            node: want.node.clone(),
            elapsed_ms: 4_000,
            reused: false,
        };
        store
            .commit(&grant.chunk, grant.token, unit, &record)
            .await
            .unwrap();
    }
    slowest
}
