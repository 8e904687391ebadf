//! One segment of a rendition group on its way into storage: what the plan expects of it, what the
//! worker has sent of it, and the check before any of it counts.

use super::claims::{self, Claim};
use super::context::{Context, in_order};
use super::reuse;
use crate::transfer::{digest, digest_aside};
use crate::worker::wire::PAYLOAD_BYTES_MAX;
use bytes::Bytes;
use futures::FutureExt;
use model::facts::{CodecConfig, PictureFacts, SegmentFacts};
use model::plan::{Plan, RenditionGroup, VideoPlan};
use model::rendition::{Rendition, VideoCodec};
use model::task::UnitRecord;
use model::{Failure, FailureKind, Rational, content_key};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How often the decoder's buffer may be filled for the time of a segment, so that what a worker holds
/// back in memory is bounded; an encoder that is held to its rate comes to one time.
const RATE_FACTOR: u64 = 8;

/// Container and parameter sets of a segment.
const SEGMENT_BYTES_MORE: u64 = 4 << 20;

/// What the plan says of one rendition of a segment.
#[derive(Clone)]
struct Planned {
    /// Rendition.
    id: String,
    /// Content key.
    key: String,
    codec: VideoCodec,
    /// Larger than any honest segment.
    bytes_max: u64,
}

/// What the plan says of a segment.
#[derive(Clone)]
pub(super) struct Expected {
    /// Renditions in the order of the group.
    renditions: Vec<Planned>,
    /// Content key of the picture facts, where this group leads.
    pictures_key: Option<String>,
    segment: u32,
    first_frame: u32,
    frames: u32,
    /// Ticks of a frame.
    ticks: u32,
    /// A tile is cut from every so many frames; 0 for none.
    tile_frames: u32,
}

/// See [`RATE_FACTOR`].
fn bytes_max(rendition: &Rendition, seconds: Rational) -> u64 {
    let rate = &rendition.rate;
    let seconds = u64::try_from(seconds.ceil()).unwrap_or(0);
    let bits = rate.maxrate_bps.saturating_mul(seconds);
    let bytes = bits.saturating_add(rate.buffer_bits) / 8;
    let bytes = bytes.saturating_mul(RATE_FACTOR);
    bytes
        .saturating_add(SEGMENT_BYTES_MORE)
        .min(u64::from(PAYLOAD_BYTES_MAX))
}

