//! A farm on S3: a server that speaks its protocol is held to the contract of storage, and a whole
//! job on it, with its source in a bucket too, publishes the bytes that a local run publishes.

#[cfg(test)]
#[path = "../../storage/tests/contract/suite.rs"]
mod suite;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use storage::{Source, SourceRoots, Storage};
use tests::{Clip, Magpie, Place, Process, at, free_address, hashes, require, wait_until};

/// A cold Python imports for some seconds.
const START_BOUND: Duration = Duration::from_secs(60);

/// Debug builds on two busy cores encode a few frames a second.
const BOUND: Duration = Duration::from_secs(600);

const BUCKET: &str = "farm";

const PROFILE: &str = "\
name = \"small\"
base = \"web\"
segment_seconds = 2.0
keyframe_seconds = 2.0
[video]
rungs = [{ short_edge = 144, crf_centi = 2600, maxrate_bps = 300_000 }]
[video.presets]
x264 = \"veryfast\"
[qc]
freeze = { action = \"pass\", seconds = 5.0 }
";

/// An S3 server with one bucket, which keeps everything in memory and trusts everybody.
struct Server {
    _process: Process,
    address: SocketAddr,
}

impl Server {
    fn start(program: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(program);
        let port = address.port().to_string();
        command.args(["-H", "127.0.0.1", "-p", &port]);
        let process = Process::start("moto_server", command)?;
        let server = Self {
            _process: process,
            address,
        };
        wait_until("moto_server", START_BOUND, || Ok(server.make_bucket().ok()))?;
        Ok(server)
    }

    fn make_bucket(&self) -> Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let host = self.address;
        write!(
            stream,
            "PUT /{BUCKET} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.contains(" 200 "), "{answer}");
        Ok(())
    }

    /// What a process is told about the server.
    fn settings(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ]
    }

    fn storage(&self, prefix: &str) -> Result<Storage> {
        let settings = self.settings();
        let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
        let url = format!("s3://{BUCKET}/{prefix}");
        Ok(Storage::open_with(&url, &settings)?)
    }

    /// A call of `magpie` that finds the server.
    fn magpie(&self, arguments: &[&str]) -> Result<Magpie> {
        let call = Magpie::new(arguments)?;
        Ok(self
            .settings()
            .into_iter()
            .fold(call, |call, (name, value)| call.env(name, value)))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_keeps_the_contract_of_storage() -> Result<()> {
    let Some(program) = require("moto_server") else {
        return Ok(());
    };
    let server = Server::start(&program)?;
    suite::run(&server.storage("some/prefix")?).await;
    // A prefix is a folder of its own, and no bucket is no empty storage.
    let beside = server.storage("some/prefix2")?;
    ensure!(beside.list("").await?.is_empty());
    ensure!(server.storage("")?.names("").await? == ["some"]);
    let settings = server.settings();
    let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
    let nowhere = Storage::open_with("s3://nowhere", &settings)?;
    for error in [
        nowhere.get("a").await.err(),
        nowhere.put("a", Vec::new().into()).await.err(),
        nowhere.list("").await.err(),
    ] {
        let error = error.context("there is no such bucket")?.to_string();
        ensure!(error.contains("no such bucket"), "{error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_in_a_bucket_stays_the_one_that_was_opened() -> Result<()> {
    let Some(program) = require("moto_server") else {
        return Ok(());
    };
    let server = Server::start(&program)?;
    let settings = server.settings();
    let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
    let roots = SourceRoots::new(["s3://farm/sources"])?;
    let url = "s3://farm/sources/a%20clip.mp4";
    let bucket = server.storage("sources")?;
    bucket
        .put("a clip.mp4", b"0123456789".to_vec().into())
        .await?;
    let source = Source::open_with(url, &roots, &settings).await?;
    ensure!(source.size_bytes() == 10);
    ensure!(source.read(8..20).await?.as_ref() == b"89");
    ensure!(source.sha256().await? == hex::encode(Sha256::digest("0123456789")));
    bucket
        .put("a clip.mp4", b"9876543210".to_vec().into())
        .await?;
    let changed = source.read(0..4).await.expect_err("it is another one");
    let other = Source::open_with(url, &roots, &settings).await?;
    ensure!(other.identity() != source.identity());
    let nothing = "s3://farm/sources/nothing.mp4";
    let absent = Source::open_with(nothing, &roots, &settings).await;
    let absent = absent.err().context("there is no such object")?;
    for (error, url) in [(changed, url), (absent, nothing)] {
        ensure!(error.kind() == model::FailureKind::BadInput, "{error}");
        ensure!(error.to_string().starts_with(url), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_away_is_told_from_an_absent_object() -> Result<()> {
    let url = format!("http://{}", free_address()?);
    let settings = [("AWS_ENDPOINT_URL", &*url), ("AWS_ALLOW_HTTP", "true")];
    let keys = [("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let storage = Storage::open_with("s3://bucket/a", &[settings, keys].concat())?;
    let error = storage.find_json::<u64>("a").await.unwrap_err();
    ensure!(matches!(error, storage::Error::Failed { .. }), "{error}");
    ensure!(error.to_string().contains("refused"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_on_s3_publishes_the_bytes_of_a_local_run() -> Result<()> {
    let (Some(ffmpeg), Some(program), Some(_)) = (
        require("ffmpeg"),
        require("moto_server"),
        require("redis-server"),
    ) else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = Clip::seconds(5).size(256, 144).make(&ffmpeg)?;
    let profile = place.join("small.toml");
    std::fs::write(&profile, PROFILE)?;
    let profile = profile.to_string_lossy().into_owned();
    let local = local_run(&place, &clip, &profile)?;

    let server = Server::start(&program)?;
    let sources = server.storage("sources")?;
    sources
        .put("the clip.mp4", std::fs::read(&clip)?.into())
        .await?;
    let remote = tokio::task::spawn_blocking(move || job_on_s3(&place, &profile, server));
    let server = remote.await??;

    let storage = server.storage("titles of/farm")?;
    let mut published = BTreeMap::new();
    let folder = "titles/clip/v1";
    for object in storage.list(folder).await? {
        let name = object
            .path
            .strip_prefix(folder)
            .context("below the folder")?;
        let hash = hex::encode(Sha256::digest(storage.get(&object.path).await?));
        published.insert(name.trim_start_matches('/').to_owned(), hash);
    }
    // Names the job that filled the folder.
    published.remove("version.json");
    assert_eq!(published, local);
    Ok(())
}

fn local_run(place: &Place, clip: &Path, profile: &str) -> Result<BTreeMap<String, String>> {
    let out = place.join("local");
    let (clip, folder) = (clip.to_string_lossy(), out.to_string_lossy());
    let arguments = [
        "run",
        &*clip,
        "--profile",
        profile,
        "--title",
        "clip",
        "--out",
        &*folder,
        "--json",
    ];
    let finished = Magpie::new(arguments)?.finish(BOUND)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    let mut files = hashes(&out.join("titles/clip/v1"))?;
    files.remove("version.json");
    ensure!(files.len() > 5, "only {files:?} were published");
    Ok(files)
}

/// A scheduler and a node that have nothing in common but the server.
fn job_on_s3(place: &Place, profile: &str, server: Server) -> Result<Server> {
    let redis = place.join("redis").to_string_lossy().into_owned();
    let storage = format!("s3://{BUCKET}/titles%20of/farm");
    let root = format!("s3://{BUCKET}/sources");
    let mut scheduler = server
        .magpie(&[
            "scheduler",
            "--storage",
            &storage,
            "--redis-folder",
            &redis,
            "--source-root",
            &root,
            "--listen",
            "127.0.0.1:0",
            "--dashboard",
            "127.0.0.1:0",
        ])?
        .start()?;
    let line = scheduler.wait_for_line("api at http://", START_BOUND)?;
    let mut words = line.split_whitespace();
    let url = words.find(|word| word.starts_with("http://"));
    let url = url.context("the scheduler names its address")?;
    let node = ["node", "--scheduler", url, "--source-root", &root];
    let mut node = server.magpie(&node)?.start()?;
    node.wait_for_line("takes work", START_BOUND)?;

    let source = format!("{root}/the%20clip.mp4");
    let arguments = [
        "submit",
        &source,
        "--profile",
        profile,
        "--title",
        "clip",
        "--json",
    ];
    let call = |arguments: &[&str]| -> Result<tests::Finished> {
        // Whoever submits needs no keys of the storage.
        Magpie::new(arguments)?
            .env("MAGPIE_SCHEDULER", url)
            .finish(BOUND)
    };
    let outside = format!("s3://{BUCKET}/sources2/clip.mp4");
    let refused = call(&["submit", &outside, "--profile", profile])?;
    ensure!(refused.code != Some(0), "{refused:?}");
    let submitted = call(&arguments)?;
    ensure!(submitted.code == Some(0), "{submitted:?}");
    let submitted = submitted.json()?;
    let job = at(&submitted, "/id")?.as_str().context("a job has an id")?;
    let watched = call(&["watch", job, "--json"])?;
    ensure!(watched.code == Some(0), "{watched:?} {}", node.stderr());
    Ok(server)
}
