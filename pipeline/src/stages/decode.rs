//! Takes frame numbers, gives the decoded frames; holds the decoder's own pictures only.
//!
//! Every frame is known by its time: what the decoder gives must be exactly what the frame table
//! lists, one after the other. A key frame flag is never trusted alone: when what comes out after a
//! seek is not that, decoding starts again one access point earlier, a few times, and then the
//! source is to blame. Leading pictures of the access point itself, which lack their references,
//! come before its frame and are passed over.

use crate::error::{Error, InStage, Place, Result};
use codec::Decoder;
use libav::{ByteSource, DecodedPicture, DecoderOptions, Demuxer, Packet, StreamInfo};
use model::FailureKind;
use model::source::{AccessPoint, VideoTrack};

const STAGE: &str = "decode";

/// Access points that are tried: the nearest, and three before it. Open GOPs and wrong flags need
/// one more; sources that need more than three are broken.
const TRIES: usize = 4;

/// Frames that are rather decoded and thrown away than jumped over: a jump costs a flush, a read and
/// the decoder's delay.
const SKIP_FRAMES: u32 = 16;

/// Decodes frames of one track by number.
pub(crate) struct Decode {
    demuxer: Demuxer,
    decoder: Box<dyn Decoder>,
    stream: u32,
    times: Vec<i64>,
    access_points: Vec<AccessPoint>,
    /// The frame that comes out next, once it is known.
    next: Option<u32>,
    /// After a seek: the frame from which on all must come.
    from: u32,
    /// The container has no presentation times, so frames are counted.
    is_ordinal: bool,
    /// The frame up to which frames may be missing.
    aim: Option<u32>,
    /// Run-ups are not decoded in full, which is cheaper; a source that it does not suit ends it.
    may_skip: bool,
    pending: Option<Packet>,
    is_at_end: bool,
}

/// What one step of decoding came to.
enum Step {
    /// A frame is in the picture.
    Frame(u32),
    /// The decoder is empty and the source at its end.
    End,
}

impl Decode {
    /// Opens the source and the decoder of the track.
    pub(crate) fn open(source: Box<dyn ByteSource>, track: &VideoTrack) -> Result<Self> {
        crate::cpu::pin_for_video(&track.codec)?;
        let mut demuxer = Demuxer::open(source).in_stage(STAGE)?;
        let stream = find(&demuxer, track)?;
        let decoder = codec::open_decoder(&stream, &DecoderOptions::default()).in_stage(STAGE)?;
        demuxer.select(&[track.stream]);
        Ok(Self {
            demuxer,
            decoder,
            stream: track.stream,
            times: track.frames.pts().collect(),
            access_points: track.frames.access_points.clone(),
            next: None,
            from: 0,
            is_ordinal: false,
            aim: None,
            may_skip: true,
            pending: None,
            is_at_end: false,
        })
    }

    /// Number of frames of the track.
    pub(crate) fn frames(&self) -> u32 {
        u32::try_from(self.times.len()).unwrap_or(u32::MAX)
    }

    /// Writes a frame into the picture. Forwards by a few is cheapest; anything else is a seek.
    pub(crate) fn frame(&mut self, wanted: u32, picture: &mut DecodedPicture) -> Result<()> {
        if wanted >= self.frames() {
            let message = "the plan names a frame that the source does not have";
            return Err(Error::bug(STAGE, message).at(Place::SourceFrame(wanted)));
        }
        let nearest = self
            .access_points
            .partition_point(|point| point.frame <= wanted)
            .checked_sub(1)
            .ok_or_else(|| Error::bug(STAGE, "no access point").at(Place::SourceFrame(wanted)))?;
        let is_near = self.next.is_some_and(|next| {
            let is_beyond = self.access_points[nearest].frame > next;
            next <= wanted && !(is_beyond && wanted - next > SKIP_FRAMES)
        });
        let mut trouble = None;
        if is_near {
            self.aim_at(None);
            match self.run_to(wanted, picture) {
                Err(error) if error.is_about_the_source() => trouble = Some(error),
                outcome => return outcome,
            }
        }
        let mut outcome = self.decode_again(nearest, wanted, picture);
        if self.may_skip && outcome.as_ref().is_err_and(Error::is_about_the_source) {
            self.may_skip = false;
            outcome = self.decode_again(nearest, wanted, picture);
        }
        outcome.map_err(|error| {
            let first = trouble.filter(|_| error.is_about_the_source());
            first.unwrap_or(error).at(Place::SourceFrame(wanted))
        })
    }

    /// Decodes a frame from the nearest access point, then from earlier ones. Where none of those
    /// gave even its own frame (intra refresh recovers slowly), only the first of the track is sure.
    fn decode_again(
        &mut self,
        nearest: usize,
        wanted: u32,
        picture: &mut DecodedPicture,
    ) -> Result<()> {
        let tries = (0..=nearest).rev().take(TRIES);
        let last = (nearest >= TRIES).then_some(0);
        let mut trouble = Error::bad_input(STAGE, "it does not decode");
        let mut has_identified = false;
        for (count, index) in tries.chain(last).enumerate() {
            if count == TRIES && has_identified {
                break;
            }
            self.seek(self.access_points[index])?;
            self.aim_at(Some(wanted).filter(|_| self.may_skip && !self.is_ordinal));
            match self.run_to(wanted, picture) {
                Err(error) if error.is_about_the_source() => trouble = error,
                outcome => return outcome,
            }
            has_identified |= self.next.is_some();
        }
        self.next = None;
        Err(trouble)
    }

