//! Which source channel goes into which output channel, and how loud (ITU-R BS.775).
//!
//! Stereo: `L = FL + 0.7071 FC + 0.7071 Ls`, and so the right side; side and back surrounds count
//! alike, a back centre goes to both with 0.5; LFE is dropped. Mono goes to both sides unchanged.
//! 5.1: every channel to its place; 7.1 adds side and back, each with 0.7071, so that their power
//! stays. Nothing is normalised: sums may exceed full scale, and the gain brings them back.

use libav::Channel;

/// -3 dB.
const HALF_POWER: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// How the source's channels become those of an output.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matrix {
    from: Vec<Channel>,
    /// For each output channel its source channels and their weights.
    rows: Vec<Vec<(usize, f32)>>,
}

impl Matrix {
    /// The matrix to stereo (2) or 5.1 (6: FL FR FC LFE and the surrounds).
    pub(super) fn new(from: &[Channel], to: u32) -> Self {
        let mut rows = vec![Vec::new(); to as usize];
        let has_sides = from.contains(&Channel::SideLeft) || from.contains(&Channel::SideRight);
        let has_backs = from.contains(&Channel::BackLeft) || from.contains(&Channel::BackRight);
        let is_nameless = !from
            .iter()
            .any(|channel| !matches!(channel, Channel::Other(_)));
        for (index, &channel) in from.iter().enumerate() {
            let targets = match to {
                _ if from.len() == 1 && to == 6 => vec![(2, 1.0)],
                _ if from.len() == 1 => vec![(0, 1.0), (1, 1.0)],
                // Places that have no name here, such as a downmix that is told apart from stereo.
                _ if is_nameless => vec![(index, 1.0)],
                6 => to_surround(channel, has_sides && has_backs),
                _ => to_stereo(channel),
            };
            for (target, weight) in targets {
                if let Some(row) = rows.get_mut(target) {
                    row.push((index, weight));
                }
            }
        }
        Self {
            from: from.to_vec(),
            rows,
        }
    }

    /// Whether it was made for these channels.
    pub(super) fn takes(&self, channels: &[Channel]) -> bool {
        self.from == channels
    }

    /// Mixes planes of one length.
    pub(super) fn mix(&self, samples: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let count = samples.first().map_or(0, Vec::len);
        let mix_row = |row: &Vec<(usize, f32)>| {
            let mut mixed = vec![0.0; count];
            for &(source, weight) in row {
                for (sum, sample) in mixed.iter_mut().zip(&samples[source]) {
                    *sum += weight * sample;
                }
            }
            mixed
        };
        self.rows.iter().map(mix_row).collect()
    }
}

fn to_stereo(channel: Channel) -> Vec<(usize, f32)> {
    match channel {
        Channel::FrontLeft => vec![(0, 1.0)],
        Channel::FrontRight => vec![(1, 1.0)],
        Channel::FrontCenter => vec![(0, HALF_POWER), (1, HALF_POWER)],
        Channel::BackLeft | Channel::SideLeft | Channel::FrontLeftOfCenter => {
            vec![(0, HALF_POWER)]
        }
        Channel::BackRight | Channel::SideRight | Channel::FrontRightOfCenter => {
            vec![(1, HALF_POWER)]
        }
        Channel::BackCenter => vec![(0, 0.5), (1, 0.5)],
        Channel::LowFrequency | Channel::Other(_) => Vec::new(),
    }
}

fn to_surround(channel: Channel, is_doubled: bool) -> Vec<(usize, f32)> {
    let surround = if is_doubled { HALF_POWER } else { 1.0 };
    match channel {
        Channel::FrontLeft => vec![(0, 1.0)],
        Channel::FrontRight => vec![(1, 1.0)],
        Channel::FrontCenter => vec![(2, 1.0)],
        Channel::LowFrequency => vec![(3, 1.0)],
        Channel::BackLeft | Channel::SideLeft => vec![(4, surround)],
        Channel::BackRight | Channel::SideRight => vec![(5, surround)],
        Channel::BackCenter => vec![(4, HALF_POWER), (5, HALF_POWER)],
        Channel::FrontLeftOfCenter => vec![(0, HALF_POWER), (2, HALF_POWER)],
        Channel::FrontRightOfCenter => vec![(1, HALF_POWER), (2, HALF_POWER)],
        Channel::Other(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Channel::{
        BackLeft, BackRight, FrontCenter, FrontLeft, FrontRight, LowFrequency, Other, SideLeft,
        SideRight,
    };

    fn mixed(from: &[Channel], to: u32, at: usize) -> Vec<f32> {
        let mut samples = vec![vec![0.0]; from.len()];
        samples[at][0] = 1.0;
        Matrix::new(from, to)
            .mix(&samples)
            .iter()
            .map(|plane| plane[0])
            .collect()
    }

    #[test]
    fn surround_becomes_stereo_by_the_recommendation() {
        let from = [
            FrontLeft,
            FrontRight,
            FrontCenter,
            LowFrequency,
            SideLeft,
            SideRight,
        ];
        assert_eq!(mixed(&from, 2, 0), [1.0, 0.0]);
        assert_eq!(mixed(&from, 2, 2), [HALF_POWER, HALF_POWER]);
        assert_eq!(mixed(&from, 2, 3), [0.0, 0.0]);
        assert_eq!(mixed(&from, 2, 5), [0.0, HALF_POWER]);
    }

    #[test]
    fn mono_is_heard_on_both_sides_whatever_its_place() {
        assert_eq!(mixed(&[FrontCenter], 2, 0), [1.0, 1.0]);
        assert_eq!(mixed(&[Other(40)], 2, 0), [1.0, 1.0]);
        assert_eq!(mixed(&[Other(29), Other(30)], 2, 1), [0.0, 1.0]);
    }

    #[test]
    fn seven_one_keeps_the_power_of_its_surrounds() {
        let from = [
            FrontLeft,
            FrontRight,
            FrontCenter,
            LowFrequency,
            BackLeft,
            BackRight,
            SideLeft,
            SideRight,
        ];
        assert_eq!(mixed(&from, 6, 4)[4], HALF_POWER);
        assert_eq!(mixed(&from, 6, 7)[5], HALF_POWER);
        assert_eq!(mixed(&from[..6], 6, 4)[4], 1.0);
    }
}
