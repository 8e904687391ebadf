//! Magpie against ffmpeg on one file: the whole job against the script that a person would write for
//! the same output, and against the ladder alone. The peers get the rungs from Magpie's own plan, so that all
//! encode the same.

use crate::machine::Machine;
use crate::measure::{self, Measured};
use crate::quality;
use crate::report::{Report, Row};
use anyhow::Context;
use model::plan::Plan;
use model::rendition::{EncoderFamily, Rendition};
use std::path::{Path, PathBuf};
use std::process::Command;

const LADDER: &str = include_str!("../peers/ladder.sh");
const LADDER_AND_PACKAGE: &str = include_str!("../peers/ladder_and_package.sh");

/// One ffmpeg command for all rungs, as a person would write it.
const LADDER_USUAL: &str = "ffmpeg ladder alone";
/// The same with everything that Magpie tells x264.
const LADDER_SAME: &str = "ffmpeg ladder alone, same x264 settings";
/// Magpie on the pictures alone.
const WITHOUT_SOUND: &str = "magpie without sound";

/// With whom Magpie is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// All: the ladder alone in both forms, and the script for the whole output.
    All,
    /// One ffmpeg command with the same x264 settings, and Magpie on the pictures alone.
    SameLadder,
}

/// What is compared.
#[derive(Debug, Clone)]
pub struct Options {
    /// The magpie binary.
    pub magpie: PathBuf,
    /// The source.
    pub source: PathBuf,
    /// Who takes part.
    pub against: Against,
    /// Slots of `magpie run`; as many as it likes when `None`.
    pub slots: Option<u32>,
    /// Timed runs of each contestant, after one that shows its memory.
    pub runs: u32,
    /// The ffmpeg that measures quality; the peers are always the installed one.
    pub quality_ffmpeg: PathBuf,
    /// Where contestants may write; must be empty or absent.
    pub scratch: PathBuf,
}

/// Runs the comparison.
pub fn compare(options: &Options) -> anyhow::Result<Report> {
    std::fs::create_dir_all(&options.scratch)?;
    let scripts = Scripts::write(&options.scratch)?;
    let silent = without_sound(options)?;
    let mut first = match options.against {
        Against::All => Contestant::magpie("magpie", &options.source, options),
        Against::SameLadder => Contestant::magpie(WITHOUT_SOUND, &silent, options),
    };
    first.show_memory(options)?;
    let plan = find_plan(&first.out)?;
    let rungs = rungs(&plan)?;
    let ladder =
        |name, settings| Contestant::ladder(name, settings, options, &scripts, &plan, &rungs);
    let mut contestants = vec![first];
    match options.against {
        Against::All => contestants.extend([
            ladder(LADDER_USUAL, "usual"),
            ladder(LADDER_SAME, "same"),
            Contestant::script(options, &scripts, &plan, &rungs),
            Contestant::magpie(WITHOUT_SOUND, &silent, options),
        ]),
        Against::SameLadder => contestants.push(ladder(LADDER_SAME, "same")),
    }
    for contestant in &mut contestants[1..] {
        contestant.show_memory(options)?;
    }
    for _ in 0..options.runs {
        for contestant in &mut contestants {
            contestant.time(options)?;
        }
    }
    report(options, &plan, &rungs, contestants)
}

struct Scripts {
    ladder: PathBuf,
    whole: PathBuf,
}

impl Scripts {
    fn write(folder: &Path) -> anyhow::Result<Self> {
        let scripts = Self {
            ladder: folder.join("ladder.sh"),
            whole: folder.join("whole.sh"),
        };
        std::fs::write(&scripts.ladder, LADDER)?;
        std::fs::write(&scripts.whole, LADDER_AND_PACKAGE)?;
        Ok(scripts)
    }
}

struct Contestant {
    name: &'static str,
    program: PathBuf,
    args: Vec<String>,
    out: PathBuf,
    runs: Vec<Measured>,
    peak_memory_kib: u64,
}

