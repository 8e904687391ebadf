//! What the container says about one stream. Claims, not facts: frames are counted by reading
//! packets, sizes are checked again by the decoder.

use crate::demux::orientation::{MATRIX_BYTES, from_display_matrix};
use crate::dictionary::metadata;
use crate::error::{Error, Result};
use crate::hdr::{self, DolbyVision};
use crate::sys::{self, ffi, raw};
use ffi::AVPacketSideDataType as SideData;
use libc::{c_char, c_int};
use model::Rational;
use model::hdr::HdrMetadata;
use model::source::{Color, FieldOrder, Orientation};
use std::ptr::NonNull;
use std::slice;

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Pictures; attached pictures too, see [`Disposition::attached_picture`].
    Video,
    /// Sound.
    Audio,
    /// Subtitles, also those that are pictures.
    Text,
    /// Time codes, metadata, fonts and whatever is unknown.
    Data,
}

/// The container's flags of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disposition {
    /// Played unless the viewer chooses.
    pub is_default: bool,
    /// Only foreign dialogue and signs.
    pub forced: bool,
    /// For the deaf and hard of hearing.
    pub hearing_impaired: bool,
    /// Audio description.
    pub visual_impaired: bool,
    /// Commentary.
    pub comment: bool,
    /// A cover, not a video.
    pub attached_picture: bool,
}

/// One stream of a container.
#[derive(Clone)]
pub struct StreamInfo {
    /// Index in the container.
    pub index: u32,
    /// What it carries.
    pub kind: StreamKind,
    /// libav's name of the codec, such as `h264`; `unknown_codec` where it has none.
    pub codec: String,
    /// What a decoder needs.
    pub parameters: CodecParameters,
    /// Seconds per tick of its times.
    pub time_base: Rational,
    /// Presentation time of its first packet, in ticks.
    pub start: Option<i64>,
    /// Length in ticks.
    pub duration: Option<i64>,
    /// Average frame rate.
    pub average_frame_rate: Option<Rational>,
    /// Lowest frame rate that can stand for all times exactly; a guess of libav.
    pub real_frame_rate: Option<Rational>,
    /// Width in samples, before rotation and aspect; 0 where there is no picture.
    pub width: u32,
    /// Height in samples.
    pub height: u32,
    /// Width of a sample divided by its height; 1 where the source does not say.
    pub sample_aspect: Rational,
    /// libav's name of the pixel format; empty where unknown.
    pub pixel_format: String,
    /// Bits per component; 0 where unknown.
    pub bit_depth: u8,
    /// Progressive, or which field comes first; `None` where the source does not say.
    pub field_order: Option<FieldOrder>,
    /// Colour description.
    pub color: Color,
    /// How the picture must be turned to be shown upright.
    pub orientation: Orientation,
    /// HDR metadata of the container.
    pub hdr: HdrMetadata,
    /// Dolby Vision, where the container says so.
    pub dolby_vision: Option<DolbyVision>,
    /// Samples per second; 0 for what is not audio.
    pub sample_rate: u32,
    /// Number of audio channels.
    pub channels: u32,
    /// libav's name of the audio layout, such as `5.1(side)`.
    pub layout: String,
    /// Language as the container writes it (ISO 639-2 or BCP 47).
    pub language: Option<String>,
    /// Title of the track.
    pub title: Option<String>,
    /// The container's flags.
    pub disposition: Disposition,
}

