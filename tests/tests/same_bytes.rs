//! The first idea of the farm, held to: the bytes of a title are a function of its source, its profile
//! and the build. One slot or four, one process or a farm, calm or with nodes that die: every
//! segment, playlist and picture is the same.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tests::{
    Clip, Farm, Magpie, Place, Redis, at, hashes, lines_of_json, require, skip, wait_until,
};

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

/// What dies in a storm.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Node,
    Scheduler,
    Redis,
    SchedulerAndRedis,
}

/// Every kind of death once, then again; a seed decides about the order.
const VICTIMS: [Victim; 6] = [
    Victim::Node,
    Victim::Scheduler,
    Victim::Node,
    Victim::Redis,
    Victim::Node,
    Victim::SchedulerAndRedis,
];

/// Numbers that look random and can be had again (Marsaglia, xorshift64).
struct Dice(u64);

impl Dice {
    /// From `MAGPIE_CHAOS_SEED`, or another one each time; printed, to go through a failure again.
    fn new() -> Result<Self> {
        let seed = match std::env::var("MAGPIE_CHAOS_SEED") {
            Ok(seed) => seed.parse().context("MAGPIE_CHAOS_SEED is a number")?,
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis(),
        };
        writeln!(std::io::stderr(), "MAGPIE_CHAOS_SEED={seed}")?;
        // Its state may not be zero.
        Ok(Self((seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }
}

/// A farm that loses parts of itself.
struct Storm {
    farm: Farm,
    redis: Redis,
    dice: Dice,
    deaths: Vec<Victim>,
}

impl Storm {
    /// Units of a job that are done; none while the farm cannot say.
    fn units_done(&self, job: &str) -> Result<Option<(u64, bool)>> {
        let listed = self.farm.call(&["jobs", "--json"])?.finish(BOUND)?;
        if listed.code != Some(0) {
            return Ok(None);
        }
        let jobs = lines_of_json(&listed.stdout)?;
        let found = jobs.iter().find(|one| one["id"] == job);
        let found = found.with_context(|| format!("{job} is lost: {listed:?}"))?;
        let done = at(found, "/units_done")?.as_u64().unwrap_or_default();
        let phase = at(found, "/phase")?.as_str().unwrap_or_default();
        ensure!(phase != "failed" && phase != "rejected", "{found}");
        Ok(Some((done, phase == "published")))
    }

    /// Kills something whenever some more units are done, until the title is published.
    fn rage(&mut self, job: &str) -> Result<()> {
        let mut done = 0;
        let mut left = Vec::new();
        loop {
            let least = done + 1 + self.dice.below(2) as u64;
            let (now, is_over) = wait_until("more units", BOUND, || {
                let seen = self.units_done(job)?;
                Ok(seen.filter(|&(now, is_over)| is_over || now >= least))
            })?;
            if is_over {
                return Ok(());
            }
            done = now;
            if left.is_empty() {
                left = VICTIMS.to_vec();
            }
            let victim = left.swap_remove(self.dice.below(left.len()));
            writeln!(std::io::stderr(), "{victim:?} dies after {done} units")?;
            self.kill(victim).with_context(|| format!("{victim:?}"))?;
            self.deaths.push(victim);
        }
    }

    fn kill(&mut self, victim: Victim) -> Result<()> {
        match victim {
            Victim::Node => {
                let index = self.dice.below(self.farm.nodes());
                self.farm.kill_node(index)?;
                self.farm.add_node(&["--slots", "1"])?;
            }
            Victim::Scheduler => self.farm.replace_scheduler()?,
            Victim::Redis => {
                self.redis.kill()?;
                self.redis.restart()?;
            }
            Victim::SchedulerAndRedis => {
                self.redis.kill()?;
                self.farm.scheduler().kill()?;
                self.redis.restart()?;
                self.farm.start_scheduler()?;
            }
        }
        Ok(())
    }
}

/// How often each unit of a job was committed, by task and unit: what Redis wrote down. A commit of a unit
/// that is done already writes nothing.
fn commits(redis: &Redis, job: &str) -> Result<BTreeMap<(String, String), u32>> {
    let mut found = BTreeMap::new();
    for words in redis.written()? {
        let [command, key, unit, ..] = &words[..] else {
            continue;
        };
        let task = key.split_once(":units:").map(|(_, task)| task);
        if let Some(task) = task.filter(|task| command == "HSET" && task.starts_with(job)) {
            *found.entry((task.to_owned(), unit.clone())).or_insert(0) += 1;
        }
    }
    Ok(found)
}

#[test]
fn a_farm_in_a_storm_publishes_the_same_bytes_and_commits_each_unit_once() -> Result<()> {
    let (Some(ffmpeg), Some(program)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = clip(&ffmpeg)?;
    let calm = run(&place, &clip, "calm", &["--slots", "2"])?;

    let redis = Redis::start(&program, &place)?;
    let mut farm = Farm::start_with(&place, &redis)?;
    for _ in 0..3 {
        farm.add_node(&["--slots", "1"])?;
    }
    let source = farm.source(&clip)?.to_string_lossy().into_owned();
    let profile = profile(&place)?;
    let arguments = [
        "submit",
        &*source,
        "--profile",
        &profile,
        "--title",
        "clip",
        "--json",
    ];
    let submitted = farm.call(&arguments)?.finish(BOUND)?;
    ensure!(submitted.code == Some(0), "{submitted:?}");
    let submitted = submitted.json()?;
    let job = at(&submitted, "/id")?.as_str().context("a job has an id")?;

    let mut storm = Storm {
        farm,
        redis,
        dice: Dice::new()?,
        deaths: Vec::new(),
    };
    storm.rage(job)?;
    ensure!(storm.deaths.len() >= 3, "only {:?} died", storm.deaths);
    assert_eq!(calm, published(storm.farm.storage())?);
    let dead = storm.farm.call(&["dlq", "list", "--json"])?.finish(BOUND)?;
    ensure!(dead.code == Some(0) && dead.stdout.is_empty(), "{dead:?}");

    let commits = commits(&storm.redis, job)?;
    let twice: Vec<_> = commits.iter().filter(|(_, count)| **count != 1).collect();
    ensure!(twice.is_empty(), "committed more than once: {twice:?}");
    let (units, _) = storm.units_done(job)?.context("a farm that answers")?;
    ensure!(commits.len() as u64 == units, "{units} units: {commits:?}");
    let segments = commits.keys().filter(|(task, _)| task.contains("/video-"));
    ensure!(segments.count() == 12, "{commits:?}");
    Ok(())
}
