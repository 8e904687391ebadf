//! Another sample rate, channel by channel; no mixing. Sample-exact: `n` samples at rate `a` become
//! `n * b / a` at rate `b`, rounded to nearest, and the first stands for the same instant as before.
//!
//! libswresample computes in floats here, so results depend on which vector code it picks: pin it
//! with [`crate::pin_cpu_flags`] first.

use crate::decode::EmptyLayout;
use crate::error::{Error, Result};
use crate::log;
use crate::sys::ffi;
use libc::c_int;
use model::Rational;
use model::time::rescale;
use std::ptr::{self, NonNull};

/// A resampler for one track.
pub struct Resampler {
    // None: the rates are equal and samples pass unchanged.
    context: Option<Context>,
    channels: usize,
    rates: (u32, u32),
    taken: i64,
    given: i64,
}

struct Context(NonNull<ffi::SwrContext>);

// SAFETY: one owner, used by one thread at a time, no thread-bound state.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        let mut raw = self.0.as_ptr();
        // SAFETY: ours alone.
        unsafe { ffi::swr_free(&raw mut raw) };
    }
}

impl Resampler {
    /// A resampler between two rates for a number of channels.
    pub fn new(from_rate: u32, to_rate: u32, channels: usize) -> Result<Self> {
        log::install();
        let rate = |rate: u32| c_int::try_from(rate).ok().filter(|rate| *rate > 0);
        let (Some(from), Some(to)) = (rate(from_rate), rate(to_rate)) else {
            return Err(Error::unsupported(format!(
                "sample rates {from_rate} and {to_rate}"
            )));
        };
        let context = if from == to {
            None
        } else {
            Some(open(from, to, channels)?)
        };
        Ok(Self {
            context,
            channels,
            rates: (from_rate, to_rate),
            taken: 0,
            given: 0,
        })
    }

    /// Takes samples, one plane per channel, all of one length; gives what is ready.
    pub fn push(&mut self, samples: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let count = samples.first().map_or(0, Vec::len);
        if samples.len() != self.channels || samples.iter().any(|plane| plane.len() != count) {
            return Err(Error::Contract {
                what: format!(
                    "audio of {} uneven planes for {}",
                    samples.len(),
                    self.channels
                ),
            });
        }
        self.taken += count as i64;
        let output = match &self.context {
            None => samples.to_vec(),
            Some(_) if count == 0 => vec![Vec::new(); self.channels],
            Some(context) => convert(context, Some(samples), self.channels)?,
        };
        self.given += output.first().map_or(0, Vec::len) as i64;
        Ok(output)
    }

    /// Gives the rest. Afterwards the total is exact; the resampler is of no further use.
    pub fn finish(&mut self) -> Result<Vec<Vec<f32>>> {
        let Some(context) = &self.context else {
            return Ok(vec![Vec::new(); self.channels]);
        };
        let mut rest = vec![Vec::new(); self.channels];
        loop {
            let more = convert(context, None, self.channels)?;
            if more.first().is_none_or(Vec::is_empty) {
                break;
            }
            for (rest, more) in rest.iter_mut().zip(more) {
                rest.extend(more);
            }
        }
        let (from, to) = self.rates;
        let tick = |rate: u32| Rational::new(1, i64::from(rate)).unwrap_or(Rational::ONE);
        let missing = rescale(self.taken, tick(from), tick(to)) - self.given;
        // The filter's tail gives up to one sample more or less than the exact number.
        let missing = usize::try_from(missing).unwrap_or_default();
        for plane in &mut rest {
            let last = plane.last().copied().unwrap_or_default();
            plane.resize(missing, last);
        }
        self.given += missing as i64;
        Ok(rest)
    }
}

fn open(from: c_int, to: c_int, channels: usize) -> Result<Context> {
    let count = c_int::try_from(channels)
        .ok()
        .filter(|count| (1..=64).contains(count));
    let count = count.ok_or_else(|| Error::unsupported(format!("{channels} audio channels")))?;
    let mut layout = EmptyLayout::new();
    let mut raw = ptr::null_mut();
    let format = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP;
    // SAFETY: an empty layout may be filled; the call copies it and makes the context.
    let code = unsafe {
        ffi::av_channel_layout_default(layout.as_mut_ptr(), count);
        let layout = layout.as_mut_ptr();
        ffi::swr_alloc_set_opts2(
            &raw mut raw,
            layout,
            format,
            to,
            layout,
            format,
            from,
            0,
            ptr::null_mut(),
        )
    };
    let context = match NonNull::new(raw) {
        Some(raw) if code >= 0 => Context(raw),
        _ => return Err(Error::call("swr_alloc_set_opts2", code)),
    };
    // SAFETY: the context is ours and set up.
    match unsafe { ffi::swr_init(context.0.as_ptr()) } {
        code if code < 0 => Err(Error::call("swr_init", code)),
        _ => Ok(context),
    }
}

fn convert(
    context: &Context,
    input: Option<&[Vec<f32>]>,
    channels: usize,
) -> Result<Vec<Vec<f32>>> {
    let count = input.and_then(|planes| planes.first()).map_or(0, Vec::len);
    let count = c_int::try_from(count).map_err(|_| Error::OutOfMemory)?;
    // SAFETY: the context is open.
    let room = unsafe { ffi::swr_get_out_samples(context.0.as_ptr(), count) }.max(0);
    let mut output = vec![vec![0_f32; room as usize]; channels];
    let mut targets: Vec<*mut u8> = output
        .iter_mut()
        .map(|plane| plane.as_mut_ptr().cast())
        .collect();
    let mut sources: Vec<*const u8> = input
        .unwrap_or_default()
        .iter()
        .map(|plane| plane.as_ptr().cast())
        .collect();
    let source = if input.is_some() {
        sources.as_mut_ptr()
    } else {
        ptr::null_mut()
    };
    // SAFETY: as many planes as channels, `room` floats in each target and `count` in each source.
    let given = unsafe {
        ffi::swr_convert(
            context.0.as_ptr(),
            targets.as_mut_ptr(),
            room,
            source,
            count,
        )
    };
    let given = usize::try_from(given).map_err(|_| Error::call("swr_convert", given))?;
    for plane in &mut output {
        plane.truncate(given);
    }
    Ok(output)
}
