//! The threads of a chunk: one for each rendition, which scales, encodes and writes its segments.

use crate::error::{Error, Result};
use crate::stages::{Encode, Filtered, Muxer, Pool, Scale, Shared};
use codec::EncodeOptions;
use frame::Size;
use model::facts::SegmentFacts;
use model::plan::{Plan, RenditionGroup, VideoPlan};
use model::rendition::{EncoderFamily, Rendition};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::Scope;

/// Pictures that wait for one encoder: enough that a slow frame of one rendition does not stop the
/// others, and 25 MB at 2160p.
const QUEUE: usize = 2;

/// Results that wait: of two open segments, and of a third time that one of them is made again.
const RESULTS_PER_RENDITION: usize = 3;

/// Scaled pictures in use besides those that are withheld: the last, and one in the making.
const SPENT_PICTURES: usize = 2;

/// What an encoder's thread is told.
pub(super) enum Order {
    /// A segment begins; with `retries`, at so much less quality.
    Begin { segment: u32, retries: u8 },
    /// Its next picture, full size.
    Picture(Filtered),
    /// It is complete; the pictures that follow, its encoder is only shown.
    End,
    /// A picture of the next segment, when that one is not made here.
    Ahead(Filtered),
}

/// One rendition of a segment.
pub(super) struct Made {
    pub(super) segment: u32,
    /// Index in the group.
    pub(super) rendition: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) facts: SegmentFacts,
    /// Whether it fits the decoder's buffer.
    pub(super) is_kept: bool,
}

/// The threads, seen from the chunk's. They end when this is dropped.
pub(super) struct Workers {
    orders: Vec<SyncSender<Order>>,
    results: Receiver<Result<Made>>,
    ids: Vec<String>,
}

impl Workers {
    pub(super) fn start<'scope, 'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        plan: &'env Plan,
        video: &'env VideoPlan,
        group: &'env RenditionGroup,
    ) -> Self {
        let count = group.renditions.len();
        let (made, results) = sync_channel(count * RESULTS_PER_RENDITION);
        let mut orders = Vec::with_capacity(count);
        for (index, rendition) in group.renditions.iter().enumerate() {
            let (sender, receiver) = sync_channel(QUEUE);
            orders.push(sender);
            let muxer = Muxer {
                plan,
                video,
                group,
                rendition,
            };
            let made = made.clone();
            scope.spawn(move || {
                let _alarm = Alarm(&made);
                let mut worker = Worker::new(index, muxer, &made);
                if let Err(error) = worker.run(&receiver) {
                    // Nobody left to tell means that the chunk has failed already.
                    let _ = made.send(Err(error));
                }
            });
        }
        let ids = group.renditions.iter().map(|one| one.id.clone()).collect();
        Self {
            orders,
            results,
            ids,
        }
    }

    pub(super) fn id(&self, rendition: usize) -> String {
        self.ids.get(rendition).cloned().unwrap_or_default()
    }

    /// Tells some threads; blocks while a queue is full.
    pub(super) fn give(&self, renditions: &[usize], order: impl Fn() -> Order) -> Result<()> {
        for &index in renditions {
            if self.orders[index].send(order()).is_err() {
                return Err(self.reason());
            }
        }
        Ok(())
    }

    /// Tells all threads.
    pub(super) fn give_all(&self, order: impl Fn() -> Order) -> Result<()> {
        for sender in &self.orders {
            if sender.send(order()).is_err() {
                return Err(self.reason());
            }
        }
        Ok(())
    }

    /// What is ready without waiting.
    pub(super) fn poll(&self) -> Result<Option<Made>> {
        match self.results.try_recv() {
            Ok(made) => made.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }

    /// The next result.
    pub(super) fn wait(&self) -> Result<Made> {
        self.results.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Why a thread does not listen any more.
    fn reason(&self) -> Error {
        while let Ok(made) = self.results.recv() {
            if let Err(error) = made {
                return error;
            }
        }
        gone()
    }
}

fn gone() -> Error {
    Error::bug("encode", "an encoder's thread ended without a reason")
}

/// Tells the chunk of a panic, which would otherwise wait for this thread's results for ever.
struct Alarm<'a>(&'a SyncSender<Result<Made>>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self
                .0
                .send(Err(Error::bug("encode", "an encoder's thread panicked")));
        }
    }
}

struct Worker<'a> {
    index: usize,
    muxer: Muxer<'a>,
    made: &'a SyncSender<Result<Made>>,
    scale: Scale,
    /// The segment whose pictures come.
    current: Option<Open<'a>>,
    /// The segment before it, whose encoder is still shown what follows. The current one's encoder
    /// gets its pictures when this one is done: so only one encoder's memory is in use.
    ending: Option<Open<'a>>,
    /// What the current encoder has not got yet; at most the plan's `lookahead_frames`.
    withheld: Vec<Shared>,
}

