//! One segment of a rendition group on its way into storage: what the plan expects of it, what the
//! worker has sent of it, and the check before any of it counts.

use super::context::{Context, in_order};
use super::reuse::{self, tiles_bytes};
use crate::transfer::digest;
use bytes::Bytes;
use futures::FutureExt;
use model::facts::{CodecConfig, PictureFacts, SegmentFacts};
use model::plan::{Plan, RenditionGroup, VideoPlan};
use model::task::UnitRecord;
use model::{Failure, FailureKind, content_key};
use std::collections::BTreeMap;
use tokio::time::Instant;

/// What the plan says of a segment.
#[derive(Clone)]
pub(super) struct Expected {
    /// Rendition ids with their content keys, in the order of the group.
    keys: Vec<(String, String)>,
    /// Content key of the picture facts, where this group leads.
    pictures_key: Option<String>,
    segment: u32,
    first_frame: u32,
    frames: u32,
}

impl Expected {
    pub(super) fn new(
        plan: &Plan,
        video: &VideoPlan,
        group: &RenditionGroup,
        segment: u32,
    ) -> Self {
        let key = |rendition| content_key::of_segment(plan, video, group, rendition, segment);
        let frames = video.grid.segment(segment);
        let leads = plan.leads(&group.name);
        Self {
            keys: group
                .renditions
                .iter()
                .map(|one| (one.id.clone(), key(one)))
                .collect(),
            pictures_key: leads.then(|| content_key::of_pictures(plan, video, segment)),
            segment,
            first_frame: frames.start,
            frames: frames.end - frames.start,
        }
    }

    /// Output frames of the segment.
    pub(super) fn frames(&self) -> u32 {
        self.frames
    }

    fn wrong(&self, message: String) -> Failure {
        Failure::new(
            FailureKind::Bug,
            format!("segment {}", self.segment),
            message,
        )
    }

    /// Facts that are in storage already, if all of them are.
    pub(super) async fn find(&self, context: &Context) -> Result<Option<AllFacts>, Failure> {
        let found = self
            .keys
            .iter()
            .map(|(_, key)| reuse::segment(context, key).boxed());
        let segments: Option<Vec<SegmentFacts>> = in_order(found).await?.into_iter().collect();
        let Some(segments) = segments else {
            return Ok(None);
        };
        let pictures = match &self.pictures_key {
            None => None,
            Some(key) => match reuse::pictures(context, key).await? {
                Some(facts) => Some(facts),
                None => return Ok(None),
            },
        };
        let found = AllFacts { segments, pictures };
        self.check(&found)?;
        Ok(Some(found))
    }

    /// Facts must be under their keys and count the planned frames.
    fn check(&self, facts: &AllFacts) -> Result<(), Failure> {
        for ((id, key), facts) in self.keys.iter().zip(&facts.segments) {
            if facts.key != *key {
                return Err(self.wrong(format!("{id} has key {}, planned is {key}", facts.key)));
            }
            if facts.frames != self.frames {
                let found = facts.frames;
                return Err(self.wrong(format!("{id} has {found} frames, planned {}", self.frames)));
            }
        }
        let (Some(key), Some(pictures)) = (&self.pictures_key, &facts.pictures) else {
            return Ok(());
        };
        let seen = (
            pictures.key.as_str(),
            pictures.first_frame,
            pictures.frames.len(),
        );
        if seen != (key.as_str(), self.first_frame, self.frames as usize) {
            return Err(self.wrong(format!("picture facts are of {seen:?}, planned {key}")));
        }
        Ok(())
    }
}

/// All facts of a segment.
pub(super) struct AllFacts {
    /// In the order of the group.
    segments: Vec<SegmentFacts>,
    pictures: Option<PictureFacts>,
}

fn json_digest(value: &impl serde::Serialize) -> String {
    // Facts are plain data with string keys.
    digest(&serde_json::to_vec(value).unwrap_or_default())
}

impl AllFacts {
    /// What the commit says of them.
    pub(super) fn record(
        &self,
        context: &Context,
        frames: u32,
        since: Option<Instant>,
    ) -> UnitRecord {
        let configs: Vec<&CodecConfig> = self.segments.iter().map(|facts| &facts.config).collect();
        let elapsed = since.map_or(0, |since| since.elapsed().as_millis());
        UnitRecord {
            digest: json_digest(&(&self.segments, &self.pictures)),
            config_digest: json_digest(&configs),
            frames,
            node: context.node.clone(),
            elapsed_ms: u64::try_from(elapsed).unwrap_or(u64::MAX),
            reused: since.is_none(),
        }
    }
}