impl Contestant {
    fn magpie(name: &'static str, source: &Path, options: &Options) -> Self {
        let out = options.scratch.join(name.replace(' ', "-"));
        let mut args = vec!["run".to_owned(), text(source), "--json".to_owned()];
        args.extend(["--out".to_owned(), text(&out)]);
        if let Some(slots) = options.slots {
            args.extend(["--slots".to_owned(), slots.to_string()]);
        }
        Self {
            name,
            program: options.magpie.clone(),
            args,
            out,
            runs: Vec::new(),
            peak_memory_kib: 0,
        }
    }

    fn ladder(
        name: &'static str,
        settings: &str,
        options: &Options,
        scripts: &Scripts,
        plan: &Plan,
        rungs: &[String],
    ) -> Self {
        let out = options.scratch.join(format!("ladder-{settings}"));
        let mut args = vec![text(&scripts.ladder), settings.to_owned()];
        args.extend([text(&options.source), text(&out)]);
        args.extend([keyframe_frames(plan), segment_frames(plan)]);
        args.extend(rungs.iter().cloned());
        let program = PathBuf::from("bash");
        Self {
            name,
            program,
            args,
            out,
            runs: Vec::new(),
            peak_memory_kib: 0,
        }
    }

    fn script(options: &Options, scripts: &Scripts, plan: &Plan, rungs: &[String]) -> Self {
        let out = options.scratch.join("script");
        let mut args = vec![text(&scripts.whole), text(&options.source), text(&out)];
        args.extend([
            keyframe_frames(plan),
            plan.profile.segment_seconds.as_f64().to_string(),
        ]);
        args.push(plan.profile.images.tile_seconds.as_f64().to_string());
        args.extend(rungs.iter().cloned());
        let program = PathBuf::from("bash");
        Self {
            name: "ffmpeg script",
            program,
            args,
            out,
            runs: Vec::new(),
            peak_memory_kib: 0,
        }
    }

    /// The command as it may be shown: this machine's places are left out.
    fn command(&self, options: &Options) -> String {
        let name = options.source.file_name().unwrap_or_default();
        let whole = format!("{} {}", self.program.display(), self.args.join(" "));
        whole
            .replace(&text(&options.magpie), "magpie")
            .replace(&text(&options.scratch), "SCRATCH")
            .replace(&text(&options.source), &name.to_string_lossy())
    }

    fn show_memory(&mut self, options: &Options) -> anyhow::Result<()> {
        self.peak_memory_kib = measure::peak_memory_kib(&mut self.fresh(options)?)?;
        Ok(())
    }

    fn time(&mut self, options: &Options) -> anyhow::Result<()> {
        let measured = measure::time(&mut self.fresh(options)?)?;
        self.runs.push(measured);
        Ok(())
    }

    /// The command, for a run into an empty folder.
    fn fresh(&self, options: &Options) -> anyhow::Result<Command> {
        anyhow::ensure!(
            self.out.starts_with(&options.scratch),
            "outputs stay in the scratch folder"
        );
        if self.out.exists() {
            std::fs::remove_dir_all(&self.out)?;
        }
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        Ok(command)
    }
}

