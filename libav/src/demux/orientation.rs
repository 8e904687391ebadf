//! The display matrix of ISO/IEC 14496-12 6.2.2 as quarter turns and a mirror. Not every matrix is
//! one: shears, scales and odd angles are left upright.
//!
//! libav's `av_display_rotation_get` counts counter-clockwise and loses the mirror, so the matrix
//! is read directly. It maps a point (x, y), y downwards, to (a x + c y, b x + d y).

use model::source::Orientation;

/// Bytes of the side data: nine 32-bit integers in the machine's order.
pub(crate) const MATRIX_BYTES: usize = 36;

/// The clockwise turn and the mirror after it that a display matrix stands for.
pub(crate) fn from_display_matrix(bytes: &[u8; MATRIX_BYTES]) -> Orientation {
    let at = |index: usize| {
        let start = index * 4;
        let value = [
            bytes[start],
            bytes[start + 1],
            bytes[start + 2],
            bytes[start + 3],
        ];
        i64::from(i32::from_ne_bytes(value))
    };
    from_linear_part(at(0), at(1), at(3), at(4))
}

fn from_linear_part(a: i64, b: i64, c: i64, d: i64) -> Orientation {
    let straight = a.abs().min(d.abs());
    let crossed = b.abs().min(c.abs());
    // One degree off the axis is 1.7 % of the axis.
    let is_negligible = |small: i64, large: i64| small * 50 <= large;
    let sign = |value: i64| value.signum();
    if straight > 0 && is_negligible(b.abs().max(c.abs()), straight) {
        match (sign(a), sign(d)) {
            (1, 1) => turned(0, false),
            (-1, -1) => turned(2, false),
            (-1, 1) => turned(0, true),
            _ => turned(2, true),
        }
    } else if crossed > 0 && is_negligible(a.abs().max(d.abs()), crossed) {
        match (sign(b), sign(c)) {
            (1, -1) => turned(1, false),
            (-1, 1) => turned(3, false),
            (1, 1) => turned(1, true),
            _ => turned(3, true),
        }
    } else {
        Orientation::default()
    }
}

const fn turned(quarter_turns: u8, mirrored: bool) -> Orientation {
    Orientation {
        quarter_turns,
        mirrored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i64 = 1 << 16;

    #[test]
    fn every_matrix_does_to_a_corner_what_its_orientation_says() {
        for (a, b, c, d) in [
            (1, 0, 0, 1),
            (0, 1, -1, 0),
            (-1, 0, 0, -1),
            (0, -1, 1, 0),
            (-1, 0, 0, 1),
            (0, 1, 1, 0),
            (1, 0, 0, -1),
            (0, -1, -1, 0),
        ] {
            let orientation = from_linear_part(a * ONE, b * ONE, c * ONE, d * ONE);
            for (x, y) in [(1, 2), (-3, 1)] {
                let (mut tx, mut ty) = (x, y);
                for _ in 0..orientation.quarter_turns {
                    // Clockwise with y downwards: right goes to down.
                    (tx, ty) = (-ty, tx);
                }
                if orientation.mirrored {
                    tx = -tx;
                }
                assert_eq!((tx, ty), (a * x + c * y, b * x + d * y), "{a} {b} {c} {d}");
            }
        }
    }

    #[test]
    fn odd_angles_and_nonsense_stay_upright() {
        assert_eq!(from_linear_part(0, 0, 0, 0), Orientation::default());
        assert_eq!(
            from_linear_part(ONE, ONE, -ONE, ONE),
            Orientation::default()
        );
        let extreme = i64::from(i32::MIN);
        assert_eq!(from_linear_part(extreme, 0, 0, extreme), turned(2, false));
    }
}
