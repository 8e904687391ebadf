//! What the earlier tasks of a job have committed, as the later ones read it. Storage may have damaged it
//! since: what is not whole, and as the plan wants it, is made again here and now by whoever reads it.
//!
//! The one fact to know: a commit is never taken back. Equal plans give equal bytes, so what is made
//! again is what was committed.

use super::context::{Context, LoadedPlan, in_order};
use super::mend::mend;
use super::reuse::{Held, object};
use super::unit::Expected;
use super::{audio, claims, images, text};
use crate::agent::{Attempt, Stop};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use model::facts::{AudioFacts, ImageFacts, PictureFacts, SegmentFacts, TextFacts};
use model::plan::{AudioPlan, Plan, RenditionGroup, TextPlan, VideoPlan};
use model::rendition::Rendition;
use model::task::TaskKind;
use model::{Failure, FailureKind, TaskId, TaskName, layout};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How closely results are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Facts alone, for who needs no more.
    Facts,
    /// And every byte that they name.
    Bytes,
}

/// The committed output of a job.
pub(super) struct Committed<'a> {
    /// What attempts share.
    pub(super) context: &'a Context,
    /// The attempt that reads it.
    pub(super) attempt: &'a Attempt,
    /// The plan of the job.
    pub(super) loaded: &'a LoadedPlan,
}

/// Where a task of the same job wrote its result.
pub(super) fn result_of(plan: &Plan, kind: &TaskKind) -> Result<String, Failure> {
    let name = TaskName::new(kind.name())
        .map_err(|e| Failure::new(FailureKind::Bug, "plan", e.to_string()))?;
    Ok(layout::task_result(&TaskId::new(plan.job.clone(), name)))
}