    fn seek(&mut self, point: AccessPoint) -> Result<()> {
        self.demuxer
            .seek_to(self.stream, point.dts)
            .in_stage(STAGE)?;
        self.decoder.flush().in_stage(STAGE)?;
        self.next = None;
        self.from = point.frame;
        self.is_at_end = false;
        self.pending = self.read()?;
        let first = self.pending.as_ref();
        self.is_ordinal = first.is_some_and(|packet| packet.pts().is_none());
        if self.is_ordinal {
            // Without presentation times the decode time of the first packet tells where this is.
            let dts = first.and_then(Packet::dts);
            let found = self
                .access_points
                .iter()
                .find(|known| Some(known.dts) == dts);
            self.next = Some(found.map_or(point.frame, |known| known.frame));
        }
        Ok(())
    }

    /// Says that no frame before this one is wanted.
    fn aim_at(&mut self, wanted: Option<u32>) {
        self.aim = wanted;
        let time = wanted.and_then(|wanted| self.times.get(wanted as usize).copied());
        self.decoder.skip_to(time);
    }

    fn run_to(&mut self, wanted: u32, picture: &mut DecodedPicture) -> Result<()> {
        loop {
            match self.step(picture)? {
                Step::Frame(frame) if frame < wanted => {}
                Step::Frame(frame) if frame > wanted => {
                    return Err(Error::bad_input(
                        STAGE,
                        format!("frame {frame} comes instead"),
                    ));
                }
                Step::Frame(_) if picture.corrupt => {
                    return Err(Error::bad_input(STAGE, "it decodes with errors"));
                }
                Step::Frame(_) => return Ok(()),
                Step::End => {
                    return Err(Error::bad_input(STAGE, "the source ends before it"));
                }
            }
        }
    }

    /// Decodes until the next frame of the table is out.
    fn step(&mut self, picture: &mut DecodedPicture) -> Result<Step> {
        loop {
            if self.decoder.receive(picture).in_stage(STAGE)? {
                match self.identify(picture.pts)? {
                    Some(frame) => return Ok(Step::Frame(frame)),
                    None => continue,
                }
            }
            if self.is_at_end {
                return Ok(Step::End);
            }
            let packet = match self.pending.take() {
                Some(packet) => Some(packet),
                None => self.read()?,
            };
            match self.decoder.send(packet.as_ref()) {
                Ok(true) => self.is_at_end = packet.is_none(),
                Ok(false) => self.pending = packet,
                Err(error) if self.may_fail(packet.as_ref(), &error) => {}
                Err(error) => return Err(Error::new(STAGE, error)),
            }
        }
    }

    /// Whether a packet may be lost: a leading picture of the access point.
    fn may_fail(&self, packet: Option<&Packet>, error: &codec::Error) -> bool {
        let start = self.times.get(self.from as usize);
        let time = packet.and_then(Packet::pts);
        error.kind() == FailureKind::BadInput
            && time.zip(start).is_some_and(|(time, start)| time < *start)
    }

    /// Which frame a time stands for; `None` for what comes before the access point.
    fn identify(&mut self, time: Option<i64>) -> Result<Option<u32>> {
        let frame = match self.next {
            Some(next) => {
                let next = self.skipped_to(next, time);
                let expected = self.times.get(next as usize).copied();
                if !self.is_ordinal && (expected.is_none() || expected != time) {
                    return Err(unexpected(expected, time));
                }
                next
            }
            None => {
                let start = self.times.get(self.from as usize).copied();
                let Some(time) = time else {
                    return Err(unexpected(start, None));
                };
                if start.is_some_and(|start| time < start) {
                    return Ok(None);
                }
                // Nothing may be missing from the access point on.
                if start != Some(time) {
                    return Err(unexpected(start, Some(time)));
                }
                self.from
            }
        };
        self.next = Some(frame + 1);
        Ok(Some(frame))
    }

    /// The frame that comes where `next` would: a later one when frames may be missing.
    fn skipped_to(&self, next: u32, time: Option<i64>) -> u32 {
        let found = self.aim.zip(time).and_then(|(aim, time)| {
            let between = self.times.get(next as usize..=aim as usize)?;
            let place = between.binary_search(&time).ok()?;
            u32::try_from(place).ok()?.checked_add(next)
        });
        found.unwrap_or(next)
    }

    fn read(&mut self) -> Result<Option<Packet>> {
        loop {
            match self.demuxer.next_packet().in_stage(STAGE)? {
                Some(packet) if packet.stream() != self.stream => {}
                other => return Ok(other),
            }
        }
    }
}

fn unexpected(expected: Option<i64>, got: Option<i64>) -> Error {
    let name = |time: Option<i64>| time.map_or("no frame".to_owned(), |t| format!("time {t}"));
    let message = format!("{} is expected, {} decodes", name(expected), name(got));
    Error::bad_input(STAGE, message)
}

fn find(demuxer: &Demuxer, track: &VideoTrack) -> Result<StreamInfo> {
    let stream = demuxer.streams().get(track.stream as usize);
    let same = stream.filter(|stream| stream.codec == track.codec);
    same.cloned().ok_or_else(|| {
        let message = format!("the source has no {} there", track.codec);
        Error::bad_input(STAGE, message).at(Place::Stream(track.stream))
    })
}
