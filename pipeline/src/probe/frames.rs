//! From packets to the frame table. Pure: times in, times out.

use super::STAGE;
use crate::error::{Error, Result};
use libav::StreamInfo;
use model::FailureKind;
use model::source::{AccessPoint, FrameTable};

/// A video packet, as far as the table needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VideoPacket {
    pub(super) pts: Option<i64>,
    pub(super) dts: Option<i64>,
    pub(super) duration: i64,
    pub(super) role: Role,
    pub(super) is_key: bool,
}

/// Whether a packet becomes a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// One frame is shown.
    Shown,
    /// It serves to decode others; an edit list hides what it shows.
    Discarded,
    /// The codec shows nothing for it.
    Hidden,
}

/// Frames of a title at most: nine days at 60 frames per second would not fit memory well.
pub(super) const FRAMES_MAX: usize = 50_000_000;

/// The table and how it came about.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) table: FrameTable,
    /// The container has no presentation times: frames are known by their order alone.
    pub(super) is_ordinal: bool,
    pub(super) notes: Vec<String>,
}

impl Frames {
    /// Fails when there is no frame, or none that an access point reaches.
    pub(super) fn build(stream: &StreamInfo, packets: Vec<VideoPacket>) -> Result<Self> {
        let fallback = stream
            .real_frame_rate
            .or(stream.average_frame_rate)
            .and_then(|rate| rate.recip()?.checked_div(stream.time_base))
            .map_or(1, |ticks| ticks.round().max(1));
        Self::of_packets(packets, fallback)
    }

    fn of_packets(mut packets: Vec<VideoPacket>, fallback_ticks: i64) -> Result<Self> {
        let shown = |packet: &VideoPacket| packet.role == Role::Shown;
        let count = packets.iter().filter(|packet| shown(packet)).count();
        if count == 0 {
            return Err(Error::bad_input(STAGE, "a video track without frames"));
        }
        if count > FRAMES_MAX {
            let message = format!("{count} frames, {FRAMES_MAX} are the most");
            return Err(Error::refused(STAGE, FailureKind::Unsupported, message));
        }
        // AVI gives times to B pictures at most, and those by a frame too early.
        let is_timeless = |p: &VideoPacket| shown(p) && p.is_key && p.pts.is_none();
        let is_ordinal = packets.iter().any(is_timeless);
        if is_ordinal {
            packets
                .iter_mut()
                .for_each(|packet| packet.pts = packet.dts);
        }
        let mut frames: Vec<(i64, i64)> = packets
            .iter()
            .filter(|packet| shown(packet))
            .filter_map(|packet| Some((packet.pts?, packet.duration)))
            .collect();
        frames.sort_unstable();
        let mut notes = Vec::new();
        if frames.len() < count {
            let left_out = count - frames.len();
            notes.push(format!(
                "video: {left_out} packets without a time are left out"
            ));
        }
        let mut access_points = access_points(&packets, &frames);
        if is_ordinal {
            // Frames that are counted can only be counted from the start: which leading pictures a
            // decoder drops after a seek, no time would tell.
            access_points.truncate(1);
        }
        let Some(first) = access_points.first().map(|point| point.frame as usize) else {
            return Err(Error::bad_input(STAGE, "a video track without a key frame"));
        };
        if first > 0 {
            notes.push(format!(
                "video: {first} frames before the first key frame cannot be decoded and are left out"
            ));
        }
        let table = table(&frames[first..], access_points, fallback_ticks);
        Ok(Self {
            table,
            is_ordinal,
            notes,
        })
    }
}

impl Frames {
    /// Leaves out the frames before a time: the decoder gives nothing for them, because the first
    /// access point is one that recovers slowly (intra refresh) or lost its references. Decoding
    /// still starts there.
    pub(super) fn start_at(&mut self, time: i64) {
        let times: Vec<i64> = self.table.pts().collect();
        let first = times.partition_point(|pts| *pts < time);
        if first == 0 || first == times.len() {
            return;
        }
        self.notes.push(format!(
            "video: {first} frames at the start do not decode and are left out"
        ));
        let cut = u32::try_from(first).unwrap_or(u32::MAX);
        let mut points = std::mem::take(&mut self.table.access_points);
        points
            .iter_mut()
            .for_each(|point| point.frame = point.frame.saturating_sub(cut));
        let mut kept: Vec<AccessPoint> = Vec::new();
        for point in points {
            // Of those that fall together at the start the first is sure to reach it.
            if kept.last().is_none_or(|last| last.frame < point.frame) {
                kept.push(point);
            }
        }
        self.table = FrameTable::new(&times[first..], kept, self.table.end_pts);
    }
}

/// Key packets by the first frame that is shown at or after them. A key packet that an edit list hides
/// is one too: decoding starts there, and what follows is shown.
fn access_points(packets: &[VideoPacket], frames: &[(i64, i64)]) -> Vec<AccessPoint> {
    let mut points: Vec<AccessPoint> = Vec::new();
    for packet in packets
        .iter()
        .filter(|p| p.is_key && p.role != Role::Hidden)
    {
        let Some(pts) = packet.pts else { continue };
        let frame = frames.partition_point(|(time, _)| *time < pts);
        if frame == frames.len() {
            continue;
        }
        points.push(AccessPoint {
            frame: u32::try_from(frame).unwrap_or(u32::MAX),
            dts: packet.dts.unwrap_or(pts),
        });
    }
    points.sort_by_key(|point| (point.frame, point.dts));
    // Of several key packets before one frame the last is nearest to it.
    points.reverse();
    points.dedup_by_key(|point| point.frame);
    points.reverse();
    points
}

