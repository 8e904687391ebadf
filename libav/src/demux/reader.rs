//! Packets of a container in file order.
//!
//! # What an edit list does to packets (ISO/IEC 14496-12 8.6.6)
//! libav applies MP4 edit lists (`advanced_editlist`, on by default), and this reader leaves it so:
//! - times are those of the presentation: the first shown picture of an edit that starts later than
//!   its key frame has the time the edit gives it, earlier pictures have smaller, often negative
//!   times;
//! - pictures outside the edits come as packets with [`Packet::is_discard`] when a shown picture
//!   may need them. They must be sent to the decoder, which gives no picture for them. They count
//!   as packets, not as frames;
//! - an empty edit at the start moves all times later;
//! - the packet of audio priming is a discard packet with a time before the edit's start, and
//!   [`crate::AudioDecoder`] cuts its samples; padding at the end only shows as a shorter duration
//!   of the last packet, and is for the caller to cut.

use crate::avio::Avio;
use crate::byte_source::ByteSource;
use crate::demux::stream::StreamInfo;
use crate::dictionary::Dictionary;
use crate::error::{Error, Result, again, explain, out_of_memory};
use crate::log;
use crate::packet::Packet;
use crate::sys::{self, ffi};
use libc::c_int;
use model::Rational;
use std::collections::VecDeque;
use std::ptr::{self, NonNull};

/// Demuxers that read one self-contained source. Left out on purpose: all that open further URLs
/// or files (`hls`, `dash`, `concat`, `image2`, `rtsp`, `sdp`, `vobsub`, `imf`).
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,avi,mxf,flv,live_flv,asf,\
    nut,ogg,wav,w64,aiff,caf,mp3,aac,ac3,eac3,dts,truehd,flac,amr,h264,hevc,mpegvideo,m4v,ivf,obu,\
    av1,gif,dv,gxf,yuv4mpegpipe,srt,webvtt,ass";

/// Streams that a container may have. Films with every language have about 60; libav's own limit
/// of 1000 costs a hostile file nothing and us a decoder context each.
const STREAMS_MAX: &str = "256";

/// Bytes that may be read to find out what is inside. libav's default of 5 MB misses late audio in
/// broadcast recordings.
const PROBE_BYTES_MAX: &str = "16777216";

/// Microseconds of media that may be read to find out what is inside: libav's own limit for
/// formats whose streams may start late.
const ANALYZE_MICROSECONDS_MAX: &str = "10000000";

/// Packets of other streams that a seek may read before the first packet of its stream.
const SEEK_LOOKAHEAD_PACKETS_MAX: usize = 4096;

/// Times in a row that a demuxer may ask to be called again. The one for MPEG transport streams
/// does so when a block of packets holds nothing for anyone.
const AGAIN_MAX: u32 = 10_000;

/// An open container.
pub struct Demuxer {
    context: NonNull<ffi::AVFormatContext>,
    // Freed after the context: fields are dropped when `drop` is done.
    io: Avio,
    streams: Vec<StreamInfo>,
    is_selected: Vec<bool>,
    ahead: VecDeque<Packet>,
}

// SAFETY: the context has one owner, is used by one thread at a time, and no callback of it is
// bound to a thread.
unsafe impl Send for Demuxer {}

impl Demuxer {
    /// Opens a container and finds its streams. Only formats that are complete in one source are
    /// recognised; nothing else is ever opened.
    pub fn open(source: Box<dyn ByteSource>) -> Result<Self> {
        log::install();
        log::clear_last_line();
        let mut io = Avio::new(source)?;
        if io.length() == 0 {
            return Err(Error::Truncated {
                what: "the source is empty".to_owned(),
                at: 0,
            });
        }
        let context = open_context(&mut io)?;
        let mut demuxer = Self {
            context,
            io,
            streams: Vec::new(),
            is_selected: Vec::new(),
            ahead: VecDeque::new(),
        };
        demuxer.find_streams()?;
        Ok(demuxer)
    }

