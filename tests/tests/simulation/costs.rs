//! What each unit of work costs. Costs are drawn by name, so they do not depend on who asks when, and
//! nobody who decides knows them before a unit is made.

use super::random::Random;
use model::TaskId;
use model::task::{NewTask, TaskKind};
use std::time::Duration;

/// How the segments of titles differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skew {
    /// Each for itself: most cost half of the usual, now and then one is far from it.
    Pareto,
    /// Titles differ, scenes of a title differ more, and segments of a scene are much alike: still
    /// pictures are fast and crowds are slow for minutes. Log-normal at each of the three levels.
    Scenes,
}

/// Spread of titles, of scenes and of segments: standard deviations of logarithms.
const TITLE_SPREAD: f64 = 0.3;
const SCENE_SPREAD: f64 = 0.5;
const SEGMENT_SPREAD: f64 = 0.2;

/// Nothing costs less or more than these parts of the usual.
const LEAST: f64 = 0.1;
const MOST: f64 = 6.0;

/// Segments in which there is one cut between scenes.
const SCENE_SEGMENTS: u32 = 12;

/// Part of a usual segment that a step costs which is neither pictures nor sound.
const SMALL: f64 = 0.1;

/// How long units really take on a node of speed 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    pub(crate) seed: u64,
    /// Usual seconds of a unit of pictures.
    pub(crate) segment_seconds: f64,
    pub(crate) skew: Skew,
}

impl Costs {
    pub(crate) fn of(&self, task: &TaskId, kind: &TaskKind, unit: u32) -> Duration {
        let (skew, small) = match self.skew {
            Skew::Pareto => (self.pareto(task, unit), 0.3),
            Skew::Scenes => (self.scenes(task, unit), SMALL),
        };
        let usual = match kind {
            TaskKind::Encode { group } if group == "hevc" => 2.0 * self.segment_seconds,
            TaskKind::Encode { .. } => self.segment_seconds,
            TaskKind::Audio { .. } => 0.8 * self.segment_seconds,
            _ => small * self.segment_seconds,
        };
        Duration::from_secs_f64(usual * skew)
    }

    pub(crate) fn of_task(&self, task: &NewTask) -> impl Iterator<Item = Duration> {
        (0..task.units).map(|unit| self.of(&task.id, &task.kind, unit))
    }

    fn pareto(&self, task: &TaskId, unit: u32) -> f64 {
        let random = Random::named(self.seed, &format!("{task} {unit}"));
        0.5 * random.pareto(2.2).min(8.0)
    }

    fn scenes(&self, task: &TaskId, unit: u32) -> f64 {
        let title = Random::named(self.seed, &format!("{} looks", task.job));
        let run = unit / SCENE_SEGMENTS;
        let cut = Random::named(self.seed, &format!("{} cut {run}", task.job));
        let is_behind = u64::from(unit % SCENE_SEGMENTS) >= cut.between(0, 11);
        let scene = run + u32::from(is_behind);
        let scene = Random::named(self.seed, &format!("{} scene {scene}", task.job));
        let segment = Random::named(self.seed, &format!("{task} {unit}"));
        let skew = title.log_normal(TITLE_SPREAD)
            * scene.log_normal(SCENE_SPREAD)
            * segment.log_normal(SEGMENT_SPREAD);
        skew.clamp(LEAST, MOST)
    }
}
