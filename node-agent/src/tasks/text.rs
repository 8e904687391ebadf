//! Makes a text track, from a stream of the source or from a file beside it.

use super::allowance::Allowance;
use super::claims::{self, Claim};
use super::context::Context;
use super::describe;
use super::reuse;
use super::single::Outcome;
use super::work::{Given, Running};
use crate::agent::{Attempt, Stop};
use crate::transfer::{digest_aside, retrying};
use crate::worker::message::Work;
use crate::worker::wire::TEXT_BYTES_MAX;
use bytes::Bytes;
use model::facts::TextFacts;
use model::plan::TextPlan;
use model::source::TextOrigin;
use model::{Failure, FailureKind, content_key, layout};
use package::manifest::TextTrack;
use package::text::{Cue, parse};

/// Longest segments of all text tracks of a title together: those of a file of the longest that may be,
/// each cue in eight.
const SEGMENTS_BYTES_MAX: u64 = 8 * TEXT_BYTES_MAX as u64;

pub(super) async fn run(context: &Context, attempt: &Attempt, index: u32) -> Result<Outcome, Stop> {
    let (facts, reused) = make(context, attempt, index).await?;
    Ok(Outcome::write(context, attempt, &facts, reused).await?)
}

/// Finds or makes a track; says whether it was found.
pub(super) async fn make(
    context: &Context,
    attempt: &Attempt,
    index: u32,
) -> Result<(TextFacts, bool), Stop> {
    let loaded = context.pinned_plan(&attempt.task().job).await?;
    let plan = &loaded.plan;
    let track = plan
        .text
        .iter()
        .find(|track| track.index == index)
        .ok_or_else(|| {
            Failure::new(
                FailureKind::Bug,
                "text",
                format!("the plan has no text track {index}"),
            )
        })?;
    let sidecar = match &track.track.origin {
        TextOrigin::Stream(_) => None,
        TextOrigin::Sidecar(url) => {
            let source = context.source(url).await?;
            let sha256 = retrying(|| source.sha256()).await;
            let sha256 = sha256.map_err(|e| Failure::new(e.kind(), "text", e.to_string()))?;
            Some((context.reader(source), sha256))
        }
    };
    let sidecar_sha256 = sidecar.as_ref().map(|(_, sha256)| sha256.as_str());
    let key = content_key::of_text(plan, track, sidecar_sha256);
    let planned = |facts: &TextFacts| check_planned(facts, track);
    let refuse_crowd = |(cues, bytes): (&[Cue], u64)| {
        Room::default().take(&describe::captions(plan, track, (cues, bytes)))
    };
    if let Some(found) = reuse::find(context, &key, planned).await? {
        // Its key knows no segments, and those of this plan may be shorter than those it was made for.
        let (cues, bytes) = cues(context, &found).await?;
        refuse_crowd((&cues, bytes))?;
        return Ok((found, true));
    }
    let source = match sidecar {
        Some((source, _)) => source,
        None => context.planned_source(plan).await?,
    };
    let given = Given {
        plan: loaded.json.clone(),
        source: Some(source),
        allowance: Allowance::of_text(),
        ..Given::default()
    };
    let mut running = Running::start(context, attempt, Work::Text { index }, given).await?;
    let mut sent = Bytes::new();
    while let Some((_, bytes)) = running.piece(attempt).await? {
        sent = bytes;
    }
    let made: TextFacts = running.parsed(attempt).await?;
    // The hash of a sidecar is not known to the worker, so the key is not for it to say.
    let facts = TextFacts {
        key: key.clone(),
        ..made
    };
    planned(&facts).map_err(wrong)?;
    let cues = claims::text(&facts, &sent).map_err(wrong)?;
    refuse_crowd((&cues, sent.len() as u64))?;
    let sha256 = digest_aside(sent.clone()).await?;
    if sha256 != facts.sha256 {
        return Err(wrong(format!("facts name {}, sent was {sha256}", facts.sha256)).into());
    }
    context
        .pieces
        .put_hashed((&key, &sha256), "vtt", sent)
        .await?;
    reuse::keep(context, &facts, planned).await?;
    Ok((facts, false))
}

pub(super) fn check_planned(facts: &TextFacts, track: &TextPlan) -> Claim {
    let id = describe::text_id(track);
    if facts.id != id {
        return Err(format!("facts are of {:?}, planned is {id}", facts.id));
    }
    Ok(())
}