    /// Short name of the format, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub fn format_name(&self) -> String {
        // SAFETY: an open context has an input format, whose name is a constant.
        unsafe { sys::text((*(*self.context.as_ptr()).iformat).name) }
    }

    /// Streams in the container's order; `streams()[i].index` is `i`.
    pub fn streams(&self) -> &[StreamInfo] {
        &self.streams
    }

    /// Length in seconds as the container says or libav estimates.
    pub fn duration(&self) -> Option<Rational> {
        // SAFETY: the context is open.
        let ticks = sys::timestamp(unsafe { (*self.context.as_ptr()).duration })?;
        Rational::new(ticks, i64::from(ffi::AV_TIME_BASE))
    }

    /// From now on reads only these streams; the data of others is skipped, where the format
    /// allows without reading it.
    pub fn select(&mut self, streams: &[u32]) {
        for (index, is_selected) in self.is_selected.iter_mut().enumerate() {
            *is_selected = streams.iter().any(|stream| *stream as usize == index);
            let discard = if *is_selected {
                ffi::AVDiscard::AVDISCARD_DEFAULT
            } else {
                ffi::AVDiscard::AVDISCARD_ALL
            };
            // SAFETY: the index is below the context's number of streams, which never shrinks.
            unsafe {
                let raw = *(*self.context.as_ptr()).streams.add(index);
                (*raw).discard = discard;
            }
        }
        self.ahead
            .retain(|packet| streams.contains(&packet.stream()));
    }

    /// The next packet in file order; `None` at the end. Streams that appear only later (MPEG
    /// transport streams) are left out: no index is beyond [`Demuxer::streams`].
    pub fn next_packet(&mut self) -> Result<Option<Packet>> {
        match self.ahead.pop_front() {
            Some(packet) => Ok(Some(packet)),
            None => self.read_packet(),
        }
    }

    /// Goes to the last access point of a stream whose decode time (presentation time, where it
    /// has none) is at or before `dts`; the next packet of that stream is it. Where there is none,
    /// goes to the first. Containers without an index (MPEG streams, raw streams) only know times:
    /// there the target must be the time of an access point.
    pub fn seek_to(&mut self, stream: u32, dts: i64) -> Result<()> {
        if stream as usize >= self.streams.len() {
            return Err(Error::Contract {
                what: format!("there is no stream {stream}"),
            });
        }
        let found = self.seek_and_look(stream, dts)?;
        // The MP4 demuxer takes the target for a presentation time and so stops one access point
        // early when the target is the decode time of one (`mov_seek_stream`). Asking for the
        // presentation time that belongs to `dts` at the found point corrects that.
        let Some((found_dts, delay)) = found.filter(|(found_dts, _)| *found_dts < dts) else {
            return Ok(());
        };
        if delay <= 0 {
            return Ok(());
        }
        let again = self.seek_and_look(stream, dts.saturating_add(delay))?;
        if again.is_none_or(|(again_dts, _)| again_dts > dts || again_dts < found_dts) {
            self.seek_and_look(stream, dts)?;
        }
        Ok(())
    }

    /// Seeks and reads up to the first packet of the stream; gives its decode time and how much
    /// later it is shown.
    fn seek_and_look(&mut self, stream: u32, target: i64) -> Result<Option<(i64, i64)>> {
        log::clear_last_line();
        self.ahead.clear();
        let index = c_int::try_from(stream).unwrap_or(c_int::MAX);
        let context = self.context.as_ptr();
        // SAFETY: the context is open and the stream exists.
        let code = unsafe {
            // Short seeks fail while the I/O context believes to be at the end; this frees it.
            if (*(*context).pb).eof_reached != 0 {
                ffi::avio_seek((*context).pb, 0, libc::SEEK_SET);
            }
            ffi::av_seek_frame(context, index, target, ffi::AVSEEK_FLAG_BACKWARD as c_int)
        };
        self.check_source()?;
        if code < 0 {
            // Nothing at or before the target: the first access point.
            // SAFETY: as above.
            let code =
                unsafe { ffi::avformat_seek_file(context, index, i64::MIN, target, i64::MAX, 0) };
            self.check_source()?;
            if code < 0 {
                return Err(self.malformed("cannot seek", code));
            }
        }
        while self.ahead.len() < SEEK_LOOKAHEAD_PACKETS_MAX {
            let Some(packet) = self.read_packet()? else {
                break;
            };
            let found = (packet.stream() == stream).then(|| self.decode_time(&packet));
            self.ahead.push_back(packet);
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Decode time of a packet and how much later it is shown. Matroska has no decode times, and
    /// libav cannot work them out right after a seek: then the delay is the decoder's.
    fn decode_time(&self, packet: &Packet) -> Option<(i64, i64)> {
        match (packet.dts(), packet.pts()) {
            (Some(dts), pts) => Some((dts, pts.unwrap_or(dts).saturating_sub(dts))),
            (None, Some(pts)) => {
                let delay = self.streams.get(packet.stream() as usize)?.reorder_delay();
                Some((pts.saturating_sub(delay), delay))
            }
            (None, None) => None,
        }
    }

    fn read_packet(&mut self) -> Result<Option<Packet>> {
        log::clear_last_line();
        let mut again_left = AGAIN_MAX;
        loop {
            let packet = Packet::new()?;
            // SAFETY: context and packet are ours and valid.
            let code = unsafe { ffi::av_read_frame(self.context.as_ptr(), packet.as_ptr()) };
            // Before looking at the code: demuxers take a read error for an end of file.
            self.check_source()?;
            match code {
                ffi::AVERROR_EOF => return Ok(None),
                code if code == again() && again_left > 0 => again_left -= 1,
                code if code < 0 => return Err(self.malformed("unreadable packet", code)),
                // libav still gives what it read before the selection, and streams that it found
                // later.
                _ => {
                    if self.is_selected.get(packet.stream() as usize) == Some(&true) {
                        return Ok(Some(packet));
                    }
                }
            }
        }
    }

    fn find_streams(&mut self) -> Result<()> {
        // SAFETY: the context is open; null options are allowed.
        let code =
            unsafe { ffi::avformat_find_stream_info(self.context.as_ptr(), ptr::null_mut()) };
        self.check_source()?;
        if code < 0 {
            return Err(self.malformed("the streams cannot be read", code));
        }
        // SAFETY: the context holds as many stream pointers as it says.
        let count = unsafe { (*self.context.as_ptr()).nb_streams } as usize;
        if count == 0 {
            return Err(self.malformed("there is no stream", ffi::AVERROR_INVALIDDATA));
        }
        self.is_selected = vec![true; count];
        for index in 0..count {
            // SAFETY: as above; streams live as long as the context.
            self.streams
                .push(unsafe { StreamInfo::read(*(*self.context.as_ptr()).streams.add(index)) }?);
        }
        Ok(())
    }

    fn check_source(&mut self) -> Result<()> {
        self.io.take_error().map_or(Ok(()), Err)
    }

    fn malformed(&self, what: &str, code: c_int) -> Error {
        if code == out_of_memory() {
            return Error::memory_for_media(self.io.position());
        }
        Error::Malformed {
            what: format!("{what}: {}", explain(code)),
            at: self.io.position(),
        }
    }
}

impl Drop for Demuxer {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: ours alone; with a custom I/O context libav leaves that to us.
        unsafe { ffi::avformat_close_input(&raw mut context) };
    }
}

