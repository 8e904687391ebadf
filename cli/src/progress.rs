//! Progress bars: one for each rendition and sound output, drawn from what the farm says of a job. Speed
//! counts committed frames only, so that a bar never goes back.

use crate::printer::Printer;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use node_agent::Event;
use proto::v1::{JobDetail, Task};
use scheduler::PlanSummary;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The bars of one job.
pub struct Progress {
    shown: bool,
    bars: MultiProgress,
    by_id: BTreeMap<String, ProgressBar>,
    phase: Option<ProgressBar>,
    printer: Printer,
    said: String,
    patience: Patience,
    summary: Option<PlanSummary>,
    /// Frames of units under way, by task and unit.
    under_way: BTreeMap<(String, u32), u64>,
    /// Frames of committed units, by task.
    committed: BTreeMap<String, u64>,
}

impl Progress {
    /// Bars where a person sees them; else phases are said in lines.
    pub fn new(printer: Printer) -> Self {
        Self {
            shown: printer.draws(),
            bars: MultiProgress::new(),
            by_id: BTreeMap::new(),
            phase: None,
            printer,
            said: String::new(),
            patience: Patience::default(),
            summary: None,
            under_way: BTreeMap::new(),
            committed: BTreeMap::new(),
        }
    }

    /// Says what a job waits for only when it has waited for the same so long.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience.needed = patience;
        self
    }

    /// Draws the job as it is now.
    pub fn update(&mut self, detail: &JobDetail) {
        let Some(job) = &detail.job else { return };
        let waiting = match detail.waiting_for.as_str() {
            reason if self.patience.is_over(reason, Instant::now()) => {
                format!(": waits for {reason}")
            }
            _ => String::new(),
        };
        let sentence = format!("{} {}{waiting}", job.title, job.phase);
        if !self.shown {
            if sentence != self.said {
                self.printer.note(&sentence);
                self.said = sentence;
            }
            return;
        }
        let phase = self.phase.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed_precise}");
            self.bars
                .add(ProgressBar::new_spinner().with_style(style_or_default(style)))
        });
        phase.set_message(sentence);
        phase.tick();
        if let Ok(summary) = serde_json::from_str::<PlanSummary>(&detail.plan_summary_json) {
            self.summary = Some(summary.clone());
            self.draw(&summary, &detail.tasks);
        }
    }

    /// Takes note of what a node of this process does: finer than what the farm knows of it.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Progress {
                chunk,
                unit,
                done,
                frames_per_second,
                ..
            } if *frames_per_second > 0.0 => {
                let task = chunk.task.name.to_string();
                self.under_way
                    .insert((task.clone(), *unit), u64::from(*done));
                self.advance(&task);
            }
            Event::Committed { chunk, unit, .. } => {
                self.under_way.remove(&(chunk.task.name.to_string(), *unit));
            }
            _ => {}
        }
    }

    /// Moves the bars of a task's renditions on; never back.
    fn advance(&self, task: &str) {
        let Some(summary) = &self.summary else { return };
        let under_way = self.under_way.iter().filter(|((name, _), _)| name == task);
        let frames: u64 = under_way.map(|(_, frames)| frames).sum();
        let frames = frames + self.committed.get(task).copied().unwrap_or(0);
        for rendition in summary.renditions.iter().filter(|one| one.task == task) {
            if let Some(bar) = self.by_id.get(&rendition.id) {
                bar.set_position(bar.position().max(frames.min(u64::from(summary.frames))));
            }
        }
    }

    fn draw(&mut self, summary: &PlanSummary, tasks: &[Task]) {
        for rendition in &summary.renditions {
            let task = tasks.iter().find(|task| name_of(task) == rendition.task);
            let frames = task.map_or(0, |t| t.committed.iter().map(|u| u64::from(u.frames)).sum());
            self.committed.insert(rendition.task.clone(), frames);
            let reused = task.is_some_and(|t| t.committed.iter().any(|u| u.reused));
            self.bar(&rendition.id, u64::from(summary.frames), "frames");
            self.advance(&rendition.task);
            if reused && let Some(bar) = self.by_id.get(&rendition.id) {
                bar.set_message("some segments were found and not encoded again");
            }
        }
        let single = tasks
            .iter()
            .filter(|task| !name_of(task).starts_with("video-"));
        for task in single.filter(|task| name_of(task) != "probe") {
            let name = name_of(task).to_owned();
            self.bar(&name, u64::from(task.units), "")
                .set_position(u64::from(task.units_done));
        }
    }

    fn bar(&mut self, id: &str, length: u64, unit: &str) -> &ProgressBar {
        self.by_id.entry(id.to_owned()).or_insert_with(|| {
            let template = if unit.is_empty() {
                "{prefix:>14} {bar:30} {pos}/{len}".to_owned()
            } else {
                format!("{{prefix:>14}} {{bar:30}} {{pos}}/{{len}} {unit}  {{per_sec:>10}}  ETA {{eta}}  {{msg}}")
            };
            let style = style_or_default(ProgressStyle::with_template(&template));
            let bar = ProgressBar::new(length).with_style(style).with_prefix(id.to_owned());
            self.bars.add(bar)
        })
    }

    /// Takes the bars away.
    pub fn finish(&mut self) {
        for bar in self.by_id.values().chain(&self.phase) {
            bar.finish_and_clear();
        }
    }
}

/// How long the same wait has been seen, and for how long it is not worth a word.
#[derive(Debug, Default)]
struct Patience {
    needed: Duration,
    reason: String,
    since: Option<Instant>,
}

impl Patience {
    /// Takes note of a reason, empty for none; whether it has lasted long enough to be said.
    fn is_over(&mut self, reason: &str, now: Instant) -> bool {
        if reason != self.reason || self.since.is_none() {
            reason.clone_into(&mut self.reason);
            self.since = Some(now);
        }
        let waited = now.saturating_duration_since(self.since.unwrap_or(now));
        !reason.is_empty() && waited >= self.needed
    }
}

fn style_or_default<E>(style: Result<ProgressStyle, E>) -> ProgressStyle {
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn name_of(task: &Task) -> &str {
    task.id.rsplit('/').next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_when_it_has_lasted_and_not_before() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut patience = Patience {
            needed: 2 * second,
            ..Patience::default()
        };
        assert!(!patience.is_over("a node", start));
        assert!(!patience.is_over("a node", start + second));
        assert!(patience.is_over("a node", start + 2 * second));
        // Another reason is another wait, and none is never said.
        assert!(!patience.is_over("a free slot", start + 3 * second));
        assert!(!patience.is_over("", start + 9 * second));
        assert!(!patience.is_over("a free slot", start + 10 * second));
    }

    #[test]
    fn without_patience_a_wait_is_said_at_once() {
        assert!(Patience::default().is_over("a node", Instant::now()));
        assert!(!Patience::default().is_over("", Instant::now()));
    }
}