/// The source's pictures in a file of their own, for the comparison with the ladder alone.
fn without_sound(options: &Options) -> anyhow::Result<PathBuf> {
    let name = options
        .source
        .file_name()
        .context("the source has no name")?;
    let folder = options.scratch.join("pictures");
    std::fs::create_dir_all(&folder)?;
    let silent = folder.join(name);
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-y", "-loglevel", "error", "-i"])
        .arg(&options.source)
        .args(["-map", "0:v:0", "-c", "copy"])
        .arg(&silent)
        .status()
        .context("ffmpeg")?;
    anyhow::ensure!(
        status.success(),
        "ffmpeg cannot copy the pictures: {status}"
    );
    Ok(silent)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn segment_frames(plan: &Plan) -> String {
    let grid = plan.video.as_ref().map(|video| video.grid.segment_frames);
    grid.unwrap_or(1).to_string()
}

fn keyframe_frames(plan: &Plan) -> String {
    let groups = plan.video.iter().flat_map(|video| &video.groups);
    groups
        .map(|group| group.keyframe_frames)
        .next()
        .unwrap_or(1)
        .to_string()
}

/// The plan of the one job in a folder that `magpie run` wrote.
fn find_plan(out: &Path) -> anyhow::Result<Plan> {
    let jobs = std::fs::read_dir(out.join("jobs"))?;
    let path = jobs
        .flatten()
        .map(|job| job.path().join("plan.json"))
        .find(|path| path.is_file());
    let path = path.with_context(|| format!("no plan in {}", out.display()))?;
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

fn x264_renditions(plan: &Plan) -> impl Iterator<Item = &Rendition> {
    let groups = plan.video.iter().flat_map(|video| &video.groups);
    groups
        .flat_map(|group| &group.renditions)
        .filter(|one| one.family == EncoderFamily::X264)
}

fn rungs(plan: &Plan) -> anyhow::Result<Vec<String>> {
    let rungs: Vec<String> = x264_renditions(plan)
        .map(|one| {
            format!(
                "{}x{}:{}:{}:{}:{}",
                one.width,
                one.height,
                f64::from(one.rate.quality_centi) / 100.0,
                one.rate.maxrate_bps,
                one.rate.buffer_bits,
                one.preset
            )
        })
        .collect();
    anyhow::ensure!(
        !rungs.is_empty(),
        "the comparison needs a source with pictures and an H.264 ladder"
    );
    Ok(rungs)
}

fn report(
    options: &Options,
    plan: &Plan,
    rungs: &[String],
    contestants: Vec<Contestant>,
) -> anyhow::Result<Report> {
    let top = x264_renditions(plan)
        .last()
        .context("the ladder is empty")?;
    let seconds = plan.duration.as_f64();
    let mut missing = Vec::new();
    let judge = &options.quality_ffmpeg;
    if !quality::has_vmaf(judge) {
        missing.push("VMAF: the ffmpeg that measures quality has no libvmaf".to_owned());
    }
    let mut rows = Vec::new();
    for contestant in contestants {
        let is_magpie = contestant.program == options.magpie;
        let file = match is_magpie {
            true => joined_segments(&contestant.out, &top.id, &options.scratch)?,
            false => contestant.out.join(format!("{}.mp4", rungs.len() - 1)),
        };
        let bits = std::fs::metadata(&file)?.len() * 8;
        let quality = quality::compare(judge, &options.source, &file, top.width, top.height);
        if let Err(error) = &quality {
            missing.push(format!("quality of {}: {error}", contestant.name));
        }
        rows.push(Row {
            name: contestant.name.to_owned(),
            is_magpie,
            command: contestant.command(options),
            runs: contestant.runs,
            peak_memory_kib: contestant.peak_memory_kib,
            top_bitrate_bps: (bits as f64 / seconds) as u64,
            quality: quality.ok(),
        });
    }
    Ok(Report {
        machine: Machine::describe(),
        source: options
            .source
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        source_seconds: seconds,
        ladder: rungs.to_vec(),
        rows,
        missing,
    })
}

/// The init segment and all media segments of a rendition in one file, as a player would see them.
fn joined_segments(out: &Path, rendition: &str, scratch: &Path) -> anyhow::Result<PathBuf> {
    let title = std::fs::read_dir(out.join("titles"))?.flatten().next();
    let title = title
        .context("nothing was published")?
        .path()
        .join("v1/video")
        .join(rendition);
    let mut names: Vec<PathBuf> = std::fs::read_dir(&title)?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    names.retain(|path| path.extension().is_some_and(|e| e == "m4s"));
    names.sort();
    let mut bytes = std::fs::read(title.join("init.mp4"))?;
    for name in names {
        bytes.extend(std::fs::read(name)?);
    }
    let joined = scratch.join("joined.mp4");
    std::fs::write(&joined, bytes)?;
    Ok(joined)
}