fn open_context(io: &mut Avio) -> Result<NonNull<ffi::AVFormatContext>> {
    // SAFETY: no precondition; null is checked.
    let context = NonNull::new(unsafe { ffi::avformat_alloc_context() });
    let mut raw = context.ok_or(Error::OutOfMemory)?.as_ptr();
    let mut options = Dictionary::new(&[
        ("format_whitelist", FORMATS),
        // No protocol has an empty name, so nothing can be opened by URL.
        ("protocol_whitelist", ""),
        ("max_streams", STREAMS_MAX),
        ("probesize", PROBE_BYTES_MAX),
        ("analyzeduration", ANALYZE_MICROSECONDS_MAX),
    ])?;
    // SAFETY: the I/O context outlives the format context (see `Demuxer`). On failure libav frees
    // the format context and clears the pointer.
    let code = unsafe {
        (*raw).pb = io.as_ptr();
        ffi::avformat_open_input(
            &raw mut raw,
            c"".as_ptr(),
            ptr::null(),
            options.as_mut_ptr(),
        )
    };
    if let Some(error) = io.take_error() {
        if code >= 0 {
            // SAFETY: open, and ours alone.
            unsafe { ffi::avformat_close_input(&raw mut raw) };
        }
        return Err(error);
    }
    if code < 0 {
        return Err(open_error(io, code));
    }
    NonNull::new(raw).ok_or(Error::OutOfMemory)
}

fn open_error(io: &Avio, code: c_int) -> Error {
    if code == out_of_memory() {
        return Error::memory_for_media(io.position());
    }
    let (at, length) = (io.position(), io.length());
    let what = explain(code);
    // An MP4 whose index was to be written last and never was.
    if what.contains("moov atom not found") || (code == ffi::AVERROR_EOF && at >= length) {
        return Error::Truncated { what, at: length };
    }
    if what.contains("whitelist") {
        return Error::unsupported(format!("the container ({what})"));
    }
    Error::Malformed {
        what: format!("no known container: {what}"),
        at,
    }
}
