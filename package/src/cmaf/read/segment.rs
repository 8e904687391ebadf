//! A media segment back into its samples. Every byte of `mdat` belongs to exactly one sample, in
//! order; times are checked for overflow, because facts that wrap would pass later comparisons.

use super::cursor::Cursor;
use crate::cmaf::write::{FLAGS_NON_SYNC, FLAGS_SYNC, Sample, Segment};
use crate::error::Result;
use std::ops::Range;

/// A parsed segment. Sample bytes stay in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// `mfhd` sequence number.
    pub sequence_number: u32,
    /// `tfdt` decode time in ticks.
    pub base_decode_time: u64,
    /// Samples in decode order; at least one.
    pub samples: Vec<FragmentSample>,
}

/// One sample of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FragmentSample {
    /// Where its bytes are in the file.
    pub range: Range<usize>,
    /// Ticks until the next sample is decoded.
    pub duration: u32,
    /// Presentation time less decode time, in ticks.
    pub composition_offset: i32,
    /// Whether decoding may start here.
    pub is_sync: bool,
}

/// What the publish gate compares with the plan. Times are in ticks of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentFacts {
    /// `mfhd` sequence number.
    pub sequence_number: u32,
    /// Decode time of the first sample.
    pub base_decode_time: u64,
    /// Sum of the sample durations.
    pub duration: u64,
    /// Number of samples.
    pub samples: u32,
    /// Whether decoding may start at the first sample.
    pub first_is_sync: bool,
    /// Earliest presentation of a sample.
    pub presentation_start: i64,
    /// Latest end of a sample's presentation.
    pub presentation_end: i64,
    /// Bytes of all samples.
    pub data_bytes: u64,
    /// Bytes from the start of the file to the end of the first sample: the range of an I-frame
    /// playlist.
    pub first_sample_end: u64,
}

/// Fields of `tfhd` and `trun` that say what is present.
struct Run {
    default_duration: Option<u32>,
    default_flags: Option<u32>,
    first_flags: Option<u32>,
    fields: u32,
}

/// Reads a media segment. Fails on anything that [`crate::cmaf::write::media_segment`] does not write.
pub fn media_segment(bytes: &[u8]) -> Result<Fragment> {
    let mut file = Cursor::file(bytes);
    file.child(b"styp")?.exactly(b"msdh\0\0\0\0msdhcmfscmfc")?;
    let moof_at = file.at();
    let mut moof = file.child(b"moof")?;
    let data_at = file.at() + 8;
    let data = file.child(b"mdat")?;
    file.end()?;

    let mut header = moof.full_with(b"mfhd", (0, 0))?;
    let sequence_number = header.u32()?;
    header.end()?;
    let mut track = moof.child(b"traf")?;
    moof.end()?;
    let (default_duration, default_flags) = fragment_header(&mut track)?;
    let mut time = track.full_with(b"tfdt", (1, 0))?;
    let base_decode_time = time.u64()?;
    time.end()?;
    let (mut body, fields) = track.full(b"trun", 1)?;
    track.end()?;
    let run = Run {
        default_duration,
        default_flags,
        first_flags: None,
        fields,
    };
    let samples = read_run(&mut body, run, data_at, data_at - moof_at)?;
    let end = samples.last().map_or(data_at, |last| last.range.end);
    if end != data_at + data.remaining() {
        return Err(data.problem(format!("samples end at byte {end}, mdat does not")));
    }
    let fragment = Fragment {
        sequence_number,
        base_decode_time,
        samples,
    };
    fragment.check_times(&body)?;
    Ok(fragment)
}

/// Reads `tfhd`; gives the default duration and flags.
fn fragment_header(track: &mut Cursor<'_>) -> Result<(Option<u32>, Option<u32>)> {
    let (mut body, flags) = track.full(b"tfhd", 0)?;
    if flags & !0x28 != 0x02_0000 {
        return Err(body.problem(format!("flags {flags:#x}")));
    }
    body.exactly(&[0, 0, 0, 1])?;
    let duration = if flags & 0x08 == 0 {
        None
    } else {
        Some(body.u32()?)
    };
    let sample_flags = if flags & 0x20 == 0 {
        None
    } else {
        Some(body.u32()?)
    };
    body.end()?;
    Ok((duration, sample_flags))
}