/// What the text tracks of a title may still take in all their segments together. A cue is written into
/// every segment that it overlaps, so small files of long cues can make segments that no memory holds.
pub(super) struct Room(u64);

impl Default for Room {
    fn default() -> Self {
        Self(SEGMENTS_BYTES_MAX)
    }
}

impl Room {
    /// Takes what the files of a track need.
    pub(super) fn take(&mut self, track: &TextTrack) -> Result<(), Failure> {
        let segments = track.track.segments.iter();
        let bytes = track.whole_bytes + segments.map(|segment| segment.size_bytes).sum::<u64>();
        self.take_bytes(&track.track.id, bytes)
    }

    /// Takes bytes of files; what is too much is the source's, and nobody's fault.
    pub(super) fn take_bytes(&mut self, place: &str, bytes: u64) -> Result<(), Failure> {
        let left = self.0.checked_sub(bytes);
        self.0 = left.ok_or_else(|| {
            let message = format!(
                "text of {bytes} bytes in all segments that its cues overlap; a title may have \
                 {SEGMENTS_BYTES_MAX}, and {} are left",
                self.0
            );
            Failure::new(FailureKind::Unsupported, place, message)
        })?;
        Ok(())
    }
}

/// Cues of a track whose file is whole, and the bytes of that file.
pub(super) async fn cues(context: &Context, facts: &TextFacts) -> Result<(Vec<Cue>, u64), Failure> {
    let path = layout::bytes(&facts.key, &facts.sha256, "vtt");
    let whole = context.pieces.get(&path).await?;
    let parsed = parse(&whole).map_err(|e| Failure::new(FailureKind::Bug, path, e.to_string()))?;
    Ok((parsed.cues, whole.len() as u64))
}

fn wrong(message: String) -> Failure {
    Failure::new(FailureKind::NodeFault, "text", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::plan::Plan;
    use model::profile::Profile;
    use model::{JobId, Rational, TenantId, TitleId};

    /// Two hours of sound alone in segments of four seconds.
    fn plan() -> Plan {
        let borders = (1..=1800).map(|segment| Rational::whole(4 * segment));
        Plan {
            job: JobId::new("job").unwrap(),
            tenant: TenantId::new("tenant").unwrap(),
            title: TitleId::new("title").unwrap(),
            source_url: String::new(),
            source_sha256: String::new(),
            source_size_bytes: 0,
            profile: Profile::built_in("preview").unwrap(),
            builds: model::plan::BuildIds::new(),
            video: None,
            audio: Vec::new(),
            text: Vec::new(),
            tile_frames: 0,
            duration: Rational::whole(7200),
            audio_borders: borders.collect(),
        }
    }

    fn track(index: u32) -> TextPlan {
        TextPlan {
            index,
            track: model::source::TextTrack {
                origin: TextOrigin::Stream(index),
                codec: String::new(),
                language: "und".to_owned(),
                title: String::new(),
                forced: false,
                hearing_impaired: false,
            },
            zero: Rational::ZERO,
        }
    }

    fn described(count: u64, seconds: u64) -> TextTrack {
        let cue = |number| Cue {
            start_ms: number * 10,
            end_ms: number * 10 + seconds * 1000,
            settings: String::new(),
            text: "a line of a song".to_owned(),
        };
        let cues: Vec<Cue> = (0..count).map(cue).collect();
        describe::captions(&plan(), &track(0), (&cues, 0))
    }

    #[test]
    fn many_cues_are_taken_and_those_that_crowd_all_segments_are_no_nodes_fault() {
        Room::default().take(&described(300_000, 3)).unwrap();
        let crowd = Room::default().take(&described(80_000, 7200)).unwrap_err();
        assert_eq!(crowd.kind, FailureKind::Unsupported, "{crowd}");
    }

    #[test]
    fn tracks_share_the_room_of_their_title() {
        let mut room = Room::default();
        let half = described(1600, 7200);
        room.take(&half).unwrap();
        let crowd = room.take(&half).unwrap_err();
        assert_eq!(crowd.kind, FailureKind::Unsupported, "{crowd}");
        room.take(&described(1000, 3)).unwrap();
    }
}
