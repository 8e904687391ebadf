//! Rational time. Media time is never a float: 29.97 stays 30000/1001 from the probe to the
//! manifest, and a difference of one tick is a bug that a test can see.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// An exact fraction with a positive denominator, always in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(i64, i64)", into = "(i64, i64)")]
pub struct Rational {
    num: i64,
    den: i64,
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}

impl Rational {
    /// Zero.
    pub const ZERO: Self = Self { num: 0, den: 1 };
    /// One.
    pub const ONE: Self = Self { num: 1, den: 1 };

    /// The fraction in lowest terms, or `None` when the denominator is 0 or the result does not
    /// fit into 64 bits.
    pub fn new(num: i64, den: i64) -> Option<Self> {
        Self::reduce(i128::from(num), i128::from(den))
    }

    /// A whole number.
    pub const fn whole(num: i64) -> Self {
        Self { num, den: 1 }
    }

    fn reduce(num: i128, den: i128) -> Option<Self> {
        if den == 0 {
            return None;
        }
        let divisor = gcd(num, den).max(1) * den.signum();
        Some(Self {
            num: i64::try_from(num / divisor).ok()?,
            den: i64::try_from(den / divisor).ok()?,
        })
    }

    /// Numerator of the reduced fraction.
    pub const fn num(self) -> i64 {
        self.num
    }

    /// Denominator of the reduced fraction; always positive.
    pub const fn den(self) -> i64 {
        self.den
    }

    /// The reciprocal; `None` for zero.
    pub fn recip(self) -> Option<Self> {
        Self::new(self.den, self.num)
    }

    /// Sum; `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let num = i128::from(self.num) * i128::from(other.den)
            + i128::from(other.num) * i128::from(self.den);
        Self::reduce(num, i128::from(self.den) * i128::from(other.den))
    }

    /// Difference; `None` on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(Self {
            num: -other.num,
            den: other.den,
        })
    }

    /// Product; `None` on overflow.
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        Self::reduce(
            i128::from(self.num) * i128::from(other.num),
            i128::from(self.den) * i128::from(other.den),
        )
    }

    /// Quotient; `None` on overflow or division by zero.
    pub fn checked_div(self, other: Self) -> Option<Self> {
        self.checked_mul(other.recip()?)
    }

    /// The nearest integer; halves go away from zero.
    pub fn round(self) -> i64 {
        let (num, den) = (i128::from(self.num), i128::from(self.den));
        let rounded = (2 * num.abs() + den) / (2 * den) * num.signum();
        i64::try_from(rounded).unwrap_or(if num < 0 { i64::MIN } else { i64::MAX })
    }

    /// The greatest integer that is not above the value.
    pub fn floor(self) -> i64 {
        self.num.div_euclid(self.den)
    }

    /// The least integer that is not below the value.
    pub fn ceil(self) -> i64 {
        -((-self.num).div_euclid(self.den))
    }

    /// The value as a float: for display and for heuristics, never for media time.
    pub fn as_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }
}

impl From<Rational> for (i64, i64) {
    fn from(value: Rational) -> (i64, i64) {
        (value.num, value.den)
    }
}

impl TryFrom<(i64, i64)> for Rational {
    type Error = &'static str;
    fn try_from((num, den): (i64, i64)) -> Result<Self, &'static str> {
        Self::new(num, den).ok_or("a fraction with denominator 0")
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        (i128::from(self.num) * i128::from(other.den))
            .cmp(&(i128::from(other.num) * i128::from(self.den)))
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 {
            write!(f, "{}", self.num)
        } else {
            write!(f, "{}/{}", self.num, self.den)
        }
    }
}

/// Converts `ticks` of a time base (seconds per tick) into another, to the nearest tick.
pub fn rescale(ticks: i64, from: Rational, to: Rational) -> i64 {
    let num = i128::from(ticks) * i128::from(from.num) * i128::from(to.den);
    let den = i128::from(from.den) * i128::from(to.num);
    let rounded = (2 * num.abs() + den) / (2 * den) * num.signum();
    i64::try_from(rounded).unwrap_or(if num < 0 { i64::MIN } else { i64::MAX })
}

/// Ticks per second and ticks per frame in which every frame of a rate lasts a whole number of
/// ticks: the numerator of the rate, multiplied until a tick is at most 0.1 ms, so that 25 fps has
/// (10000, 400) and 30000/1001 has (30000, 1001).
pub fn video_timescale(frame_rate: Rational) -> (u32, u32) {
    assert!(frame_rate.num() > 0, "a frame rate is positive");
    let factor = 10_000_i64.div_euclid(frame_rate.num()).max(1);
    let factor = if frame_rate.num() * factor < 10_000 {
        factor + 1
    } else {
        factor
    };
    let to_u32 = |value: i64| u32::try_from(value).expect("frame rates are bounded by the planner");
    (
        to_u32(frame_rate.num() * factor),
        to_u32(frame_rate.den() * factor),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_reduced_and_ordered() {
        let ntsc = Rational::new(60_000, 2_002).unwrap();
        assert_eq!((ntsc.num(), ntsc.den()), (30_000, 1_001));
        assert!(ntsc < Rational::whole(30));
        assert_eq!(Rational::new(1, -2).unwrap(), Rational::new(-1, 2).unwrap());
        assert_eq!(Rational::new(1, 0), None);
        assert_eq!(Rational::new(-1, 2).unwrap().round(), -1);
        assert_eq!(Rational::new(-1, 2).unwrap().floor(), -1);
        assert_eq!(Rational::new(3, 2).unwrap().ceil(), 2);
    }

    #[test]
    fn rescaling_rounds_to_the_nearest_tick() {
        let base = Rational::new(1, 90_000).unwrap();
        let target = Rational::new(1, 48_000).unwrap();
        assert_eq!(rescale(90_000, base, target), 48_000);
        assert_eq!(rescale(1, base, target), 1);
        assert_eq!(rescale(-1, base, target), -1);
    }

    #[test]
    fn every_frame_lasts_a_whole_number_of_ticks() {
        assert_eq!(video_timescale(Rational::whole(25)), (10_000, 400));
        assert_eq!(
            video_timescale(Rational::new(30_000, 1_001).unwrap()),
            (30_000, 1_001)
        );
        assert_eq!(
            video_timescale(Rational::new(25, 2).unwrap()),
            (10_000, 800)
        );
        assert_eq!(video_timescale(Rational::whole(30)), (10_020, 334));
    }
}