fn read_run(
    body: &mut Cursor<'_>,
    mut run: Run,
    data_at: usize,
    data_offset: usize,
) -> Result<Vec<FragmentSample>> {
    let fields = run.fields;
    if fields & !0xf05 != 0 || fields & 0x201 != 0x201 {
        return Err(body.problem(format!("flags {fields:#x}")));
    }
    if (fields & 0x100 != 0) == run.default_duration.is_some() {
        return Err(body.problem("durations are given twice or not at all"));
    }
    if (fields & 0x400 != 0) == run.default_flags.is_some() || fields & 0x404 == 0x404 {
        return Err(body.problem("sample flags are given twice or not at all"));
    }
    let count = body.u32()? as usize;
    if body.u32()? as usize != data_offset {
        return Err(body.problem("data offset is not that of mdat"));
    }
    if fields & 0x04 != 0 {
        run.first_flags = Some(body.u32()?);
    }
    // The size of a sample is always there, so the count is bounded by the bytes of the box.
    let entry_bytes = 4 * (fields & 0xf00).count_ones() as usize;
    if count == 0 || count.checked_mul(entry_bytes) != Some(body.remaining()) {
        return Err(body.problem(format!("{count} samples do not fill the box")));
    }
    let mut samples = Vec::with_capacity(count);
    let mut at = data_at;
    for index in 0..count {
        let sample = read_sample(body, &run, index, at)?;
        at = sample.range.end;
        samples.push(sample);
    }
    Ok(samples)
}

fn read_sample(
    body: &mut Cursor<'_>,
    run: &Run,
    index: usize,
    at: usize,
) -> Result<FragmentSample> {
    let duration = match run.default_duration {
        Some(duration) => duration,
        None => body.u32()?,
    };
    let size = body.u32()? as usize;
    let flags = match (run.default_flags, run.first_flags) {
        (_, Some(first)) if index == 0 => first,
        (Some(common), _) => common,
        (None, _) => body.u32()?,
    };
    let composition_offset = if run.fields & 0x800 == 0 {
        0
    } else {
        body.u32()? as i32
    };
    let is_sync = match flags {
        FLAGS_SYNC => true,
        FLAGS_NON_SYNC => false,
        _ => return Err(body.problem(format!("sample {index} has flags {flags:#x}"))),
    };
    let end = at
        .checked_add(size)
        .ok_or_else(|| body.problem("sample sizes overflow"))?;
    Ok(FragmentSample {
        range: at..end,
        duration,
        composition_offset,
        is_sync,
    })
}

impl Fragment {
    fn check_times(&self, run: &Cursor<'_>) -> Result<()> {
        let duration: u64 = self
            .samples
            .iter()
            .map(|sample| u64::from(sample.duration))
            .sum();
        let span = i64::try_from(self.base_decode_time)
            .ok()
            .and_then(|start| start.checked_add(i64::try_from(duration).ok()?))
            .and_then(|end| end.checked_add(2 * i64::from(i32::MAX)));
        if span.is_none() {
            return Err(run.problem("decode times exceed 63 bits"));
        }
        if self
            .samples
            .iter()
            .any(|sample| sample.duration == 0 || sample.range.is_empty())
        {
            return Err(run.problem("a sample is empty or has no duration"));
        }
        Ok(())
    }

    /// Sums the samples up.
    pub fn facts(&self) -> SegmentFacts {
        let mut decode_time = self.base_decode_time as i64;
        let (mut start, mut end) = (i64::MAX, i64::MIN);
        for sample in &self.samples {
            let presented = decode_time + i64::from(sample.composition_offset);
            start = start.min(presented);
            end = end.max(presented + i64::from(sample.duration));
            decode_time += i64::from(sample.duration);
        }
        let first = &self.samples[0];
        SegmentFacts {
            sequence_number: self.sequence_number,
            base_decode_time: self.base_decode_time,
            duration: decode_time as u64 - self.base_decode_time,
            samples: self.samples.len() as u32,
            first_is_sync: first.is_sync,
            presentation_start: start,
            presentation_end: end,
            data_bytes: self
                .samples
                .iter()
                .map(|sample| sample.range.len() as u64)
                .sum(),
            first_sample_end: first.range.end as u64,
        }
    }

    /// The segment with the bytes of its samples, from the file that was read.
    pub fn to_segment(&self, bytes: &[u8]) -> Segment {
        let sample = |sample: &FragmentSample| Sample {
            data: bytes.get(sample.range.clone()).unwrap_or_default().to_vec(),
            duration: sample.duration,
            composition_offset: sample.composition_offset,
            is_sync: sample.is_sync,
        };
        Segment {
            sequence_number: self.sequence_number,
            base_decode_time: self.base_decode_time,
            samples: self.samples.iter().map(sample).collect(),
        }
    }
}