/// A segment in work.
struct Open<'a> {
    segment: u32,
    retries: u8,
    encode: Encode<'a>,
}

impl<'a> Worker<'a> {
    fn new(index: usize, muxer: Muxer<'a>, made: &'a SyncSender<Result<Made>>) -> Self {
        let rendition = muxer.rendition;
        let pool = Pool::new(muxer.group.lookahead_frames as usize + SPENT_PICTURES);
        Self {
            index,
            scale: Scale::new(Size::new(rendition.width, rendition.height), pool),
            muxer,
            made,
            current: None,
            ending: None,
            withheld: Vec::new(),
        }
    }

    /// Until the end of the orders, which is the end of the chunk, or until nobody takes results.
    fn run(&mut self, orders: &Receiver<Order>) -> Result<()> {
        while let Ok(order) = orders.recv() {
            match order {
                Order::Begin { segment, retries } => self.begin(segment, retries)?,
                Order::Picture(picture) => self.picture(&picture)?,
                Order::Ahead(picture) => {
                    let picture = self.scaled(&picture)?;
                    self.show(&picture)?;
                }
                Order::End => self.end()?,
            }
        }
        Ok(())
    }

    fn begin(&mut self, segment: u32, retries: u8) -> Result<()> {
        if self.current.is_some() {
            return Err(Error::bug("encode", "a segment inside a segment"));
        }
        let Muxer { video, group, .. } = self.muxer;
        let options = EncodeOptions {
            quality_added_centi: u32::from(retries) * quality_step_centi(self.muxer.rendition),
            keyframe_frames: group.keyframe_frames,
            ..EncodeOptions::default()
        };
        let count = |frames: Range<u32>| frames.end - frames.start;
        let own = count(video.grid.segment(segment));
        let ahead = count(video.grid.after(segment, group.lookahead_frames));
        self.current = Some(Open {
            segment,
            retries,
            encode: Encode::new(self.muxer.rendition, options, (own, ahead)),
        });
        Ok(())
    }

    /// The picture in the rendition's depth and size.
    fn scaled(&mut self, picture: &Filtered) -> Result<Shared> {
        self.scale
            .scale(picture.of(self.muxer.rendition.bit_depth)?)
    }

    /// A picture of the current segment, which may also be ahead of the one that ends.
    fn picture(&mut self, picture: &Filtered) -> Result<()> {
        let picture = self.scaled(picture)?;
        if self.ending.is_some() {
            self.withheld.push(picture.clone());
            return self.show(&picture);
        }
        match &mut self.current {
            Some(open) => open.encode.push(&picture),
            None => Err(Error::bug("encode", "a picture outside a segment")),
        }
    }

    /// Shows the ending segment's encoder what follows.
    fn show(&mut self, picture: &Shared) -> Result<()> {
        match &mut self.ending {
            Some(open) => open.encode.push(picture)?,
            None => return Ok(()),
        }
        self.finish_seen()
    }

    fn end(&mut self) -> Result<()> {
        if self.ending.is_some() {
            return Err(Error::bug("encode", "two segments end at once"));
        }
        self.ending = self.current.take();
        self.finish_seen()
    }

    /// Finishes the ending segment if its encoder has seen enough, and gives the current one's what was
    /// withheld from it.
    fn finish_seen(&mut self) -> Result<()> {
        let Some(open) = self.ending.take_if(|open| open.encode.has_seen_enough()) else {
            return Ok(());
        };
        let samples = open.encode.finish()?;
        let is_kept = self.muxer.fit(&samples).is_none_or(|fit| fit.is_kept);
        let (bytes, facts) = self.muxer.write(open.segment, samples, open.retries)?;
        // Nobody there to take it means that the chunk has failed: the orders end soon.
        let _ = self.made.send(Ok(Made {
            segment: open.segment,
            rendition: self.index,
            bytes,
            facts,
            is_kept,
        }));
        if let Some(open) = &mut self.current {
            for picture in self.withheld.drain(..) {
                open.encode.push(&picture)?;
            }
        }
        Ok(())
    }
}

/// What a retry adds to the quality number: one CRF, or as much of rav1e's quantizer (0 to 255) as
/// costs about the same eighth of the rate.
const fn quality_step_centi(rendition: &Rendition) -> u32 {
    match rendition.family {
        EncoderFamily::X264 | EncoderFamily::X265 => 100,
        EncoderFamily::Rav1e => 1000,
    }
}
