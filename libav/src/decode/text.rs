//! Text cues from packets. Pictures of text (PGS, DVD, DVB) are not text and refused.

use crate::decode::ass;
use crate::decode::context::DecoderContext;
use crate::demux::{StreamInfo, StreamKind};
use crate::error::{Error, Result, explain, out_of_memory};
use crate::log;
use crate::packet::Packet;
use crate::sys::{self, ffi, raw};
use libc::c_int;
use model::Rational;
use model::time::rescale;
use std::mem::MaybeUninit;

/// One cue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextCue {
    /// When it appears, in ticks of the stream.
    pub start: i64,
    /// How long it stays, in ticks; `None` where the source does not say (until the next cue).
    pub duration: Option<i64>,
    /// The text as a WebVTT cue payload: `<b>`, `<i>`, `<u>`, escaped `&`, `<` and `>`, lines
    /// parted by one newline, no empty line. May be empty: then it ends the cue before it.
    pub text: String,
}

/// A decoder of text packets (`mov_text`, `subrip`, `webvtt`, `ass`, ...).
pub struct TextDecoder {
    context: DecoderContext,
    time_base: Rational,
}

impl TextDecoder {
    /// Opens the decoder of a text stream.
    pub fn open(stream: &StreamInfo) -> Result<Self> {
        if stream.kind != StreamKind::Text {
            return Err(Error::Contract {
                what: format!("stream {} is no text", stream.index),
            });
        }
        // SAFETY: the parameters live in the stream info; the descriptor is a constant or null.
        let is_text = unsafe {
            let descriptor =
                sys::avcodec_descriptor_get(raw!(stream.parameters.as_ptr(), codec_id));
            !descriptor.is_null() && (*descriptor).props & ffi::AV_CODEC_PROP_TEXT_SUB as c_int != 0
        };
        if !is_text {
            return Err(Error::unsupported(format!(
                "text of codec {}: pictures",
                stream.codec
            )));
        }
        let context = DecoderContext::open(stream, &[])?;
        Ok(Self {
            context,
            time_base: stream.time_base,
        })
    }

    /// The cues of a packet; nothing is kept between packets. [`Error::Corrupt`]: the packet holds
    /// no cue that can be read.
    pub fn decode(&mut self, packet: &Packet) -> Result<Vec<TextCue>> {
        log::clear_last_line();
        let mut subtitle = MaybeUninit::<ffi::AVSubtitle>::zeroed();
        let mut has_output: c_int = 0;
        // SAFETY: context and packet are valid; libav fills the subtitle and does not keep it.
        let code = unsafe {
            ffi::avcodec_decode_subtitle2(
                self.context.as_ptr(),
                subtitle.as_mut_ptr(),
                &raw mut has_output,
                packet.as_ptr(),
            )
        };
        match code {
            code if code == out_of_memory() => return Err(Error::memory_for_media(0)),
            code if code < 0 => {
                return Err(Error::Corrupt {
                    what: explain(code),
                });
            }
            _ if has_output == 0 => return Ok(Vec::new()),
            _ => {}
        }
        // SAFETY: `has_output` says that the subtitle was filled.
        let cues = unsafe { self.cues(packet, subtitle.as_ptr()) };
        // SAFETY: as above; freed once.
        unsafe { ffi::avsubtitle_free(subtitle.as_mut_ptr()) };
        Ok(cues)
    }

    /// # Safety
    /// `subtitle` was filled by the decoder.
    unsafe fn cues(&self, packet: &Packet, subtitle: *const ffi::AVSubtitle) -> Vec<TextCue> {
        // SAFETY: the caller vouches for the subtitle.
        let (count, offset) = unsafe { ((*subtitle).num_rects, (*subtitle).start_display_time) };
        let offset = rescale(i64::from(offset), milliseconds(), self.time_base);
        let Some(start) = packet.pts() else {
            return Vec::new();
        };
        let duration = Some(packet.duration()).filter(|ticks| *ticks > 0);
        // SAFETY: the subtitle has as many rectangles as it says, each with a C string or null.
        let lines: Vec<String> = (0..count as usize)
            .map(|index| unsafe { sys::text((*(*(*subtitle).rects.add(index))).ass) })
            .collect();
        let texts: Vec<String> = lines.iter().map(|line| ass::to_webvtt(line)).collect();
        let text = texts
            .iter()
            .filter(|text| !text.is_empty())
            .cloned()
            .collect::<Vec<_>>();
        vec![TextCue {
            start: start.saturating_add(offset),
            duration: duration.map(|ticks| (ticks - offset).max(0)),
            text: text.join("\n"),
        }]
    }
}

fn milliseconds() -> Rational {
    Rational::new(1, 1000).unwrap_or(Rational::ONE)
}
