//! One chunk: a run of segments of one rendition group, from source bytes to media segments.
//!
//! The source is decoded once for all renditions of the group; each rendition scales and encodes on
//! a thread of its own behind a queue of few pictures. The next segment's pictures flow while the
//! encoders still drain the last, and never is more than two segments open. Nothing of that shows
//! in the bytes: every segment is encoded from fresh encoders, and the frames it shows are named by
//! the plan.
//!
//! A segment's encoders also see the first pictures of the next segment, else its last ones come out
//! worse. When the next segment is made here too, they are decoded and scaled once for both.

mod unit;
mod worker;

use crate::error::{Error, Place, Result};
use crate::output::Output;
use crate::stages::{Decode, Depths, Filter, Filtered, Measure, Pool};
use libav::ByteSource;
use model::plan::{Plan, RenditionGroup, VideoPlan};
use model::task::Next;
use std::io;
use std::time::{Duration, Instant};
use unit::Units;
use worker::{Made, Order, Workers};

const STAGE: &str = "chunk";

/// Segments that may be claimed and not finished: one that drains, one that is fed.
const OPEN_MAX: usize = 2;

/// Between two reports of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Full-size pictures that are kept for use again besides those that encoders are shown ahead: what
/// waits in the queues, what is measured, and what the filters work on.
const SPENT_PICTURES: usize = 8;

/// Makes the segments that `next` names, in all renditions of a group. `next` blocks until the
/// caller has claimed a segment; at most two are open at a time, and after [`Next::Later`] those that are
/// open are finished before it is asked again. `emit` takes what is made: of one segment first its parts, then [`Output::UnitDone`], and
/// segments in the order of their claims.
pub fn run_chunk(
    plan: &Plan,
    group: &str,
    source: Box<dyn ByteSource>,
    next: &mut dyn FnMut() -> Next<u32>,
    emit: &mut dyn FnMut(Output) -> io::Result<()>,
) -> Result<()> {
    let video = plan.video.as_ref();
    let video = video.ok_or_else(|| Error::bug(STAGE, "the plan has no pictures"))?;
    let named = plan.group(group);
    let named = named.ok_or_else(|| Error::bug(STAGE, format!("the plan has no group {group}")))?;
    let decode = Decode::open(source, &video.track)?;
    let leads = plan.leads(group);
    std::thread::scope(|scope| {
        let workers = Workers::start(scope, plan, video, named);
        let chunk = Chunk {
            video,
            frames: Filter::new(
                decode,
                &video.filters,
                depths(named, leads),
                Pool::new(SPENT_PICTURES + named.lookahead_frames as usize),
            ),
            measure: leads.then(|| Measure::new(plan, video)).transpose()?,
            workers,
            units: Units::new(named.renditions.len()),
            held: None,
            lookahead: named.lookahead_frames,
            ending: None,
            emit,
            reported: Instant::now(),
        };
        chunk.run(next)
    })
}

/// The pictures that a group takes, and statistics and tiles where it has to look at them.
fn depths(group: &RenditionGroup, leads: bool) -> Depths {
    let has = |wanted: u8| {
        let mut depths = group.renditions.iter().map(|rendition| rendition.bit_depth);
        depths.any(|depth| (depth == 8) == (wanted == 8))
    };
    Depths {
        narrow: leads || has(8),
        deep: has(10),
    }
}

struct Chunk<'a> {
    video: &'a VideoPlan,
    frames: Filter,
    measure: Option<Measure<'a>>,
    workers: Workers,
    units: Units,
    /// The last source frame, which the next output frame may show again.
    held: Option<(u32, Filtered)>,
    /// Pictures of the next segment that encoders are shown.
    lookahead: u32,
    /// The segment that was fed last, while its encoders have not seen what follows it.
    ending: Option<u32>,
    emit: &'a mut dyn FnMut(Output) -> io::Result<()>,
    reported: Instant,
}

