//! A packaged version that is changed before it is verified: each lie must be found, and the failure
//! must say in which file, on which line and about what.

use crate::fake_scheduler::FakeScheduler;
use crate::title::Place;
use crate::{Case, block_on};
use anyhow::{Context, Result, ensure};
use model::catalog::PackageManifest;
use model::task::TaskKind;
use model::{Failure, FailureKind};
use sha2::{Digest, Sha256};

pub(crate) const CASES: &[Case] = &[
    ("a_changed_byte_of_a_version_is_found", changed_byte),
    (
        "a_manifest_that_says_otherwise_than_its_segments_is_found",
        tampered_manifests,
    ),
    (
        "a_table_of_tracks_that_says_otherwise_is_found",
        tampered_table,
    ),
];

/// File, what is changed in it, into what, and the tag or element that the failure must name.
type Lie = (&'static str, &'static str, &'static str, &'static str);

const LIES: &[Lie] = &[
    (
        "video/h264-90p/media.m3u8",
        "#EXTINF:2.000000,",
        "#EXTINF:1.900000,",
        "EXTINF",
    ),
    (
        "audio/audio-0-aac2/media.m3u8",
        "#EXTINF:",
        "#EXTINF:1",
        "EXTINF",
    ),
    (
        "text/text-0/media.m3u8",
        "#EXTINF:2.",
        "#EXTINF:3.",
        "EXTINF",
    ),
    (
        "video/h264-180p/iframes.m3u8",
        "#EXT-X-BYTERANGE:",
        "#EXT-X-BYTERANGE:1",
        "EXT-X-BYTERANGE",
    ),
    (
        "index.m3u8",
        ":BANDWIDTH=",
        ":BANDWIDTH=1",
        "EXT-X-STREAM-INF",
    ),
    (
        "index.m3u8",
        "AVERAGE-BANDWIDTH=",
        "AVERAGE-BANDWIDTH=1",
        "EXT-X-STREAM-INF",
    ),
    (
        "index.m3u8",
        "CODECS=\"avc1.",
        "CODECS=\"avc1.00",
        "EXT-X-STREAM-INF",
    ),
    (
        "index.m3u8",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=1",
        "EXT-X-MEDIA",
    ),
    ("manifest.mpd", "<S t=\"0\" d=\"", "<S t=\"0\" d=\"1", "S"),
    ("manifest.mpd", " r=\"1\"", " r=\"2\"", "S"),
    (
        "manifest.mpd",
        "bandwidth=\"",
        "bandwidth=\"1",
        "Representation",
    ),
    (
        "manifest.mpd",
        "codecs=\"mp4a.40.2",
        "codecs=\"mp4a.40.5",
        "Representation",
    ),
    (
        "images/thumbnails.vtt",
        "#xywh=0,",
        "#xywh=8,",
        "name or text",
    ),
    ("text/text-0/00001.vtt", "Hello", "Hallo", "name or text"),
];

async fn verdict(place: &Place) -> Result<Failure> {
    let scheduler = FakeScheduler::default();
    let performed = place.perform(scheduler, TaskKind::Verify, 1).await?;
    performed.err().context("it was not found")
}

fn result_of_package(place: &Place) -> String {
    format!("jobs/{}/tasks/package.json", place.job)
}

/// Changes a file of the version and what is listed of it, as a worker or node that lies would.
async fn write(place: &Place, manifest: &PackageManifest, path: &str, text: &str) -> Result<()> {
    std::fs::write(place.file(manifest, path)?, text)?;
    let mut listed = manifest.clone();
    let mut files = listed.files.iter_mut();
    let file = files
        .find(|file| file.path == path)
        .context("it is listed")?;
    file.sha256 = hex::encode(Sha256::digest(text));
    file.size_bytes = text.len() as u64;
    let result = result_of_package(place);
    Ok(place.storage.put_json(&result, &listed).await?)
}

fn tampered_manifests() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        let manifest = place.package().await?;
        for (path, from, to, element) in LIES {
            let honest = std::fs::read_to_string(place.file(&manifest, path)?)?;
            let lying = honest.replacen(from, to, 1);
            ensure!(lying != honest, "{path} has no {from}:\n{honest}");
            write(&place, &manifest, path, &lying).await?;
            let failure = verdict(&place)
                .await
                .with_context(|| format!("{path}: {to}"))?;
            ensure!(failure.kind == FailureKind::Bug, "{failure}");
            ensure!(failure.place.ends_with(path), "{failure}");
            let line = 1 + honest
                .lines()
                .zip(lying.lines())
                .take_while(|(a, b)| a == b)
                .count();
            let named = format!("line {line} ({element})");
            ensure!(failure.message.contains(&named), "{named}: {failure}");
            write(&place, &manifest, path, &honest).await?;
        }
        place.done(TaskKind::Verify, 1).await?;
        Ok(())
    })
}

fn tampered_table() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        let manifest = place.package().await?;
        let mut lying = manifest.clone();
        lying.tracks[0].peak_bps += 1;
        let result = result_of_package(&place);
        place.storage.put_json(&result, &lying).await?;
        let failure = verdict(&place).await?;
        ensure!(failure.place.ends_with("list of tracks"), "{failure}");
        Ok(())
    })
}

fn changed_byte() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        let manifest = place.package().await?;
        let victim = place.file(&manifest, "video/h264-90p/00002.m4s")?;
        let mut bytes = std::fs::read(&victim)?;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&victim, bytes)?;
        let failure = verdict(&place).await?;
        ensure!(failure.kind == FailureKind::Bug, "{failure}");
        ensure!(
            failure.place.contains("video/h264-90p/00002.m4s"),
            "{failure}"
        );
        Ok(())
    })
}
