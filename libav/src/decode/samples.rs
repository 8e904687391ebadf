//! Every sample format of libav's as planes of floats. Integers are divided by their full scale, a
//! power of two, so that 16 and 24 bits survive exactly.

use crate::error::{Error, Result};
use crate::sys::ffi;
use ffi::AVSampleFormat as Av;
use libc::c_int;
use std::slice;

/// The samples of a decoded frame.
///
/// # Safety
/// `frame` was filled by an audio decoder and has `channels` channels.
pub(super) unsafe fn planes_of(
    frame: *const ffi::AVFrame,
    channels: usize,
) -> Result<Vec<Vec<f32>>> {
    // SAFETY: the caller vouches for the frame.
    let (format, count) = unsafe { ((*frame).format, (*frame).nb_samples) };
    let count = usize::try_from(count).unwrap_or_default();
    let shape = (channels, count);
    let is = |av: Av| av as c_int == format;
    let u8_scale = |value: u8| (f32::from(value) - 128.0) / 128.0;
    let s16_scale = |value: i16| f32::from(value) / 32_768.0;
    let s32_scale = |value: i32| (f64::from(value) / 2_147_483_648.0) as f32;
    let s64_scale = |value: i64| (value as f64 / 9_223_372_036_854_775_808.0) as f32;
    // SAFETY: the sample type in each call is the one of the format.
    unsafe {
        Ok(match format {
            _ if is(Av::AV_SAMPLE_FMT_FLTP) => planar(frame, shape, |value: f32| value),
            _ if is(Av::AV_SAMPLE_FMT_S16P) => planar(frame, shape, s16_scale),
            _ if is(Av::AV_SAMPLE_FMT_S32P) => planar(frame, shape, s32_scale),
            _ if is(Av::AV_SAMPLE_FMT_U8P) => planar(frame, shape, u8_scale),
            _ if is(Av::AV_SAMPLE_FMT_DBLP) => planar(frame, shape, |value: f64| value as f32),
            _ if is(Av::AV_SAMPLE_FMT_S64P) => planar(frame, shape, s64_scale),
            _ if is(Av::AV_SAMPLE_FMT_FLT) => packed(frame, shape, |value: f32| value),
            _ if is(Av::AV_SAMPLE_FMT_S16) => packed(frame, shape, s16_scale),
            _ if is(Av::AV_SAMPLE_FMT_S32) => packed(frame, shape, s32_scale),
            _ if is(Av::AV_SAMPLE_FMT_U8) => packed(frame, shape, u8_scale),
            _ if is(Av::AV_SAMPLE_FMT_DBL) => packed(frame, shape, |value: f64| value as f32),
            _ if is(Av::AV_SAMPLE_FMT_S64) => packed(frame, shape, s64_scale),
            other => return Err(Error::unsupported(format!("sample format {other}"))),
        })
    }
}

/// # Safety
/// `extended_data` has a plane of `count` samples of type `T` per channel.
unsafe fn planar<T: Copy>(
    frame: *const ffi::AVFrame,
    (channels, count): (usize, usize),
    scale: impl Fn(T) -> f32,
) -> Vec<Vec<f32>> {
    (0..channels)
        .map(|channel| {
            // SAFETY: the caller vouches for the planes; libav aligns them for any type.
            let plane = unsafe {
                let data: *const T = (*(*frame).extended_data.add(channel)).cast();
                slice::from_raw_parts(data, count)
            };
            plane.iter().map(|value| scale(*value)).collect()
        })
        .collect()
}

/// # Safety
/// The first plane has `count` times `channels` samples of type `T`.
unsafe fn packed<T: Copy>(
    frame: *const ffi::AVFrame,
    (channels, count): (usize, usize),
    scale: impl Fn(T) -> f32,
) -> Vec<Vec<f32>> {
    // SAFETY: the caller vouches for the plane; libav aligns it for any type.
    let all = unsafe {
        let data: *const T = (*(*frame).extended_data).cast();
        slice::from_raw_parts(data, count * channels)
    };
    (0..channels)
        .map(|channel| {
            all.iter()
                .skip(channel)
                .step_by(channels)
                .map(|v| scale(*v))
                .collect()
        })
        .collect()
}