impl Chunk<'_> {
    fn run(mut self, next: &mut dyn FnMut() -> Next<u32>) -> Result<()> {
        loop {
            while self.units.len() >= OPEN_MAX {
                self.settle()?;
            }
            let segment = match next() {
                Next::One(segment) => segment,
                Next::Later => {
                    self.finish()?;
                    continue;
                }
                Next::Nothing => break,
            };
            self.units.open(segment);
            if self.ending.is_some_and(|last| last + 1 != segment) {
                self.show_ahead()?;
            }
            self.feed(segment)?;
        }
        self.finish()
    }

    /// Finishes all open segments.
    fn finish(&mut self) -> Result<()> {
        self.show_ahead()?;
        while !self.units.is_empty() {
            self.settle()?;
        }
        Ok(())
    }

    /// Gives a segment's pictures to all encoders.
    fn feed(&mut self, segment: u32) -> Result<()> {
        let outputs = self.video.grid.segment(segment);
        if outputs.is_empty() {
            let message = "it is beyond the grid";
            return Err(Error::bug(STAGE, message).at(Place::Segment(segment)));
        }
        self.workers.give_all(|| Order::Begin {
            segment,
            retries: 0,
        })?;
        let sources = self.video.map.sources(outputs.clone());
        if sources.len() != outputs.len() {
            let message = "the frame map is shorter than the grid";
            return Err(Error::bug(STAGE, message).at(Place::Segment(segment)));
        }
        for ((done, output), source) in (1..).zip(outputs).zip(sources) {
            let picture = self.picture(source)?;
            if let Some(measure) = &mut self.measure {
                measure.push(output, picture.of(8)?)?;
            }
            self.workers.give_all(|| Order::Picture(picture.clone()))?;
            self.take_ready()?;
            self.report(segment, done)?;
        }
        self.workers.give_all(|| Order::End)?;
        self.ending = Some(segment);
        if let Some(measure) = &mut self.measure {
            let (facts, tiles) = measure.finish(segment);
            self.emit(Output::Pictures {
                segment,
                facts,
                tiles,
            })?;
        }
        Ok(())
    }

    /// Shows the encoders of the segment that was fed last what follows it, as if the next segment
    /// were fed.
    fn show_ahead(&mut self) -> Result<()> {
        let Some(segment) = self.ending.take() else {
            return Ok(());
        };
        let ahead = self.video.grid.after(segment, self.lookahead);
        for source in self.video.map.sources(ahead) {
            let picture = self.picture(source)?;
            self.workers.give_all(|| Order::Ahead(picture.clone()))?;
            self.take_ready()?;
        }
        Ok(())
    }

    fn picture(&mut self, source: u32) -> Result<Filtered> {
        if let Some((_, picture)) = self.held.as_ref().filter(|(frame, _)| *frame == source) {
            return Ok(picture.clone());
        }
        let picture = self.frames.frame(source)?;
        self.held = Some((source, picture.clone()));
        Ok(picture)
    }

    /// Waits for the oldest segment, encodes again what did not fit the buffer, and closes it.
    fn settle(&mut self) -> Result<()> {
        while !self.units.is_oldest_complete() {
            if let Some((segment, again)) = self.units.take_retries() {
                self.show_ahead()?;
                self.feed_again(segment, &again)?;
                continue;
            }
            let made = self.workers.wait()?;
            self.take(made)?;
        }
        self.close()
    }

    /// A segment once more, for those renditions that need it. Their encoders know nothing of the
    /// first time, so the result does not depend on what was encoded in between.
    fn feed_again(&mut self, segment: u32, renditions: &[usize]) -> Result<()> {
        let order = || Order::Begin {
            segment,
            retries: 1,
        };
        self.workers.give(renditions, order)?;
        for source in self.video.map.sources(self.video.grid.segment(segment)) {
            let picture = self.picture(source)?;
            self.workers
                .give(renditions, || Order::Picture(picture.clone()))?;
        }
        self.workers.give(renditions, || Order::End)?;
        let ahead = self.video.grid.after(segment, self.lookahead);
        for source in self.video.map.sources(ahead) {
            let picture = self.picture(source)?;
            self.workers
                .give(renditions, || Order::Ahead(picture.clone()))?;
        }
        Ok(())
    }

    fn take_ready(&mut self) -> Result<()> {
        while let Some(made) = self.workers.poll()? {
            self.take(made)?;
        }
        Ok(())
    }

    /// Gives a finished rendition of a segment on, or notes that it must be made again.
    fn take(&mut self, made: Made) -> Result<()> {
        if !made.is_kept && made.facts.quality_retries == 0 {
            self.units.retry(made.segment, made.rendition);
            return Ok(());
        }
        self.units.finish(made.segment, made.rendition);
        let rendition = self.workers.id(made.rendition);
        self.emit(Output::Segment {
            segment: made.segment,
            rendition,
            bytes: made.bytes,
            facts: made.facts,
        })
    }

    fn close(&mut self) -> Result<()> {
        let Some((segment, elapsed)) = self.units.close() else {
            return Ok(());
        };
        let frames = u32::try_from(self.video.grid.segment(segment).len()).unwrap_or(u32::MAX);
        self.emit(Output::UnitDone {
            segment,
            frames,
            elapsed,
        })
    }

    fn report(&mut self, segment: u32, frames: u32) -> Result<()> {
        if self.reported.elapsed() < PROGRESS_EVERY {
            return Ok(());
        }
        self.reported = Instant::now();
        self.emit(Output::Progress { segment, frames })
    }

    fn emit(&mut self, output: Output) -> Result<()> {
        (self.emit)(output).map_err(|error| Error::new("output", error))
    }
}
