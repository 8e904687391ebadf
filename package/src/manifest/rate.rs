//! Bit rates of tracks, measured from segment sizes. What packagers declare is mostly below the real
//! peak, and a player that believes it stalls; these are the definitions that checkers use.

use super::Track;

/// Duration (ticks) and size (bytes) of each segment.
fn measured(track: &Track) -> impl Iterator<Item = (u64, u64)> {
    track
        .segments
        .iter()
        .map(|segment| (segment.duration, segment.size_bytes))
}

/// Bits per second, rounded up; 0 where there is no time.
fn bits_per_second(bytes: u128, ticks: u128, timescale: u32) -> u64 {
    if ticks == 0 {
        return 0;
    }
    u64::try_from((bytes * 8 * u128::from(timescale)).div_ceil(ticks)).unwrap_or(u64::MAX)
}

impl Track {
    /// Target duration in whole seconds: the longest segment, rounded (RFC 8216 4.3.3.1).
    pub fn target_duration(&self) -> u64 {
        let timescale = u64::from(self.timescale.max(1));
        let longest = self
            .segments
            .iter()
            .map(|segment| segment.duration)
            .max()
            .unwrap_or(0);
        ((2 * longest + timescale) / (2 * timescale)).max(1)
    }

    /// Peak segment bit rate: the largest over any run of segments that lasts between 0.5 and 1.5
    /// target durations (RFC 8216bis 4.4.6.2), so that a short last segment does not count alone. Not below the
    /// average, whose time leaves out what an edit list hides.
    pub fn peak_bps(&self) -> u64 {
        let target = u128::from(self.target_duration()) * u128::from(self.timescale);
        let mut peak = 0;
        for first in 0..self.segments.len() {
            let (mut ticks, mut bytes) = (0_u128, 0_u128);
            for segment in &self.segments[first..] {
                ticks += u128::from(segment.duration);
                bytes += u128::from(segment.size_bytes);
                if 2 * ticks > 3 * target {
                    break;
                }
                if 2 * ticks >= target {
                    peak = peak.max(bits_per_second(bytes, ticks, self.timescale));
                }
            }
        }
        peak.max(self.average_bps())
    }

    /// Size of all segments over the presented length.
    pub fn average_bps(&self) -> u64 {
        let bytes = measured(self).map(|(_, bytes)| u128::from(bytes)).sum();
        let ticks: u128 = measured(self).map(|(ticks, _)| u128::from(ticks)).sum();
        bits_per_second(
            bytes,
            ticks.saturating_sub(u128::from(self.skip)),
            self.timescale,
        )
    }

    /// The rate of a channel that delivers every segment in time to a player that starts at any of
    /// them `buffer_ticks` late (ISO/IEC 23009-1, `@bandwidth` with `@minBufferTime`).
    ///
    /// Over the segments `first..=last`, the bytes must fit into the buffer time and the segments
    /// before `last`.
    pub fn delivery_bps(&self, buffer_ticks: u64) -> u64 {
        let mut rate = self.average_bps();
        for first in 0..self.segments.len() {
            let (mut ticks, mut bytes) = (u128::from(buffer_ticks), 0_u128);
            for segment in &self.segments[first..] {
                bytes += u128::from(segment.size_bytes);
                // Most runs do not raise the rate; a product tells without a division.
                if bytes * 8 * u128::from(self.timescale) > u128::from(rate) * ticks {
                    rate = bits_per_second(bytes, ticks, self.timescale);
                }
                ticks += u128::from(segment.duration);
            }
        }
        rate
    }
}
