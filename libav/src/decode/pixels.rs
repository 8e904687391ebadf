//! From libav's frames to pictures: one copy that drops the padding of rows. Not a scaler: formats
//! that are not planar YUV are only taken where a few integer operations per sample turn them into
//! one, exactly.

mod packed;

use crate::demux::FULL_RANGE;
use crate::error::{Error, Result};
use crate::sys::{self, ffi, raw};
use ffi::AVPixelFormat as Av;
use frame::{Picture, PixelFormat, Plane, Range, Size};
use libc::c_int;
use std::slice;

/// How a format of libav's becomes one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// The same planes.
    Planar(PixelFormat),
    /// The same planes with full range implied by the format (`yuvj420p`).
    PlanarFull(PixelFormat),
    /// Luma, then chroma of both kinds in turns; true when Cr comes first.
    SemiPlanar(packed::ChromaOrder),
    /// Red, green, blue in one or three planes.
    Rgb(packed::RgbLayout),
}

/// Formats of libav, named once. Deeper samples only in the byte order of this machine, which is
/// little-endian on all that the farm runs on.
const LAYOUTS: &[(Av, Layout)] = &[
    (
        Av::AV_PIX_FMT_YUV420P,
        Layout::Planar(PixelFormat::Yuv420p8),
    ),
    (
        Av::AV_PIX_FMT_YUV422P,
        Layout::Planar(PixelFormat::Yuv422p8),
    ),
    (
        Av::AV_PIX_FMT_YUV444P,
        Layout::Planar(PixelFormat::Yuv444p8),
    ),
    (
        Av::AV_PIX_FMT_YUV410P,
        Layout::Planar(PixelFormat::Yuv410p8),
    ),
    (
        Av::AV_PIX_FMT_YUV411P,
        Layout::Planar(PixelFormat::Yuv411p8),
    ),
    (Av::AV_PIX_FMT_GRAY8, Layout::Planar(PixelFormat::Gray8)),
    (
        Av::AV_PIX_FMT_YUVJ420P,
        Layout::PlanarFull(PixelFormat::Yuv420p8),
    ),
    (
        Av::AV_PIX_FMT_YUVJ422P,
        Layout::PlanarFull(PixelFormat::Yuv422p8),
    ),
    (
        Av::AV_PIX_FMT_YUVJ444P,
        Layout::PlanarFull(PixelFormat::Yuv444p8),
    ),
    (
        Av::AV_PIX_FMT_YUVJ411P,
        Layout::PlanarFull(PixelFormat::Yuv411p8),
    ),
    (
        Av::AV_PIX_FMT_YUV420P10LE,
        Layout::Planar(PixelFormat::Yuv420p10),
    ),
    (
        Av::AV_PIX_FMT_YUV422P10LE,
        Layout::Planar(PixelFormat::Yuv422p10),
    ),
    (
        Av::AV_PIX_FMT_YUV444P10LE,
        Layout::Planar(PixelFormat::Yuv444p10),
    ),
    (
        Av::AV_PIX_FMT_YUV420P12LE,
        Layout::Planar(PixelFormat::Yuv420p12),
    ),
    (
        Av::AV_PIX_FMT_YUV422P12LE,
        Layout::Planar(PixelFormat::Yuv422p12),
    ),
    (
        Av::AV_PIX_FMT_YUV444P12LE,
        Layout::Planar(PixelFormat::Yuv444p12),
    ),
    // Alpha is dropped: what is behind a title is black, and no player shows more.
    (
        Av::AV_PIX_FMT_YUVA420P,
        Layout::Planar(PixelFormat::Yuv420p8),
    ),
    (
        Av::AV_PIX_FMT_YUVA422P,
        Layout::Planar(PixelFormat::Yuv422p8),
    ),
    (
        Av::AV_PIX_FMT_YUVA444P,
        Layout::Planar(PixelFormat::Yuv444p8),
    ),
    (
        Av::AV_PIX_FMT_YUVA444P10LE,
        Layout::Planar(PixelFormat::Yuv444p10),
    ),
    (
        Av::AV_PIX_FMT_YUVA444P12LE,
        Layout::Planar(PixelFormat::Yuv444p12),
    ),
    (
        Av::AV_PIX_FMT_NV12,
        Layout::SemiPlanar(packed::ChromaOrder::CbCr),
    ),
    (
        Av::AV_PIX_FMT_NV21,
        Layout::SemiPlanar(packed::ChromaOrder::CrCb),
    ),
    (
        Av::AV_PIX_FMT_RGB24,
        Layout::Rgb(packed::RgbLayout::packed(3, [0, 1, 2])),
    ),
    (
        Av::AV_PIX_FMT_BGR24,
        Layout::Rgb(packed::RgbLayout::packed(3, [2, 1, 0])),
    ),
    (
        Av::AV_PIX_FMT_RGBA,
        Layout::Rgb(packed::RgbLayout::packed(4, [0, 1, 2])),
    ),
    (
        Av::AV_PIX_FMT_BGRA,
        Layout::Rgb(packed::RgbLayout::packed(4, [2, 1, 0])),
    ),
    (
        Av::AV_PIX_FMT_ARGB,
        Layout::Rgb(packed::RgbLayout::packed(4, [1, 2, 3])),
    ),
    (
        Av::AV_PIX_FMT_ABGR,
        Layout::Rgb(packed::RgbLayout::packed(4, [3, 2, 1])),
    ),
    (
        Av::AV_PIX_FMT_RGB0,
        Layout::Rgb(packed::RgbLayout::packed(4, [0, 1, 2])),
    ),
    (
        Av::AV_PIX_FMT_BGR0,
        Layout::Rgb(packed::RgbLayout::packed(4, [2, 1, 0])),
    ),
    (Av::AV_PIX_FMT_GBRP, Layout::Rgb(packed::RgbLayout::Planar)),
    (Av::AV_PIX_FMT_GBRAP, Layout::Rgb(packed::RgbLayout::Planar)),
    (Av::AV_PIX_FMT_PAL8, Layout::Rgb(packed::RgbLayout::Palette)),
];