impl StreamInfo {
    /// Reads a stream.
    ///
    /// # Safety
    /// `stream` belongs to an open format context and outlives the call.
    pub(super) unsafe fn read(stream: *const ffi::AVStream) -> Result<Self> {
        // SAFETY: the caller vouches for the stream; libav gives every stream its parameters and
        // all pointers below stay valid while nothing else is called on the context. Enum fields
        // are read as integers.
        unsafe {
            let parameters = (*stream).codecpar;
            let format = (*parameters).format;
            let (pixel_format, bit_depth) = match kind(parameters) {
                StreamKind::Video => pixel_format(format),
                _ => (String::new(), 0),
            };
            let aspect = sys::rational((*stream).sample_aspect_ratio)
                .or_else(|| sys::rational((*parameters).sample_aspect_ratio));
            Ok(Self {
                index: u32::try_from((*stream).index).unwrap_or_default(),
                kind: kind(parameters),
                codec: sys::text(sys::avcodec_get_name(raw!(parameters, codec_id))),
                parameters: CodecParameters::copy_of(parameters)?,
                time_base: sys::rational((*stream).time_base).unwrap_or(Rational::ONE),
                start: sys::timestamp((*stream).start_time),
                duration: sys::timestamp((*stream).duration).filter(|ticks| *ticks > 0),
                average_frame_rate: sys::rational((*stream).avg_frame_rate),
                real_frame_rate: sys::rational((*stream).r_frame_rate),
                width: u32::try_from((*parameters).width).unwrap_or_default(),
                height: u32::try_from((*parameters).height).unwrap_or_default(),
                sample_aspect: aspect.unwrap_or(Rational::ONE),
                pixel_format,
                bit_depth,
                field_order: field_order(raw!(parameters, field_order)),
                color: color(parameters),
                orientation: orientation(side_data(stream, SideData::AV_PKT_DATA_DISPLAYMATRIX)),
                hdr: hdr::metadata(
                    side_data(stream, SideData::AV_PKT_DATA_MASTERING_DISPLAY_METADATA),
                    side_data(stream, SideData::AV_PKT_DATA_CONTENT_LIGHT_LEVEL),
                ),
                dolby_vision: hdr::dolby_vision(side_data(stream, SideData::AV_PKT_DATA_DOVI_CONF)),
                sample_rate: u32::try_from((*parameters).sample_rate).unwrap_or_default(),
                channels: u32::try_from((*parameters).ch_layout.nb_channels).unwrap_or_default(),
                layout: layout_name(&raw const (*parameters).ch_layout),
                language: metadata((*stream).metadata, "language"),
                title: metadata((*stream).metadata, "title"),
                disposition: disposition((*stream).disposition),
            })
        }
    }
}

impl StreamInfo {
    /// How many ticks later than it is decoded a key frame is shown, by the codec's reordering.
    pub(super) fn reorder_delay(&self) -> i64 {
        // SAFETY: the parameters live in the stream info.
        let pictures = i64::from(unsafe { (*self.parameters.as_ptr()).video_delay });
        let rate = self.average_frame_rate.or(self.real_frame_rate);
        rate.and_then(|rate| Rational::whole(pictures).checked_div(rate))
            .and_then(|seconds| seconds.checked_div(self.time_base))
            .map_or(0, Rational::round)
    }
}

/// What a decoder needs to know about a stream; an owned copy of libav's `AVCodecParameters`.
pub struct CodecParameters(NonNull<ffi::AVCodecParameters>);

// SAFETY: an owned copy that nobody changes after it was made.
unsafe impl Send for CodecParameters {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for CodecParameters {}

impl CodecParameters {
    /// # Safety
    /// `other` is valid for the call.
    unsafe fn copy_of(other: *const ffi::AVCodecParameters) -> Result<Self> {
        // SAFETY: no precondition; null is checked.
        let copy = NonNull::new(unsafe { ffi::avcodec_parameters_alloc() })
            .map(Self)
            .ok_or(Error::OutOfMemory)?;
        // SAFETY: both are valid.
        match unsafe { ffi::avcodec_parameters_copy(copy.0.as_ptr(), other) } {
            code if code < 0 => Err(Error::call("avcodec_parameters_copy", code)),
            _ => Ok(copy),
        }
    }

