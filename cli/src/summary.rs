//! What came of a job: the table at the end, or the same as JSON.

use crate::exit::Exit;
use crate::printer::Printer;
use crate::table::{Side, Table};
use model::catalog::{CatalogEntry, PackageManifest};
use model::job::Phase;
use model::qc::Verdict;
use proto::v1::JobDetail;
use scheduler::PlanSummary;
use serde::Serialize;

/// What only a command that ran the whole farm itself knows.
#[derive(Debug, Serialize)]
pub struct Extra {
    /// What was packaged.
    pub package: Option<PackageManifest>,
    /// Seconds from start to end.
    pub elapsed_seconds: f64,
    /// Where the files are.
    pub folder: Option<String>,
}

#[derive(Serialize)]
struct Output<'a> {
    job: &'a str,
    title: &'a str,
    phase: &'a str,
    failure: Option<&'a proto::v1::Failure>,
    plan: Option<PlanSummary>,
    verdict: Option<Verdict>,
    published: Option<CatalogEntry>,
    extra: Option<&'a Extra>,
}

/// Prints what came of the job and answers with the exit code that says so.
pub fn print(printer: Printer, detail: &JobDetail, extra: Option<&Extra>) -> anyhow::Result<Exit> {
    let Some(job) = &detail.job else {
        anyhow::bail!("the scheduler sent a job without a job")
    };
    let phase: Phase = job.phase.parse().map_err(anyhow::Error::msg)?;
    let output = Output {
        job: &job.id,
        title: &job.title,
        phase: &job.phase,
        failure: job.failure.as_ref(),
        plan: serde_json::from_str(&detail.plan_summary_json).ok(),
        verdict: serde_json::from_str(&detail.verdict_json).ok(),
        published: serde_json::from_str(&detail.published_json).ok(),
        extra,
    };
    if printer.is_json() {
        printer.json(&output)?;
    } else {
        human(printer, &output, &detail.waiting_for);
    }
    Ok(Exit::of_phase(phase))
}

fn human(printer: Printer, output: &Output<'_>, waiting_for: &str) {
    if let Some(package) = output.extra.and_then(|extra| extra.package.as_ref()) {
        printer.line(&tracks(package));
        printer.line("");
    }
    printer.line(&format!(
        "{}  {}  {}",
        output.job, output.title, output.phase
    ));
    if !waiting_for.is_empty() {
        printer.line(&format!("waits for: {waiting_for}"));
    }
    if let Some(plan) = &output.plan {
        speed(printer, plan, output.extra);
    }
    if let Some(verdict) = &output.verdict {
        quality(printer, verdict);
    }
    if let Some(failure) = output.failure {
        printer.line(&format!(
            "{} in {}: {}",
            failure.kind, failure.place, failure.message
        ));
        for line in failure.evidence.lines() {
            printer.line(&format!("    {line}"));
        }
    }
    if output.phase == Phase::Review.as_str() {
        printer.line(&match output.extra {
            Some(_) => {
                "answer with the same command and --review approve or --review reject".to_owned()
            }
            None => format!("answer with: magpie review approve|reject {}", output.job),
        });
    }
    if let Some(published) = &output.published {
        let root = output
            .extra
            .and_then(|extra| extra.folder.clone())
            .unwrap_or_default();
        let root = if root.is_empty() {
            published.path.clone()
        } else {
            format!("{root}/{}", published.path)
        };
        printer.line(&format!("HLS   {root}/{}", published.hls));
        printer.line(&format!("DASH  {root}/{}", published.dash));
    }
}

fn tracks(package: &PackageManifest) -> String {
    let mut table = Table::new(&[
        ("track", Side::Left),
        ("codecs", Side::Left),
        ("size", Side::Right),
        ("samples", Side::Right),
        ("average", Side::Right),
        ("peak", Side::Right),
        ("language", Side::Left),
        ("loudness", Side::Right),
    ]);
    let rate = |bps: u64| {
        if bps == 0 {
            String::new()
        } else {
            format!("{} kb/s", bps.div_ceil(1000))
        }
    };
    for track in &package.tracks {
        let size = if track.width == 0 {
            String::new()
        } else {
            format!("{}x{}", track.width, track.height)
        };
        let loudness = track
            .loudness_centi_lufs
            .map(|l| format!("{:.1} LUFS", f64::from(l) / 100.0));
        table.row([
            track.id.clone(),
            track.codecs.clone(),
            size,
            track.samples.to_string(),
            rate(track.average_bps),
            rate(track.peak_bps),
            track.language.clone(),
            loudness.unwrap_or_default(),
        ]);
    }
    table.render()
}

fn speed(printer: Printer, plan: &PlanSummary, extra: Option<&Extra>) {
    let mut line = format!("{:.2} s long", plan.duration_seconds);
    if plan.frames > 0 {
        line += &format!(
            ", {} frames at {} per second ({})",
            plan.frames, plan.frame_rate, plan.frame_map
        );
    }
    if let Some(extra) = extra.filter(|extra| extra.elapsed_seconds > 0.0) {
        let factor = plan.duration_seconds / extra.elapsed_seconds;
        line += &format!(
            "; took {:.1} s, {factor:.2}x real time",
            extra.elapsed_seconds
        );
    }
    printer.line(&line);
}

fn quality(printer: Printer, verdict: &Verdict) {
    let action = serde_json::to_string(&verdict.action).unwrap_or_default();
    printer.line(&format!(
        "quality control: {} ({} checks, {} not applicable)",
        action.trim_matches('"'),
        verdict.checked,
        verdict.not_applicable.len()
    ));
    for finding in &verdict.findings {
        let from = finding
            .start
            .map(|t| format!(" from {:.2} s", t.as_f64()))
            .unwrap_or_default();
        let to = finding
            .end
            .map(|t| format!(" to {:.2} s", t.as_f64()))
            .unwrap_or_default();
        printer.line(&format!(
            "  {}{from}{to}: {}",
            finding.track, finding.message
        ));
    }
}
