//! The output rate and the frame map. A source whose time stamps are those of a constant rate, rounded
//! to the container's ticks, gets that exact rate and every frame once. Any other is laid on the
//! nearest standard rate. Averages are never used as rates: 29.97 must come out as 30000/1001.

use super::{DURATION_MAX, failure};
use model::frame_map::FrameMap;
use model::source::FrameTable;
use model::{Failure, FailureKind, Rational};

/// Standard rates, ascending, as numerator and denominator.
pub(super) const STANDARD: [(i64, i64); 17] = [
    (10, 1),
    (12, 1),
    (25, 2),
    (15, 1),
    (20, 1),
    (24_000, 1_001),
    (24, 1),
    (25, 1),
    (30_000, 1_001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60_000, 1_001),
    (60, 1),
    (100, 1),
    (120_000, 1_001),
    (120, 1),
];

/// The rate of a source with a single frame, whose time stamps say nothing.
const STILL_RATE: Rational = Rational::whole(25);

/// Slower constant sources are laid on a standard rate: a segment of theirs may hold no frame.
const CONSTANT_MIN: Rational = Rational::ONE;

/// Faster ones are broken time stamps: no camera that delivers titles exceeds it.
const CONSTANT_MAX: Rational = Rational::whole(1_000);

/// A larger numerator is no rate that anybody chose, and its timescale leaves 32 bits.
const NUMERATOR_MAX: i64 = 1_000_000;

/// Output rate, map and how they came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Output frames per second.
    pub rate: Rational,
    /// Which source frame each output frame shows.
    pub map: FrameMap,
    /// For people.
    pub reason: String,
}

/// Decides rate and map of a track. `nominal` is the container's own idea and only breaks ties.
///
/// # Errors
/// `bad_input` for a track without frames or with impossible time stamps.
pub fn timing(
    table: &FrameTable,
    time_base: Rational,
    nominal: Option<Rational>,
    rate_max: Rational,
) -> Result<Timing, Failure> {
    let bad = |message: &str| failure(FailureKind::BadInput, message);
    let bounds = 1..=i64::from(i32::MAX);
    if !bounds.contains(&time_base.num()) || !bounds.contains(&time_base.den()) {
        return Err(bad("the video track has no usable time base"));
    }
    let Some(first) = table.pts_of(0) else {
        return Err(bad("the video track holds no frame"));
    };
    let offset = |pts: i64| pts.checked_sub(first).filter(|offset| *offset >= 0);
    let ticks: Option<Vec<i64>> = table.pts().map(offset).collect();
    let ticks = ticks.filter(|ticks| ticks.is_sorted());
    let ticks = ticks.ok_or_else(|| bad("time stamps of the video track go back"))?;
    if ticks.len() == 1 {
        return Ok(thinned(STILL_RATE, 1, rate_max, "a single frame"));
    }
    let clock = Clock {
        ticks: &ticks,
        time_base,
    };
    match clock.constant_rate(nominal) {
        Some(rate) => {
            let frames = table.len();
            Ok(thinned(
                rate,
                frames,
                rate_max,
                &format!("constant {rate} frames per second"),
            ))
        }
        None => {
            let last = ticks.last().copied().unwrap_or(0);
            let end = offset(table.end_pts)
                .unwrap_or(0)
                .max(last.saturating_add(1));
            clock.laid_on_standard(end, rate_max)
        }
    }
}

/// Every frame in order, or every second, fourth ... one where the rate is too high.
fn thinned(rate: Rational, frames: u32, rate_max: Rational, reason: &str) -> Timing {
    let mut step = 1_u32;
    let mut out = rate;
    while let Some(half) = out
        .checked_div(Rational::whole(2))
        .filter(|_| out > rate_max)
    {
        out = half;
        step *= 2;
    }
    let map = FrameMap::new((0..frames).step_by(step as usize));
    let reason = match step {
        1 => format!("{reason}; every frame once"),
        _ => format!("{reason}, above the limit of {rate_max}; one of {step} frames is shown"),
    };
    Timing {
        rate: out,
        map,
        reason,
    }
}

/// Time stamps from 0 on.
struct Clock<'a> {
    ticks: &'a [i64],
    time_base: Rational,
}

