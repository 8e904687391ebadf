//! The report of a comparison: medians and ratios for people, every run for machines.

use crate::machine::Machine;
use crate::measure::Measured;
use crate::quality::Quality;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// One contestant with all its runs.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Whether it is Magpie; the others are its peers.
    pub is_magpie: bool,
    /// The command that ran, without the places of this machine.
    pub command: String,
    /// Every timed run.
    pub runs: Vec<Measured>,
    /// Peak memory of the run before those.
    pub peak_memory_kib: u64,
    /// Mean rate of the top rendition.
    pub top_bitrate_bps: u64,
    /// Quality of the top rendition.
    pub quality: Option<Quality>,
}

/// A whole comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// What was processed.
    pub source: String,
    /// Its length.
    pub source_seconds: f64,
    /// The rungs of the ladder.
    pub ladder: Vec<String>,
    /// The contestants; ratios are of each Magpie to each peer.
    pub rows: Vec<Row>,
    /// What could not be measured, with the reason.
    pub missing: Vec<String>,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

impl Row {
    fn median_of(&self, figure: impl Fn(&Measured) -> f64) -> f64 {
        median(self.runs.iter().map(figure).collect())
    }

    /// Median of the ratios of runs that stood side by side.
    fn ratio_to(&self, other: &Self, figure: impl Fn(&Measured) -> f64) -> f64 {
        median(
            self.runs
                .iter()
                .zip(&other.runs)
                .map(|(a, b)| figure(a) / figure(b))
                .collect(),
        )
    }
}

impl Report {
    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "# Magpie and its peers\n\n{} ({:.1} s), ladder {}.\n\n{}, {} cores, {} MiB, Linux {}, {}.\n\n",
            self.source,
            self.source_seconds,
            self.ladder.join(" "),
            machine.cpu,
            machine.cores,
            machine.memory_kib / 1024,
            machine.kernel,
            machine.ffmpeg,
        );
        text += "| | wall s | cpu s | peak MiB | x real time | top kb/s | PSNR-Y dB | VMAF |\n";
        text += "| --- | --: | --: | --: | --: | --: | --: | --: |\n";
        for row in &self.rows {
            let wall = row.median_of(|m| m.wall_seconds);
            let quality = row.quality;
            text += &format!(
                "| {} | {wall:.2} | {:.2} | {:.0} | {:.2} | {} | {} | {} |\n",
                row.name,
                row.median_of(|m| m.cpu_seconds),
                row.peak_memory_kib as f64 / 1024.0,
                self.source_seconds / wall,
                row.top_bitrate_bps / 1000,
                quality.map_or_else(String::new, |q| format!("{:.2}", q.psnr_y_db)),
                quality
                    .and_then(|q| q.vmaf)
                    .map_or_else(String::new, |v| format!("{v:.2}")),
            );
        }
        text += "\n| ratio of | to | wall | cpu | peak memory |\n| --- | --- | --: | --: | --: |\n";
        let (ours, peers): (Vec<&Row>, Vec<&Row>) = self.rows.iter().partition(|r| r.is_magpie);
        for (our, peer) in ours
            .iter()
            .flat_map(|our| peers.iter().map(move |peer| (our, peer)))
        {
            text += &format!(
                "| {} | {} | {:.3} | {:.3} | {:.3} |\n",
                our.name,
                peer.name,
                our.ratio_to(peer, |m| m.wall_seconds),
                our.ratio_to(peer, |m| m.cpu_seconds),
                our.peak_memory_kib as f64 / peer.peak_memory_kib as f64,
            );
        }
        text += &format!(
            "\nMedians of {} runs each, run alternately; memory is of another run before them. `magpie without sound` has the pictures of the source alone: the \
             ladder, and beside it sprites, picture checks, packaging and verification. `same x264 settings` has all that \
             Magpie tells x264: bytes that do not depend on the processor, and I pictures at scene cuts.\n",
            self.rows.first().map_or(0, |r| r.runs.len())
        );
        for row in &self.rows {
            text += &format!("\n`{}`: `{}`\n", row.name, row.command);
        }
        for missing in &self.missing {
            text += &format!("\nNot measured: {missing}\n");
        }
        text
    }

    /// Writes `README.md` and `report.json` into `runs/<date>-<machine>/`, and answers where.
    pub fn write(&self, runs: &Path, date: &str) -> anyhow::Result<PathBuf> {
        let folder = runs.join(format!("{date}-{}", self.machine.slug()));
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("README.md"), self.markdown())?;
        std::fs::write(folder.join("report.json"), serde_json::to_vec_pretty(self)?)?;
        Ok(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, walls: &[f64]) -> Row {
        let run = |&wall_seconds| Measured {
            wall_seconds,
            cpu_seconds: 1.0,
        };
        Row {
            name: name.to_owned(),
            is_magpie: name == "ours",
            command: name.to_owned(),
            runs: walls.iter().map(run).collect(),
            peak_memory_kib: 1024,
            top_bitrate_bps: 0,
            quality: None,
        }
    }

    #[test]
    fn ratios_are_of_runs_side_by_side() {
        // The machine slowed down threefold half way: the ratio of neighbours does not care.
        let (ours, theirs) = (
            row("ours", &[1.0, 1.0, 3.0]),
            row("theirs", &[2.0, 2.0, 6.0]),
        );
        assert!((ours.ratio_to(&theirs, |m| m.wall_seconds) - 0.5).abs() < 1e-9);
        assert!((ours.median_of(|m| m.wall_seconds) - 1.0).abs() < 1e-9);
    }
}