    pub(crate) fn as_ptr(&self) -> *const ffi::AVCodecParameters {
        self.0.as_ptr()
    }
}

impl Clone for CodecParameters {
    fn clone(&self) -> Self {
        // SAFETY: ours, and so valid. Only a lack of memory can fail, as for any other clone.
        unsafe { Self::copy_of(self.as_ptr()) }.expect("memory for codec parameters")
    }
}

impl Drop for CodecParameters {
    fn drop(&mut self) {
        let mut parameters = self.0.as_ptr();
        // SAFETY: made by `avcodec_parameters_alloc` and owned by us.
        unsafe { ffi::avcodec_parameters_free(&raw mut parameters) };
    }
}

unsafe fn kind(parameters: *const ffi::AVCodecParameters) -> StreamKind {
    const VIDEO: c_int = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO as c_int;
    const AUDIO: c_int = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO as c_int;
    const TEXT: c_int = ffi::AVMediaType::AVMEDIA_TYPE_SUBTITLE as c_int;
    // SAFETY: the caller vouches for the parameters.
    match unsafe { raw!(parameters, codec_type) } {
        VIDEO => StreamKind::Video,
        AUDIO => StreamKind::Audio,
        TEXT => StreamKind::Text,
        _ => StreamKind::Data,
    }
}

unsafe fn pixel_format(format: c_int) -> (String, u8) {
    // SAFETY: both functions accept any integer and give null for unknown ones; the descriptor is
    // a constant of the library.
    unsafe {
        let name = sys::text(sys::av_get_pix_fmt_name(format));
        let descriptor = sys::av_pix_fmt_desc_get(format);
        let depth = if descriptor.is_null() {
            0
        } else {
            (*descriptor).comp[0].depth
        };
        (name, u8::try_from(depth).unwrap_or_default())
    }
}

fn field_order(value: c_int) -> Option<FieldOrder> {
    // AVFieldOrder: TB and BT tell the stored from the shown order; the shown one is the second.
    match value {
        1 => Some(FieldOrder::Progressive),
        2 | 5 => Some(FieldOrder::TopFirst),
        3 | 4 => Some(FieldOrder::BottomFirst),
        _ => None,
    }
}

unsafe fn color(parameters: *const ffi::AVCodecParameters) -> Color {
    let code_point = |value: c_int| u8::try_from(value).ok().filter(|v| *v != 3).unwrap_or(2);
    // SAFETY: the caller vouches for the parameters. libav uses the code points of H.273 up to 22
    // and numbers from 256 for its own, which become unspecified.
    unsafe {
        Color {
            primaries: code_point(raw!(parameters, color_primaries)),
            transfer: code_point(raw!(parameters, color_trc)),
            matrix: code_point(raw!(parameters, color_space)),
            full_range: raw!(parameters, color_range) == FULL_RANGE
                || implies_full_range(parameters),
        }
    }
}

/// Whether the pixel format itself says so, as those of JPEG do.
unsafe fn implies_full_range(parameters: *const ffi::AVCodecParameters) -> bool {
    // SAFETY: the caller vouches for the parameters; the name function takes any integer.
    unsafe {
        let is_video = kind(parameters) == StreamKind::Video;
        is_video && sys::text(sys::av_get_pix_fmt_name((*parameters).format)).starts_with("yuvj")
    }
}

/// `AVCOL_RANGE_JPEG`.
pub(crate) const FULL_RANGE: c_int = ffi::AVColorRange::AVCOL_RANGE_JPEG as c_int;

/// A stream's side data of a kind; empty where it has none.
///
/// # Safety
/// `stream` is valid, and nothing changes it while the answer is used.
unsafe fn side_data<'a>(stream: *const ffi::AVStream, kind: SideData) -> &'a [u8] {
    let mut size = 0_usize;
    // SAFETY: the caller vouches for the stream; the side data belongs to it.
    #[cfg(not(ffmpeg_6_1))]
    let data = unsafe { ffi::av_stream_get_side_data(stream, kind, &raw mut size) };
    // SAFETY: as above; the parameters hold as many entries as they say.
    #[cfg(ffmpeg_6_1)]
    let data = unsafe {
        let parameters = (*stream).codecpar;
        let (entries, count) = (
            (*parameters).coded_side_data,
            (*parameters).nb_coded_side_data,
        );
        let entry = ffi::av_packet_side_data_get(entries, count, kind);
        if entry.is_null() {
            std::ptr::null_mut()
        } else {
            size = (*entry).size;
            (*entry).data
        }
    };
    if data.is_null() {
        return &[];
    }
    // SAFETY: libav says that `size` bytes are there.
    unsafe { slice::from_raw_parts(data, size) }
}

fn orientation(matrix: &[u8]) -> Orientation {
    matrix
        .first_chunk::<MATRIX_BYTES>()
        .map(from_display_matrix)
        .unwrap_or_default()
}

/// libav's name of a channel layout; empty for none.
///
/// # Safety
/// `layout` is valid for the call.
unsafe fn layout_name(layout: *const ffi::AVChannelLayout) -> String {
    let mut buffer = [0 as c_char; 128];
    // SAFETY: the caller vouches for the layout; the buffer is as long as said and ended by a zero.
    unsafe {
        if (*layout).nb_channels <= 0 {
            return String::new();
        }
        ffi::av_channel_layout_describe(layout, buffer.as_mut_ptr(), buffer.len());
        buffer[buffer.len() - 1] = 0;
        sys::text(buffer.as_ptr())
    }
}

fn disposition(flags: c_int) -> Disposition {
    let has = |flag: c_int| flags & flag != 0;
    Disposition {
        is_default: has(ffi::AV_DISPOSITION_DEFAULT as c_int),
        forced: has(ffi::AV_DISPOSITION_FORCED as c_int),
        hearing_impaired: has(ffi::AV_DISPOSITION_HEARING_IMPAIRED as c_int),
        visual_impaired: has(ffi::AV_DISPOSITION_VISUAL_IMPAIRED as c_int),
        comment: has(ffi::AV_DISPOSITION_COMMENT as c_int),
        attached_picture: has(ffi::AV_DISPOSITION_ATTACHED_PIC as c_int),
    }
}
