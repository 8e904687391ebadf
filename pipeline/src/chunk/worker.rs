//! The threads of a chunk: one for each rendition, which scales, encodes and writes its segments.

use crate::error::{Error, Result};
use crate::stages::{Encode, Muxer, Scale, Shared};
use codec::EncodeOptions;
use frame::Size;
use model::facts::SegmentFacts;
use model::plan::{Plan, RenditionGroup, VideoPlan};
use model::rendition::{EncoderFamily, Rendition};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::Scope;

/// Pictures that wait for one encoder: enough that a slow frame of one rendition does not stop the
/// others, and 25 MB at 2160p.
const QUEUE: usize = 2;

/// Results that wait: of two open segments, and of a third time that one of them is made again.
const RESULTS_PER_RENDITION: usize = 3;

/// What an encoder's thread is told.
pub(super) enum Order {
    /// A segment begins; with `retries`, at so much less quality.
    Begin { segment: u32, retries: u8 },
    /// Its next picture, full size.
    Picture(Shared),
    /// It is complete.
    End,
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
                let worker = Worker {
                    index,
                    muxer,
                    made: &made,
                };
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
}

impl Worker<'_> {
    fn run(&self, orders: &Receiver<Order>) -> Result<()> {
        let rendition = self.muxer.rendition;
        let mut scale = Scale::new(Size::new(rendition.width, rendition.height))?;
        // The end of the orders is the end of the chunk.
        while let Ok(order) = orders.recv() {
            let Order::Begin { segment, retries } = order else {
                return Err(Error::bug("encode", "a picture outside a segment"));
            };
            let Some(made) = self.segment(segment, retries, orders, &mut scale)? else {
                return Ok(());
            };
            scale.rest();
            if self.made.send(Ok(made)).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One segment; `None` when the orders end in its middle.
    fn segment(
        &self,
        segment: u32,
        retries: u8,
        orders: &Receiver<Order>,
        scale: &mut Scale,
    ) -> Result<Option<Made>> {
        let rendition = self.muxer.rendition;
        let options = EncodeOptions {
            quality_added_centi: u32::from(retries) * quality_step_centi(rendition),
            keyframe_frames: self.muxer.group.keyframe_frames,
        };
        let mut encode = Encode::new(rendition, options);
        loop {
            match orders.recv() {
                Ok(Order::Picture(picture)) => encode.push(scale.scale(&picture)?)?,
                Ok(Order::End) => break,
                Ok(Order::Begin { .. }) => {
                    return Err(Error::bug("encode", "a segment inside a segment"));
                }
                Err(_) => return Ok(None),
            }
        }
        let samples = encode.finish()?;
        let is_kept = self.muxer.fit(&samples).is_none_or(|fit| fit.is_kept);
        let (bytes, facts) = self.muxer.write(segment, samples, retries)?;
        Ok(Some(Made {
            segment,
            rendition: self.index,
            bytes,
            facts,
            is_kept,
        }))
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