impl Committed<'_> {
    fn plan(&self) -> &Plan {
        &self.loaded.plan
    }

    /// Picture facts of all segments, in order.
    pub(super) async fn pictures(&self, video: &VideoPlan) -> Result<Vec<PictureFacts>, Stop> {
        let group = self.leader(video)?;
        let read = |segment| {
            let expected = Expected::new(self.plan(), video, group, segment);
            async move { expected.find_pictures(self.context).await }.boxed()
        };
        self.whole((video, group), read).await
    }

    /// Picture facts and tiles of all segments, in order. A tile takes 14 KB: a three-hour title with a
    /// tile every ten seconds 15 MB.
    pub(super) async fn tiles(
        &self,
        video: &VideoPlan,
    ) -> Result<Vec<(PictureFacts, Bytes)>, Stop> {
        let group = self.leader(video)?;
        let read = |segment| {
            let expected = Expected::new(self.plan(), video, group, segment);
            async move {
                let Some(facts) = expected.find_pictures(self.context).await? else {
                    return Ok(None);
                };
                if facts.tiles.is_empty() {
                    return Ok(Some((facts, Bytes::new())));
                }
                let name = (facts.key.as_str(), facts.tiles_sha256.as_str());
                let tiles = object(self.context, name, "tiles").await?;
                let tiles = tiles.filter(|tiles| claims::pictures(&facts, tiles.len()).is_ok());
                Ok(tiles.map(|tiles| (facts, tiles)))
            }
            .boxed()
        };
        self.whole((video, group), read).await
    }

    /// Facts of all segments, in order, of each rendition of a group.
    pub(super) async fn segments(
        &self,
        video: &VideoPlan,
        group: &RenditionGroup,
    ) -> Result<Vec<Vec<SegmentFacts>>, Stop> {
        let read = |segment| {
            let expected = Expected::new(self.plan(), video, group, segment);
            async move {
                let mut all = Vec::with_capacity(group.renditions.len());
                for rendition in &group.renditions {
                    all.push(expected.find_segment(self.context, &rendition.id).await?);
                }
                Ok(all.into_iter().collect())
            }
            .boxed()
        };
        let by_segment = self.whole((video, group), read).await?;
        Ok(by_rendition(group, by_segment))
    }

    /// Facts of all segments, in order, of each rendition of a group, and where the first picture of each
    /// segment ends, read of bytes that are whole.
    pub(super) async fn segments_read(
        &self,
        video: &VideoPlan,
        group: &RenditionGroup,
    ) -> Result<Vec<Vec<(SegmentFacts, u64)>>, Stop> {
        let read = |segment| {
            let expected = Expected::new(self.plan(), video, group, segment);
            async move {
                let mut all = Vec::with_capacity(group.renditions.len());
                for rendition in &group.renditions {
                    all.push(self.segment_read(&expected, rendition).await?);
                }
                Ok(all.into_iter().collect())
            }
            .boxed()
        };
        let by_segment = self.whole((video, group), read).await?;
        Ok(by_rendition(group, by_segment))
    }

    async fn segment_read(
        &self,
        expected: &Expected,
        rendition: &Rendition,
    ) -> Result<Option<(SegmentFacts, u64)>, Failure> {
        let found = expected.find_segment(self.context, &rendition.id).await?;
        let Some(facts) = found else {
            return Ok(None);
        };
        let name = (facts.key.as_str(), facts.sha256.as_str());
        let bytes = object(self.context, name, "m4s").await?;
        let read = bytes.and_then(|bytes| claims::segment(&facts, &bytes).ok());
        Ok(read.map(|read| (facts, read.first_sample_end)))
    }

    fn leader<'v>(&self, video: &'v VideoPlan) -> Result<&'v RenditionGroup, Failure> {
        let mut groups = video.groups.iter();
        let leader = groups.find(|group| self.plan().leads(&group.name));
        leader.ok_or_else(|| Failure::new(FailureKind::Bug, "plan", "no rendition group leads"))
    }

    /// What `read` gives of every segment, in order; those of which it gives nothing are made again, all by
    /// one worker: `read` looks at everything of a segment that the caller needs.
    async fn whole<'f, T: Send>(
        &self,
        (video, group): (&VideoPlan, &RenditionGroup),
        read: impl Fn(u32) -> BoxFuture<'f, Result<Option<T>, Failure>>,
    ) -> Result<Vec<T>, Stop> {
        let mut all = in_order((0..video.grid.segments()).map(&read)).await?;
        let numbered = (0..).zip(&all);
        let damaged: Vec<u32> = numbered
            .filter_map(|(segment, found)| found.is_none().then_some(segment))
            .collect();
        if !damaged.is_empty() {
            let place = (video, group);
            mend(self.context, self.attempt, self.loaded, place, &damaged).await?;
            for &segment in &damaged {
                all[segment as usize] = read(segment).await?;
            }
        }
        let all: Option<Vec<T>> = all.into_iter().collect();
        Ok(all.ok_or_else(|| damaged_again(&group.name))?)
    }

    /// Facts of all outputs of a sound track.
    pub(super) async fn sound(
        &self,
        track: &AudioPlan,
        depth: Depth,
    ) -> Result<Vec<AudioFacts>, Stop> {
        let kind = TaskKind::Audio { index: track.index };
        let found: Option<Vec<AudioFacts>> = self.result(&kind).await?;
        let planned = |facts: &AudioFacts| audio::check_planned(facts, track, self.plan()).is_ok();
        let ids = |found: &Vec<AudioFacts>| {
            let ids = found.iter().map(|facts| &facts.id);
            ids.eq(track.outputs.iter().map(|output| &output.id)) && found.iter().all(planned)
        };
        if let Some(found) = found.filter(ids) {
            let mut whole = true;
            for facts in &found {
                whole = whole && self.is_whole(facts, depth).await?;
            }
            if whole {
                return Ok(found);
            }
        }
        let (made, _) = audio::make(self.context, self.attempt, track.index).await?;
        self.replace(&kind, &made).await?;
        Ok(made)
    }

    /// Facts of a text track whose file is whole.
    pub(super) async fn text(&self, track: &TextPlan) -> Result<TextFacts, Stop> {
        let kind = TaskKind::Text { index: track.index };
        let found: Option<TextFacts> = self.result(&kind).await?;
        let found = found.filter(|facts| text::check_planned(facts, track).is_ok());
        if let Some(found) = found
            && self.is_whole(&found, Depth::Bytes).await?
        {
            return Ok(found);
        }
        let (made, _) = text::make(self.context, self.attempt, track.index).await?;
        self.replace(&kind, &made).await?;
        Ok(made)
    }

    /// Facts of sprites and poster that are whole.
    pub(super) async fn images(&self, video: &VideoPlan) -> Result<ImageFacts, Stop> {
        let found: Option<ImageFacts> = self.result(&TaskKind::Images).await?;
        let planned =
            |facts: &ImageFacts| claims::planned_images(facts, self.plan(), video).is_ok();
        if let Some(found) = found.filter(planned)
            && self.is_whole(&found, Depth::Bytes).await?
        {
            return Ok(found);
        }
        let (made, _) = images::make(self.context, self.attempt).await?;
        self.replace(&TaskKind::Images, &made).await?;
        Ok(made)
    }

    async fn is_whole(&self, facts: &impl Held, depth: Depth) -> Result<bool, Failure> {
        match depth {
            Depth::Facts => Ok(true),
            Depth::Bytes => facts.is_whole(self.context).await,
        }
    }

    async fn result<T: DeserializeOwned>(&self, kind: &TaskKind) -> Result<Option<T>, Failure> {
        let path = result_of(self.plan(), kind)?;
        self.context.pieces.find_json(&path).await
    }

    async fn replace(
        &self,
        kind: &TaskKind,
        made: &(impl Serialize + Sync),
    ) -> Result<(), Failure> {
        let path = result_of(self.plan(), kind)?;
        tracing::warn!(path, "a damaged result is replaced");
        self.context.pieces.put_json(&path, made).await
    }
}

/// What was read of each rendition of each segment, by rendition.
fn by_rendition<T>(group: &RenditionGroup, by_segment: Vec<Vec<T>>) -> Vec<Vec<T>> {
    let mut all: Vec<Vec<T>> = group.renditions.iter().map(|_| Vec::new()).collect();
    for segment in by_segment {
        for (rendition, read) in all.iter_mut().zip(segment) {
            rendition.push(read);
        }
    }
    all
}

fn damaged_again(place: &str) -> Failure {
    let message = "what was made again is damaged again";
    Failure::new(FailureKind::Storage, place, message)
}