fn layout(format: c_int) -> Result<Layout> {
    LAYOUTS
        .iter()
        .find(|(av, _)| *av as c_int == format)
        .map(|(_, layout)| *layout)
        .ok_or_else(|| {
            // SAFETY: accepts any integer.
            let name = unsafe { sys::text(sys::av_get_pix_fmt_name(format)) };
            Error::unsupported(format!("pixel format {name} ({format})"))
        })
}

/// Copies a decoded frame into a picture, which takes its shape.
///
/// # Safety
/// `frame` was filled by a decoder and is not changed during the call.
pub(crate) unsafe fn copy_out(frame: *const ffi::AVFrame, picture: &mut Picture) -> Result<()> {
    // SAFETY: the caller vouches for the frame; enum fields are read as integers.
    let (format, width, height, full_range) = unsafe {
        (
            (*frame).format,
            (*frame).width,
            (*frame).height,
            raw!(frame, color_range) == FULL_RANGE,
        )
    };
    let side = |value: c_int| u32::try_from(value).unwrap_or_default();
    let size = Size::new(side(width), side(height));
    let layout = layout(format)?;
    let target = match layout {
        Layout::Planar(format) | Layout::PlanarFull(format) => format,
        Layout::SemiPlanar(_) => PixelFormat::Yuv420p8,
        Layout::Rgb(_) => PixelFormat::Yuv444p8,
    };
    picture
        .reshape(target, size)
        .map_err(|error| Error::unsupported(error.to_string()))?;
    let is_full = full_range || matches!(layout, Layout::PlanarFull(_));
    match layout {
        Layout::Planar(_) | Layout::PlanarFull(_) => {
            for (index, plane) in picture.planes_mut().iter_mut().enumerate() {
                // SAFETY: a planar frame of this format has all planes that ours has.
                unsafe { copy_plane(frame, index, plane)? };
            }
        }
        // SAFETY: the format of the frame is the one that the layout stands for.
        Layout::SemiPlanar(order) => unsafe { packed::split_chroma(frame, order, picture)? },
        // SAFETY: as above.
        Layout::Rgb(rgb) => unsafe { packed::convert_rgb(frame, rgb, picture)? },
    }
    // Conversion from RGB gives video range whatever the RGB was.
    let is_rgb = matches!(layout, Layout::Rgb(_));
    picture.set_range(if is_full && !is_rgb {
        Range::Full
    } else {
        Range::Video
    });
    Ok(())
}

/// A row of a frame's plane.
///
/// # Safety
/// The frame has plane `index` with at least `row + 1` rows of `bytes` bytes.
unsafe fn row<'a>(
    frame: *const ffi::AVFrame,
    index: usize,
    row: usize,
    bytes: usize,
) -> Result<&'a [u8]> {
    // SAFETY: the caller vouches for plane and row; a stride may be negative, with `data` at the
    // first shown row.
    unsafe {
        let data = (*frame).data[index];
        let stride = (*frame).linesize[index] as isize;
        if data.is_null() || stride.unsigned_abs() < bytes {
            return Err(Error::Corrupt {
                what: format!("a frame without plane {index}"),
            });
        }
        Ok(slice::from_raw_parts(
            data.offset(stride * row as isize),
            bytes,
        ))
    }
}

/// # Safety
/// As for [`row`], for all rows of the plane.
unsafe fn copy_plane(frame: *const ffi::AVFrame, index: usize, plane: &mut Plane) -> Result<()> {
    let (width, height) = (plane.width(), plane.height());
    if let Some(samples) = plane.as_u8_mut() {
        for (y, target) in samples.chunks_exact_mut(width).enumerate() {
            // SAFETY: the caller vouches for the rows.
            target.copy_from_slice(unsafe { row(frame, index, y, width)? });
        }
    } else if let Some(samples) = plane.as_u16_mut() {
        // The formats taken are those of this machine's byte order.
        const { assert!(cfg!(target_endian = "little")) };
        for y in 0..height {
            let target = &mut samples[y * width..(y + 1) * width];
            // SAFETY: the caller vouches for the rows; the target has `width` samples of two bytes,
            // for which any bytes are valid, and belongs to us alone.
            unsafe {
                let source = row(frame, index, y, width * 2)?;
                target
                    .as_mut_ptr()
                    .cast::<u8>()
                    .copy_from_nonoverlapping(source.as_ptr(), width * 2);
            }
        }
    }
    Ok(())
}