/// A segment that a worker is making.
pub(super) struct Unit {
    /// What the plan says.
    pub(super) expected: Expected,
    /// When the worker got it.
    pub(super) since: Instant,
    segments: BTreeMap<String, (SegmentFacts, Bytes)>,
    pictures: Option<(PictureFacts, Bytes)>,
}

impl Unit {
    pub(super) fn new(expected: Expected) -> Self {
        Self {
            expected,
            since: Instant::now(),
            segments: BTreeMap::new(),
            pictures: None,
        }
    }

    /// Takes a rendition; each is sent once.
    pub(super) fn add(
        &mut self,
        id: String,
        facts: SegmentFacts,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        if !self.expected.keys.iter().any(|(known, _)| *known == id) {
            return Err(self
                .expected
                .wrong(format!("worker made an unknown rendition {id}")));
        }
        match self.segments.insert(id.clone(), (facts, bytes)) {
            None => Ok(()),
            Some(_) => Err(self.expected.wrong(format!("worker made {id} twice"))),
        }
    }

    /// Takes picture facts and tiles.
    pub(super) fn add_pictures(
        &mut self,
        facts: PictureFacts,
        tiles: Bytes,
    ) -> Result<(), Failure> {
        if self.expected.pictures_key.is_none() || self.pictures.is_some() {
            return Err(self
                .expected
                .wrong("worker sent unwanted picture facts".to_owned()));
        }
        self.pictures = Some((facts, tiles));
        Ok(())
    }

    /// Checks everything, then writes bytes, then facts; nothing counts before the last of them.
    pub(super) async fn store(mut self, context: &Context) -> Result<AllFacts, Failure> {
        let mut segments = Vec::new();
        let mut bodies = Vec::new();
        for (id, _) in &self.expected.keys {
            let made = self.segments.remove(id);
            let missing = || self.expected.wrong(format!("worker did not make {id}"));
            let (facts, bytes) = made.ok_or_else(missing)?;
            segments.push(facts);
            bodies.push(bytes);
        }
        if self.expected.pictures_key.is_some() != self.pictures.is_some() {
            return Err(self
                .expected
                .wrong("worker sent no picture facts".to_owned()));
        }
        let (pictures, tiles) = self.pictures.take().unzip();
        let all = AllFacts { segments, pictures };
        self.expected.check(&all)?;
        let puts = all.segments.iter().zip(bodies);
        let puts = puts.map(|(facts, bytes)| self.put_segment(context, facts, bytes).boxed());
        in_order(puts).await?;
        if let (Some(facts), Some(tiles)) = (&all.pictures, tiles) {
            self.put_tiles(context, facts, tiles).await?;
        }
        for facts in &all.segments {
            context.pieces.put_facts(&facts.key, facts).await?;
        }
        if let Some(facts) = &all.pictures {
            context.pieces.put_facts(&facts.key, facts).await?;
        }
        Ok(all)
    }

    async fn put_segment(
        &self,
        context: &Context,
        facts: &SegmentFacts,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        if facts.size_bytes != bytes.len() as u64 {
            return Err(self
                .expected
                .wrong(format!("{} has another size", facts.key)));
        }
        let sha256 = context.pieces.put_bytes(&facts.key, "m4s", bytes).await?;
        self.same_hash(&facts.key, &facts.sha256, &sha256)
    }

    async fn put_tiles(
        &self,
        context: &Context,
        facts: &PictureFacts,
        tiles: Bytes,
    ) -> Result<(), Failure> {
        if tiles_bytes(facts) != tiles.len() as u64 {
            let (said, sent) = (facts.tiles.len(), tiles.len());
            return Err(self.expected.wrong(format!("{said} tiles in {sent} bytes")));
        }
        if tiles.is_empty() {
            return Ok(());
        }
        let sha256 = context.pieces.put_bytes(&facts.key, "tiles", tiles).await?;
        self.same_hash(&facts.key, &facts.tiles_sha256, &sha256)
    }

    fn same_hash(&self, key: &str, said: &str, found: &str) -> Result<(), Failure> {
        if said == found {
            return Ok(());
        }
        Err(self
            .expected
            .wrong(format!("{key}: facts say {said}, the bytes are {found}")))
    }
}

#[cfg(test)]
mod tests;