impl Expected {
    pub(super) fn new(
        plan: &Plan,
        video: &VideoPlan,
        group: &RenditionGroup,
        segment: u32,
    ) -> Self {
        let frames = video.grid.segment(segment);
        let time = |frame| video.grid.time_of(frame);
        let seconds = time(frames.end).checked_sub(time(frames.start));
        let planned = |rendition: &Rendition| Planned {
            id: rendition.id.clone(),
            key: content_key::of_segment(plan, video, group, rendition, segment),
            codec: rendition.codec,
            bytes_max: bytes_max(rendition, seconds.unwrap_or(Rational::ONE)),
        };
        let leads = plan.leads(&group.name);
        Self {
            renditions: group.renditions.iter().map(planned).collect(),
            pictures_key: leads.then(|| content_key::of_pictures(plan, video, segment)),
            segment,
            first_frame: frames.start,
            frames: frames.end - frames.start,
            ticks: video.grid.timescale().1,
            tile_frames: plan.tile_frames,
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

    /// Facts of a rendition of the group that are in storage and as planned, without its bytes.
    pub(super) async fn find_segment(
        &self,
        context: &Context,
        rendition: &str,
    ) -> Result<Option<SegmentFacts>, Failure> {
        let mut renditions = self.renditions.iter();
        let Some(planned) = renditions.find(|planned| planned.id == rendition) else {
            return Ok(None);
        };
        let check = |facts: &SegmentFacts| self.check_segment(planned, facts);
        reuse::find_facts(context, &planned.key, check).await
    }

    /// Picture facts that are in storage and as planned, without their tiles; none of a group that does
    /// not lead.
    pub(super) async fn find_pictures(
        &self,
        context: &Context,
    ) -> Result<Option<PictureFacts>, Failure> {
        let Some(key) = &self.pictures_key else {
            return Ok(None);
        };
        let check = |facts: &PictureFacts| self.check_pictures(key, facts);
        reuse::find_facts(context, key, check).await
    }

    /// Facts that are in storage already and as planned, if all of them are.
    pub(super) async fn find(&self, context: &Context) -> Result<Option<AllFacts>, Failure> {
        let find = |planned| {
            let check = move |facts: &SegmentFacts| self.check_segment(planned, facts);
            reuse::find(context, &planned.key, check).boxed()
        };
        let found = self.renditions.iter().map(find);
        let segments: Option<Vec<SegmentFacts>> = in_order(found).await?.into_iter().collect();
        let Some(segments) = segments else {
            return Ok(None);
        };
        let pictures = match &self.pictures_key {
            None => None,
            Some(key) => {
                let check = |facts: &PictureFacts| self.check_pictures(key, facts);
                match reuse::find(context, key, check).await? {
                    Some(facts) => Some(facts),
                    None => return Ok(None),
                }
            }
        };
        Ok(Some(AllFacts { segments, pictures }))
    }

    /// Keeps the facts of what is in storage.
    async fn keep(&self, context: &Context, all: &AllFacts) -> Result<(), Failure> {
        for (planned, facts) in self.renditions.iter().zip(&all.segments) {
            reuse::keep(context, facts, |facts| self.check_segment(planned, facts)).await?;
        }
        if let (Some(key), Some(facts)) = (&self.pictures_key, &all.pictures) {
            reuse::keep(context, facts, |facts| self.check_pictures(key, facts)).await?;
        }
        Ok(())
    }

    /// Facts must be under their keys and of the planned frames and format.
    fn check(&self, facts: &AllFacts) -> Result<(), Failure> {
        for (planned, facts) in self.renditions.iter().zip(&facts.segments) {
            self.check_segment(planned, facts)
                .map_err(|problem| self.wrong(format!("{}: {problem}", planned.id)))?;
        }
        match (&self.pictures_key, &facts.pictures) {
            (Some(key), Some(pictures)) => self.check_pictures(key, pictures),
            _ => Ok(()),
        }
        .map_err(|problem| self.wrong(problem))
    }

    fn check_segment(&self, planned: &Planned, facts: &SegmentFacts) -> Claim {
        let time = |frames: u32| u64::from(frames) * u64::from(self.ticks);
        let found = (
            facts.key.as_str(),
            facts.config.entry.as_str(),
            facts.frames,
            facts.base_decode_time,
            facts.duration,
        );
        let due = (
            planned.key.as_str(),
            claims::entry_of(planned.codec),
            self.frames,
            time(self.first_frame),
            time(self.frames),
        );
        if found == due {
            return Ok(());
        }
        Err(format!(
            "key, format, frames, start and length are {found:?}, planned are {due:?}"
        ))
    }

    fn check_pictures(&self, key: &str, pictures: &PictureFacts) -> Claim {
        let seen = (
            pictures.key.as_str(),
            pictures.first_frame,
            pictures.frames.len(),
        );
        if seen != (key, self.first_frame, self.frames as usize) {
            return Err(format!("picture facts are of {seen:?}, planned {key}"));
        }
        let end = self.first_frame + self.frames;
        let cut = |frame: &u32| self.tile_frames > 0 && frame.is_multiple_of(self.tile_frames);
        let tiles = (self.first_frame..end).filter(cut);
        if pictures.tiles.iter().copied().eq(tiles) {
            return Ok(());
        }
        Err("picture facts have other tiles than planned".to_owned())
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
    /// What the commit says of them; they were made in so long, or found.
    pub(super) fn record(
        &self,
        context: &Context,
        frames: u32,
        elapsed: Option<Duration>,
    ) -> UnitRecord {
        let configs: Vec<&CodecConfig> = self.segments.iter().map(|facts| &facts.config).collect();
        let elapsed_ms = elapsed.map_or(0, |elapsed| elapsed.as_millis());
        UnitRecord {
            digest: json_digest(&(&self.segments, &self.pictures)),
            config_digest: json_digest(&configs),
            frames,
            node: context.node.clone(),
            elapsed_ms: u64::try_from(elapsed_ms).unwrap_or(u64::MAX),
            reused: elapsed.is_none(),
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
        let mut planned = self.expected.renditions.iter();
        let planned = planned.find(|planned| planned.id == id);
        let Some(planned) = planned else {
            let message = format!("worker made an unknown rendition {id:?}");
            return Err(self.expected.wrong(message));
        };
        if bytes.len() as u64 > planned.bytes_max {
            let (found, most) = (bytes.len(), planned.bytes_max);
            let message = format!("worker made {id} of {found} bytes, {most} at most");
            return Err(self.expected.wrong(message));
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
        let (all, bodies, tiles) = self.take()?;
        self.expected.check(&all)?;
        for (facts, bytes) in all.segments.iter().zip(&bodies) {
            self.check_bytes(facts, bytes).await?;
        }
        if let (Some(facts), Some(tiles)) = (&all.pictures, &tiles) {
            self.check_tiles(facts, tiles).await?;
        }
        let pieces = &context.pieces;
        let puts = all.segments.iter().zip(bodies);
        let puts = puts.map(|(facts, bytes)| {
            let name = (facts.key.as_str(), facts.sha256.as_str());
            pieces.put_hashed(name, "m4s", bytes).boxed()
        });
        in_order(puts).await?;
        if let (Some(facts), Some(tiles)) = (&all.pictures, tiles)
            && !tiles.is_empty()
        {
            let name = (facts.key.as_str(), facts.tiles_sha256.as_str());
            pieces.put_hashed(name, "tiles", tiles).await?;
        }
        self.expected.keep(context, &all).await?;
        Ok(all)
    }

    /// All that came, in the order of the plan; fails where something did not.
    fn take(&mut self) -> Result<(AllFacts, Vec<Bytes>, Option<Bytes>), Failure> {
        let mut segments = Vec::new();
        let mut bodies = Vec::new();
        for Planned { id, .. } in &self.expected.renditions {
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
        Ok((AllFacts { segments, pictures }, bodies, tiles))
    }

    async fn check_bytes(&self, facts: &SegmentFacts, bytes: &Bytes) -> Result<(), Failure> {
        let wrong = |problem| self.expected.wrong(format!("{}: {problem}", facts.key));
        let read = claims::segment(facts, bytes).map_err(wrong)?;
        if !read.first_is_sync || read.sequence_number != self.expected.segment + 1 {
            let number = read.sequence_number;
            return Err(wrong(format!(
                "has number {number}, or no key picture first"
            )));
        }
        self.same_hash(&facts.key, &facts.sha256, bytes).await
    }

    async fn check_tiles(&self, facts: &PictureFacts, tiles: &Bytes) -> Result<(), Failure> {
        claims::pictures(facts, tiles.len()).map_err(|problem| self.expected.wrong(problem))?;
        if tiles.is_empty() {
            return Ok(());
        }
        self.same_hash(&facts.key, &facts.tiles_sha256, tiles).await
    }

    async fn same_hash(&self, key: &str, said: &str, bytes: &Bytes) -> Result<(), Failure> {
        let found = digest_aside(bytes.clone()).await?;
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