fn table(frames: &[(i64, i64)], mut points: Vec<AccessPoint>, fallback_ticks: i64) -> FrameTable {
    let first = points.first().map_or(0, |point| point.frame);
    points.iter_mut().for_each(|point| point.frame -= first);
    let pts: Vec<i64> = frames.iter().map(|(pts, _)| *pts).collect();
    let (last, duration) = frames.last().copied().unwrap_or_default();
    let before = pts
        .len()
        .checked_sub(2)
        .map_or(fallback_ticks, |index| last.saturating_sub(pts[index]));
    let duration = if duration > 0 {
        duration
    } else {
        before.max(1)
    };
    FrameTable::new(&pts, points, last.saturating_add(duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pts: i64, dts: i64, is_key: bool) -> VideoPacket {
        VideoPacket {
            pts: Some(pts),
            dts: Some(dts),
            duration: 1,
            role: Role::Shown,
            is_key,
        }
    }

    #[test]
    fn times_far_apart_overflow_nothing() {
        let packets = vec![
            packet(i64::MIN + 1, i64::MIN + 1, true),
            packet(i64::MAX - 1, 0, false),
        ];
        let packets = packets.into_iter().map(|packet| VideoPacket {
            duration: 0,
            ..packet
        });
        let frames = Frames::of_packets(packets.collect(), 1).unwrap();
        assert_eq!((frames.table.len(), frames.table.end_pts), (2, i64::MAX));
    }

    #[test]
    fn leading_pictures_belong_before_their_key_frame() {
        // Decode order I0 P3 b1 b2 | I6 b4 b5: the second key frame is shown as frame 6.
        let packets = [
            (0, true),
            (3, false),
            (1, false),
            (2, false),
            (6, true),
            (4, false),
            (5, false),
        ]
        .iter()
        .enumerate()
        .map(|(index, &(pts, key))| packet(pts, index as i64 - 2, key))
        .collect();
        let frames = Frames::of_packets(packets, 1).unwrap();
        let points = &frames.table.access_points;
        assert_eq!(
            points.iter().map(|p| (p.frame, p.dts)).collect::<Vec<_>>(),
            [(0, -2), (6, 2)]
        );
        assert_eq!((frames.table.len(), frames.table.end_pts), (7, 7));
    }

    #[test]
    fn frames_that_no_access_point_reaches_are_left_out() {
        let packets = vec![packet(0, 0, false), packet(1, 1, false), packet(2, 2, true)];
        let frames = Frames::of_packets(packets, 1).unwrap();
        assert_eq!(frames.table.pts().collect::<Vec<_>>(), [2]);
        assert_eq!(frames.table.access_points[0].frame, 0);
        assert_eq!(frames.notes.len(), 1);
    }

    #[test]
    fn a_hidden_key_packet_is_an_access_point_for_what_follows() {
        let mut packets = vec![
            packet(-2, -2, true),
            packet(-1, -1, false),
            packet(0, 0, false),
        ];
        packets[0].role = Role::Discarded;
        packets[1].role = Role::Discarded;
        let frames = Frames::of_packets(packets, 1).unwrap();
        assert_eq!(frames.table.len(), 1);
        assert_eq!(
            frames.table.access_points,
            [AccessPoint { frame: 0, dts: -2 }]
        );
    }

    #[test]
    fn without_presentation_times_decode_times_stand_in() {
        let mut packets = vec![packet(0, 0, true), packet(0, 4, false), packet(0, 8, false)];
        packets.iter_mut().for_each(|packet| packet.pts = None);
        let frames = Frames::of_packets(packets, 4).unwrap();
        assert!(frames.is_ordinal);
        assert_eq!(frames.table.pts().collect::<Vec<_>>(), [0, 4, 8]);
    }

    #[test]
    fn what_the_decoder_does_not_give_at_the_start_is_left_out() {
        let packets = (0..9)
            .map(|time| packet(time, time, time % 2 == 0))
            .collect();
        let mut frames = Frames::of_packets(packets, 1).unwrap();
        frames.start_at(5);
        assert_eq!(frames.table.pts().collect::<Vec<_>>(), [5, 6, 7, 8]);
        let points = &frames.table.access_points;
        assert_eq!(
            points.iter().map(|p| (p.frame, p.dts)).collect::<Vec<_>>(),
            [(0, 0), (1, 6), (3, 8)]
        );
        let before = frames.table.clone();
        frames.start_at(5);
        frames.start_at(100);
        assert_eq!(frames.table, before);
    }

    #[test]
    fn no_frames_and_no_key_frame_are_bad_input() {
        for packets in [vec![], vec![packet(0, 0, false)]] {
            let error = Frames::of_packets(packets, 1).unwrap_err();
            assert_eq!(error.kind(), FailureKind::BadInput);
        }
    }
}
