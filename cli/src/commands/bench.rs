//! `magpie bench`: compare the farm with its peers on your own material.

use crate::exit::{Exit, usage};
use crate::printer::Printer;
use bench::peers::{Against, Options, compare};
use clap::Subcommand;
use std::path::PathBuf;

/// Arguments of `magpie bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Magpie and ffmpeg alternately on one file: time, memory, rate and quality as ratios.
    Peers(Peers),
}

#[derive(Debug, clap::Args)]
struct Peers {
    /// The source.
    file: PathBuf,
    /// Timed runs of each contestant.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Only the ladder alone: the pictures without sound, against one ffmpeg command with the same x264
    /// settings.
    #[arg(long)]
    same_ladder: bool,
    /// Slots of `magpie run`.
    #[arg(long)]
    slots: Option<u32>,
    /// The ffmpeg that measures quality: one with libvmaf, where the installed one has none. It is not a peer.
    #[arg(long, default_value = "ffmpeg", value_name = "PROGRAM")]
    quality_ffmpeg: PathBuf,
    /// Where the report is written.
    #[arg(long, default_value = "bench/runs", value_name = "FOLDER")]
    reports: PathBuf,
    /// Where contestants write; must not exist yet.
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
}

/// Runs the comparison and prints its report.
pub fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let Verb::Peers(peers) = args.verb;
    let default = || std::env::temp_dir().join(format!("magpie-bench-{}", std::process::id()));
    let scratch = peers.scratch.unwrap_or_else(default);
    if scratch.exists() {
        return Err(usage(
            format!("{} exists", scratch.display()),
            "name a folder that does not",
        ));
    }
    let options = Options {
        magpie: std::env::current_exe()?,
        source: super::submit::absolute(&peers.file.to_string_lossy())?,
        against: match peers.same_ladder {
            true => Against::SameLadder,
            false => Against::All,
        },
        slots: peers.slots,
        runs: peers.runs,
        quality_ffmpeg: peers.quality_ffmpeg,
        scratch: scratch.clone(),
    };
    let report = compare(&options)?;
    if printer.is_json() {
        printer.json(&report)?;
    } else {
        printer.line(&report.markdown());
    }
    let folder = report.write(&peers.reports, &today()?)?;
    printer.note(&format!("written to {}", folder.display()));
    std::fs::remove_dir_all(&scratch)?;
    Ok(Exit::Success)
}

/// The date in UTC, `YYYY-MM-DD`.
fn today() -> anyhow::Result<String> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    // Days to a civil date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    let days = i64::try_from(since.as_secs() / 86_400)? + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Ok(format!("{year:04}-{month:02}-{day:02}"))
}
