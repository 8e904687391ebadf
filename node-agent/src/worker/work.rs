//! What a worker does with its one request: calls the pipeline and says what comes out.

use super::child::Link;
use super::message::{Request, Said, Tiles, Work};
use super::ranges::RangeSource;
use super::wire::{Frame, TEXT_BYTES_MAX, WireError};
use libav::ByteSource;
use model::facts::PictureFacts;
use model::plan::{Plan, TextPlan};
use model::source::TextOrigin;
use model::{Failure, FailureKind};
use pipeline::{Output, TextInput};
use serde::Serialize;
use std::io;
use std::sync::Arc;

/// Frames that follow a request.
pub(super) fn followers(work: &Work) -> u32 {
    match work {
        Work::Images { segments } => *segments,
        _ => 0,
    }
}

/// Does the work; returns the result as JSON.
pub(super) fn run(
    link: &Arc<Link>,
    request: &Request,
    plan: Vec<u8>,
    followers: Vec<Frame>,
) -> Result<Vec<u8>, Failure> {
    let source = || -> Box<dyn ByteSource> {
        Box::new(RangeSource::new(Arc::clone(link), request.source_bytes))
    };
    match &request.work {
        Work::Probe => json(&pipeline::probe(source())?),
        Work::Chunk { group } => chunk(link, &parse(&plan)?, group, source()),
        Work::Audio { index } => {
            let mut emit = |made: pipeline::AudioChunk| {
                let said = Said::Piece {
                    output: made.output,
                };
                link.say(&said, &made.bytes).map_err(io::Error::other)
            };
            json(&pipeline::run_audio(
                &parse(&plan)?,
                *index,
                &mut || Ok(source()),
                &mut emit,
            )?)
        }
        Work::Text { index } => text(link, &parse(&plan)?, *index, source()),
        Work::Images { .. } => images(link, &parse(&plan)?, followers, source()),
        #[cfg(debug_assertions)]
        Work::Misbehave(how) => misbehave(link, *how),
    }
}

fn broken(place: &str, what: impl ToString) -> Failure {
    Failure::new(FailureKind::Bug, place, what.to_string())
}

fn unsaid(error: WireError) -> Failure {
    broken("worker", error)
}

fn parse(plan: &[u8]) -> Result<Plan, Failure> {
    serde_json::from_slice(plan).map_err(|e| broken("plan", e))
}

fn json(result: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(result).map_err(|e| broken("result", e))
}

fn chunk(
    link: &Link,
    plan: &Plan,
    group: &str,
    source: Box<dyn ByteSource>,
) -> Result<Vec<u8>, Failure> {
    let mut next = || link.claim();
    let mut emit = |output: Output| {
        let (said, payload) = match output {
            Output::Segment {
                segment,
                rendition,
                bytes,
                facts,
            } => (
                Said::Segment {
                    segment,
                    rendition,
                    facts: Box::new(facts),
                },
                bytes,
            ),
            Output::Pictures {
                segment,
                facts,
                tiles,
            } => (
                Said::Pictures {
                    segment,
                    facts: Box::new(facts),
                },
                tiles,
            ),
            Output::UnitDone { segment, .. } => (Said::UnitDone { segment }, Vec::new()),
            Output::Progress { segment, frames } => (
                Said::Progress {
                    segment,
                    done: frames,
                },
                Vec::new(),
            ),
        };
        link.say(&said, &payload).map_err(io::Error::other)
    };
    pipeline::run_chunk(plan, group, source, &mut next, &mut emit)?;
    json(&())
}

fn text(
    link: &Link,
    plan: &Plan,
    index: u32,
    mut source: Box<dyn ByteSource>,
) -> Result<Vec<u8>, Failure> {
    let track = plan.text.iter().find(|track| track.index == index);
    let sidecar = |track: &TextPlan| matches!(track.track.origin, TextOrigin::Sidecar(_));
    let input = if track.is_some_and(sidecar) {
        TextInput::Sidecar(whole(source.as_mut())?)
    } else {
        TextInput::Source(source)
    };
    let (facts, file) = pipeline::run_text(plan, index, input)?;
    within_bounds(file.len() as u64)?;
    link.say(
        &Said::Piece {
            output: facts.id.clone(),
        },
        &file,
    )
    .map_err(unsaid)?;
    json(&facts)
}

/// A text longer than the bound is the source's, and nobody's fault.
fn within_bounds(bytes: u64) -> Result<(), Failure> {
    if bytes <= u64::from(TEXT_BYTES_MAX) {
        return Ok(());
    }
    let message = format!("a text file of {bytes} bytes; up to {TEXT_BYTES_MAX} may be");
    Err(Failure::new(FailureKind::Unsupported, "text", message))
}

fn whole(source: &mut dyn ByteSource) -> Result<Vec<u8>, Failure> {
    let length = source.len();
    within_bounds(length)?;
    // At most 32 MiB.
    let mut bytes = vec![0; length as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read_at(filled as u64, &mut bytes[filled..]) {
            Ok(0) => {
                return Err(Failure::new(
                    FailureKind::BadInput,
                    "text",
                    "file is cut off",
                ));
            }
            Ok(count) => filled += count,
            Err(error) => return Err(broken("text", error)),
        }
    }
    Ok(bytes)
}

fn images(
    link: &Link,
    plan: &Plan,
    followers: Vec<Frame>,
    source: Box<dyn ByteSource>,
) -> Result<Vec<u8>, Failure> {
    let mut pictures: Vec<PictureFacts> = Vec::with_capacity(followers.len());
    let mut tiles = Vec::with_capacity(followers.len());
    for frame in followers {
        let Tiles { facts } = frame.parse().map_err(unsaid)?;
        pictures.push(facts);
        tiles.push(frame.payload);
    }
    let (facts, files) = pipeline::run_images(plan, &pictures, &tiles, source)?;
    for file in files {
        link.say(
            &Said::Piece {
                output: "images".to_owned(),
            },
            &file.bytes,
        )
        .map_err(unsaid)?;
    }
    json(&facts)
}

#[cfg(debug_assertions)]
fn misbehave(
    link: &Link,
    how: crate::sandbox::misbehave::Misbehaviour,
) -> Result<Vec<u8>, Failure> {
    use crate::sandbox::misbehave::{Misbehaviour, misbehave};
    match how {
        Misbehaviour::Babble => link.babble(),
        Misbehaviour::Reread => while link.read(0, 4096).is_ok() {},
        Misbehaviour::Pretend => {
            let progress = |done| Said::Progress { segment: 0, done };
            (1..)
                .map_while(|done| link.say(&progress(done), &[]).ok())
                .for_each(drop);
        }
        _ => {}
    }
    json(&misbehave(how))
}