impl Clock<'_> {
    /// The constant rate whose rounded time stamps these are, if there is one.
    fn constant_rate(&self, nominal: Option<Rational>) -> Option<Rational> {
        let grain = self.grain();
        let sane = |rate: &Rational| {
            (CONSTANT_MIN..=CONSTANT_MAX).contains(rate) && rate.num() <= NUMERATOR_MAX
        };
        let fits = |rate: &Rational| sane(rate) && self.spread(*rate, grain).is_some();
        let nominal = nominal.filter(fits);
        if let Some(rate) = nominal.filter(|rate| standard().any(|known| known == *rate)) {
            return Some(rate);
        }
        // A short title may fit several; then the one with the smallest error is meant.
        let best = standard()
            .filter(fits)
            .filter_map(|rate| Some((self.spread(rate, grain)?, rate)))
            .min_by(|a, b| a.0.cmp(&b.0));
        best.map(|(_, rate)| rate)
            .or(nominal)
            .or_else(|| self.simplest_rate(grain).filter(fits))
    }

    /// The rounding of the time stamps in ticks. A title that went through a coarser container keeps
    /// that rounding in a finer one, as a common divisor; up to a millisecond is taken for that.
    fn grain(&self) -> i64 {
        let divisor = self
            .ticks
            .iter()
            .fold(0, |divisor, &ticks| gcd(divisor, ticks));
        let seconds = self.time_base.checked_mul(Rational::whole(divisor));
        let millisecond = Rational::new(1, 1_000).unwrap_or(Rational::ZERO);
        if divisor > 0 && seconds.is_some_and(|s| s <= millisecond) {
            divisor
        } else {
            1
        }
    }

    /// How far apart the errors of the time stamps are at a rate, in ticks; `None` when they are more
    /// than rounding. Half a frame is never rounding: a lost frame must not be taken for it.
    fn spread(&self, rate: Rational, grain: i64) -> Option<Rational> {
        let (step, scale) = self.frame_ticks(rate);
        let (mut low, mut high) = (0_i128, 0_i128);
        for (index, &ticks) in (0_i128..).zip(self.ticks) {
            let error = i128::from(ticks) * scale - index * step;
            low = low.min(error);
            high = high.max(error);
            if high - low > i128::from(grain) * scale || 2 * (high - low) > step {
                return None;
            }
        }
        Rational::new(i64::try_from(high - low).ok()?, i64::try_from(scale).ok()?)
    }

    /// Ticks of a frame as a fraction: numerator and denominator.
    fn frame_ticks(&self, rate: Rational) -> (i128, i128) {
        let step = i128::from(rate.den()) * i128::from(self.time_base.den());
        (
            step,
            i128::from(rate.num()) * i128::from(self.time_base.num()),
        )
    }

    /// The simplest fraction that agrees with the first and the last time stamp.
    fn simplest_rate(&self, grain: i64) -> Option<Rational> {
        let last = *self.ticks.last()?;
        let steps = Rational::whole(i64::try_from(self.ticks.len()).ok()? - 1);
        let seconds = |ticks: i64| Rational::whole(ticks).checked_mul(self.time_base);
        let low = steps.checked_div(seconds(last.checked_add(grain)?)?)?;
        let high = steps.checked_div(seconds(last - grain).filter(|s| *s > Rational::ZERO)?)?;
        simplest_between(low, high)
    }

    /// Lays frames on the smallest standard rate that loses none of them while time goes on as usual.
    /// Output frame n shows the last source frame that starts no later than the middle of n, which is
    /// the frame on screen for the larger part of it.
    fn laid_on_standard(&self, end: i64, rate_max: Rational) -> Result<Timing, Failure> {
        let usual = self.usual_rate();
        let rate = standard_at_least(usual, rate_max);
        let seconds = Rational::whole(end).checked_mul(self.time_base);
        let frames = seconds
            .and_then(|s| s.checked_mul(rate))
            .map(Rational::round);
        let (Some(frames), true) = (frames, seconds.is_some_and(|s| s <= DURATION_MAX)) else {
            let message = format!("time stamps of the video track span more than {DURATION_MAX} s");
            return Err(failure(FailureKind::BadInput, &message));
        };
        let (step, scale) = self.frame_ticks(rate);
        let (mut source, mut shown, mut sources) = (0_usize, 0_usize, Vec::new());
        for number in 0..i128::from(frames.max(1)) {
            let middle = (2 * number + 1) * step;
            while self
                .ticks
                .get(source + 1)
                .is_some_and(|&next| 2 * i128::from(next) * scale <= middle)
            {
                source += 1;
            }
            shown += usize::from(sources.last() != Some(&(source as u32)));
            sources.push(source as u32);
        }
        let reason = format!(
            "variable rate, mostly {:.2} frames per second: laid on {rate}, {} frames repeated, {} \
             dropped; each output frame shows the last source frame that starts before its middle",
            usual.as_f64(),
            sources.len() - shown,
            self.ticks.len() - shown,
        );
        Ok(Timing {
            rate,
            map: FrameMap::new(sources),
            reason,
        })
    }

    /// The usual rate: the mean of the steps that lie within a quarter of the median. The median alone
    /// is off where time stamps jitter to one side, the mean alone where there are pauses.
    fn usual_rate(&self) -> Rational {
        let mut steps: Vec<i64> = self
            .ticks
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .filter(|step| *step > 0)
            .collect();
        steps.sort_unstable();
        let Some(&median) = steps.get(steps.len() / 2) else {
            return STILL_RATE;
        };
        let usual = steps
            .iter()
            .filter(|step| (**step - median).abs() <= median / 4);
        let (count, sum) = usual.fold((0_i64, 0_i64), |(n, sum), step| {
            (n + 1, sum.saturating_add(*step))
        });
        Rational::new(sum, count)
            .and_then(|step| step.checked_mul(self.time_base))
            .and_then(Rational::recip)
            .unwrap_or(STILL_RATE)
    }
}

fn standard() -> impl Iterator<Item = Rational> {
    STANDARD
        .into_iter()
        .filter_map(|(num, den)| Rational::new(num, den))
}

/// The smallest standard rate that reaches `rate`, within the limit. Two percent below counts as
/// reached: what is measured of a jittering source is never exact.
fn standard_at_least(rate: Rational, rate_max: Rational) -> Rational {
    let nearly = Rational::new(49, 50)
        .and_then(|part| rate.checked_mul(part))
        .unwrap_or(rate);
    let allowed = || standard().filter(|known| *known <= rate_max);
    allowed()
        .find(|known| *known >= nearly)
        .or_else(|| allowed().last())
        .unwrap_or(rate_max)
}

/// The fraction with the smallest denominator in a closed range of positive numbers.
fn simplest_between(low: Rational, high: Rational) -> Option<Rational> {
    let floor = Rational::whole(low.floor());
    if floor == low {
        return Some(low);
    }
    let next = floor.checked_add(Rational::ONE)?;
    if next <= high {
        return Some(next);
    }
    let rest = simplest_between(
        high.checked_sub(floor)?.recip()?,
        low.checked_sub(floor)?.recip()?,
    )?;
    floor.checked_add(rest.recip()?)
}

fn gcd(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.abs()
}
