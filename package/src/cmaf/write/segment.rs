//! A media segment: `styp`, `moof`, `mdat`. Durations and flags that all samples share go into
//! `tfhd`, which keeps sound segments small; composition offsets are written only where there are any.

use super::boxes::BoxWriter;
use super::{FLAGS_NON_SYNC, FLAGS_SYNC, Sample, Segment};
use crate::error::{Error, Result};

/// `default-base-is-moof` of `tfhd`.
const BASE_IS_MOOF: u32 = 0x02_0000;
/// `default-sample-duration-present` of `tfhd`.
const DEFAULT_DURATION: u32 = 0x08;
/// `default-sample-flags-present` of `tfhd`.
const DEFAULT_FLAGS: u32 = 0x20;
/// `data-offset-present` of `trun`.
const DATA_OFFSET: u32 = 0x01;
/// `first-sample-flags-present` of `trun`.
const FIRST_FLAGS: u32 = 0x04;
/// `sample-duration-present` of `trun`.
const DURATIONS: u32 = 0x100;
/// `sample-size-present` of `trun`.
const SIZES: u32 = 0x200;
/// `sample-flags-present` of `trun`.
const FLAGS: u32 = 0x400;
/// `sample-composition-time-offsets-present` of `trun`.
const COMPOSITION: u32 = 0x800;

/// Most bytes of samples in a segment: sizes and offsets of the boxes are 31 bits.
const DATA_BYTES_MAX: usize = i32::MAX as usize / 2;

/// Which of its fields the fragment states once.
struct Layout {
    duration: Option<u32>,
    /// Flags of all samples, and those of the first where only they differ.
    flags: Option<(u32, Option<u32>)>,
    offsets: bool,
}

const fn flags(sample: &Sample) -> u32 {
    if sample.is_sync {
        FLAGS_SYNC
    } else {
        FLAGS_NON_SYNC
    }
}

impl Layout {
    fn of(samples: &[Sample]) -> Self {
        let first = &samples[0];
        let later = samples.get(1).map_or(flags(first), flags);
        let same = samples.iter().skip(1).all(|sample| flags(sample) == later);
        let exception = (flags(first) != later).then(|| flags(first));
        let one_duration = samples
            .iter()
            .all(|sample| sample.duration == first.duration);
        Self {
            duration: one_duration.then_some(first.duration),
            flags: same.then_some((later, exception)),
            offsets: samples.iter().any(|sample| sample.composition_offset != 0),
        }
    }
}

/// Writes a media segment. Fails without samples, or with 1 GiB of them.
pub fn media_segment(segment: &Segment) -> Result<Vec<u8>> {
    if segment.samples.is_empty() {
        return Err(Error::invalid("media segment", "it has no samples"));
    }
    let data_bytes: usize = segment.samples.iter().map(|sample| sample.data.len()).sum();
    if data_bytes > DATA_BYTES_MAX || segment.samples.len() > DATA_BYTES_MAX / 16 {
        return Err(Error::invalid("media segment", "its samples exceed 1 GiB"));
    }
    let mut writer = BoxWriter::default();
    writer.boxed(b"styp", |styp| {
        styp.raw(b"msdh");
        styp.u32(0);
        styp.raw(b"msdhcmfscmfc");
    });
    let moof_start = writer.len();
    let mut offset_at = 0;
    writer.boxed(b"moof", |moof| {
        moof.full(b"mfhd", (0, 0), |mfhd| mfhd.u32(segment.sequence_number));
        moof.boxed(b"traf", |traf| offset_at = track_fragment(traf, segment));
    });
    let data_offset = writer.len() - moof_start + 8;
    writer.patch_u32(offset_at, data_offset as u32);
    writer.boxed(b"mdat", |mdat| {
        segment
            .samples
            .iter()
            .for_each(|sample| mdat.raw(&sample.data));
    });
    Ok(writer.into_bytes())
}

/// Writes the boxes of `traf`; gives the place of the data offset.
fn track_fragment(traf: &mut BoxWriter, segment: &Segment) -> usize {
    let layout = Layout::of(&segment.samples);
    let present = |condition: bool, flag: u32| if condition { flag } else { 0 };
    let defaults = BASE_IS_MOOF
        | present(layout.duration.is_some(), DEFAULT_DURATION)
        | present(layout.flags.is_some(), DEFAULT_FLAGS);
    traf.full(b"tfhd", (0, defaults), |tfhd| {
        tfhd.u32(1);
        layout
            .duration
            .iter()
            .for_each(|&duration| tfhd.u32(duration));
        layout
            .flags
            .iter()
            .for_each(|&(common, _)| tfhd.u32(common));
    });
    traf.full(b"tfdt", (1, 0), |tfdt| tfdt.u64(segment.base_decode_time));
    let exception = layout.flags.and_then(|(_, exception)| exception);
    let fields = DATA_OFFSET
        | SIZES
        | present(layout.duration.is_none(), DURATIONS)
        | present(layout.flags.is_none(), FLAGS)
        | present(exception.is_some(), FIRST_FLAGS)
        | present(layout.offsets, COMPOSITION);
    let mut offset_at = 0;
    traf.full(b"trun", (1, fields), |trun| {
        trun.u32(segment.samples.len() as u32);
        offset_at = trun.len();
        trun.u32(0);
        exception.iter().for_each(|&flags| trun.u32(flags));
        segment
            .samples
            .iter()
            .for_each(|sample| run_entry(trun, sample, &layout));
    });
    offset_at
}

fn run_entry(trun: &mut BoxWriter, sample: &Sample, layout: &Layout) {
    if layout.duration.is_none() {
        trun.u32(sample.duration);
    }
    trun.u32(sample.data.len() as u32);
    if layout.flags.is_none() {
        trun.u32(flags(sample));
    }
    if layout.offsets {
        trun.u32(sample.composition_offset as u32);
    }
}
