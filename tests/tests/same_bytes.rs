//! The first idea of the farm, held to: the bytes of a title are a function of its source, its profile
//! and the build. One slot or four, one process or a farm, calm or with nodes that die: every
//! segment, playlist and picture is the same.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tests::{Clip, Farm, Magpie, Place, at, hashes, require, skip, wait_until};

/// Debug builds on two busy cores encode a few frames a second.
const BOUND: Duration = Duration::from_secs(600);

/// Segments of one second make many units of a short clip, so that there is something to steal.
const PROFILE: &str = "\
name = \"many-segments\"
base = \"web\"
segment_seconds = 1.0
keyframe_seconds = 1.0
[video]
rungs = [
    { short_edge = 144, crf_centi = 2600, maxrate_bps = 300_000 },
    { short_edge = 240, crf_centi = 2600, maxrate_bps = 600_000 },
]
[video.presets]
x264 = \"veryfast\"
[qc]
freeze = { action = \"pass\", seconds = 5.0 }
";

fn clip(ffmpeg: &Path) -> Result<std::path::PathBuf> {
    // Open GOPs and B-frames: chunks start at pictures that need their neighbours.
    Clip::seconds(12)
        .size(426, 240)
        .frame_rate("30000/1001")
        .options(&[
            "-x264-params",
            "open-gop=1:keyint=40:bframes=3",
            "-c:a",
            "aac",
        ])
        .make(ffmpeg)
}

fn profile(place: &Place) -> Result<String> {
    let path = place.join("many-segments.toml");
    std::fs::write(&path, PROFILE)?;
    Ok(path.to_string_lossy().into_owned())
}

/// A run of a clip into a folder of the place.
fn call(place: &Place, clip: &Path, name: &str, options: &[&str]) -> Result<Magpie> {
    let out = place.join(name);
    let profile = profile(place)?;
    let (clip, folder) = (clip.to_string_lossy(), out.to_string_lossy());
    let mut arguments = vec!["run", &*clip, "--profile", &profile, "--title", "clip"];
    arguments.extend(["--out", &folder, "--json"]);
    arguments.extend(options);
    Magpie::new(arguments)
}

/// What a run publishes with these options.
fn run(
    place: &Place,
    clip: &Path,
    name: &str,
    options: &[&str],
) -> Result<BTreeMap<String, String>> {
    let finished = call(place, clip, name, options)?.finish(BOUND)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    published(&place.join(name))
}

fn published(storage: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = hashes(&storage.join("titles/clip/v1"))?;
    // Names the job that filled the folder.
    files.remove("version.json");
    ensure!(
        files.len() > 20,
        "only {} files were published",
        files.len()
    );
    Ok(files)
}

#[test]
fn slots_do_not_change_a_byte() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = clip(&ffmpeg)?;
    let one = run(&place, &clip, "one", &["--slots", "1"])?;
    let four = run(&place, &clip, "four", &["--slots", "4"])?;
    assert_eq!(one, four);
    let masked = run(
        &place,
        &clip,
        "masked",
        &["--slots", "2", "--cpu-level", "sse4.2"],
    )?;
    assert_eq!(one, masked, "a processor without AVX2 makes other bytes");
    Ok(())
}

#[test]
fn the_number_of_cores_does_not_change_a_byte() -> Result<()> {
    let (Some(ffmpeg), Some(taskset)) = (require("ffmpeg"), require("taskset")) else {
        return Ok(());
    };
    if std::thread::available_parallelism()?.get() == 1 {
        skip("this machine has one core");
        return Ok(());
    }
    let place = Place::new()?;
    let clip = clip(&ffmpeg)?;
    let one = ["-c", &first_core()?];
    let host = Magpie::new(["doctor", "--json"])?
        .behind(&taskset, &one)
        .finish(BOUND)?;
    ensure!(host.stdout.contains(" 1 core"), "{host:?}");
    // Without `--slots` the number of cores decides how many there are.
    let all_cores = run(&place, &clip, "all-cores", &[])?;
    let bound = call(&place, &clip, "one-core", &[])?.behind(&taskset, &one);
    let finished = bound.finish(BOUND)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    assert_eq!(all_cores, published(&place.join("one-core"))?);
    Ok(())
}

/// A core that this process may use (`proc(5)`).
fn first_core() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let list = list.context("the kernel says which cores may be used")?;
    let first = list.trim().split([',', '-']).next().unwrap_or_default();
    Ok(first.to_owned())
}

#[test]
fn a_farm_whose_nodes_die_publishes_the_same_bytes() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = clip(&ffmpeg)?;
    let calm = run(&place, &clip, "calm", &["--slots", "2"])?;

    let mut farm = Farm::start(&place)?;
    for _ in 0..3 {
        farm.add_node(&["--slots", "1"])?;
    }
    let source = farm.source(&clip)?.to_string_lossy().into_owned();
    let profile = profile(&place)?;
    let arguments = [
        "submit",
        &source,
        "--profile",
        &profile,
        "--title",
        "clip",
        "--json",
    ];
    let submitted = farm.call(&arguments)?.finish(BOUND)?;
    ensure!(submitted.code == Some(0), "{submitted:?}");
    let job = at(&submitted.json()?, "/id")?
        .as_str()
        .unwrap_or_default()
        .to_owned();

    // Each time a few more units are done a node dies with all it holds, and another one comes. The
    // first of them dies before the title is finished, or nothing was tried.
    for done_before in [2, 6, 10] {
        wait_until("more units", BOUND, || {
            let shown = farm.call(&["jobs", &job, "--json"])?.finish(BOUND)?;
            let phase = at(&shown.json()?, "/phase")?
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let listed = farm.call(&["jobs", "--json"])?.finish(BOUND)?;
            let done = at(&listed.json()?, "/units_done")?.as_u64().unwrap_or(0);
            ensure!(
                done_before > 2 || phase != "published",
                "published before a node died"
            );
            Ok((done >= done_before || phase == "published").then_some(()))
        })?;
        farm.kill_oldest_node()?;
        farm.add_node(&["--slots", "2"])?;
    }
    let watched = farm.call(&["watch", &job, "--json"])?.finish(BOUND)?;
    ensure!(watched.code == Some(0), "{watched:?}");
    assert_eq!(calm, published(farm.storage())?);
    Ok(())
}
