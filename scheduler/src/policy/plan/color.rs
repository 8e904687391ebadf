//! The colour description that is signalled. What the source says is kept; what it does not say is
//! guessed from its size, as every player does, but written down so that all players guess alike.

use model::source::{Color, VideoTrack};

/// ITU-T H.273: unspecified.
const UNSPECIFIED: u8 = 2;

/// Lines from which on unlabelled material is taken for high definition.
const HD_LINES: u32 = 720;

/// The colour of an HDR track's renditions that stay HDR: BT.2020 with the source's transfer, in video range.
pub(super) fn coded(track: &VideoTrack) -> Color {
    Color {
        primaries: 9,
        transfer: track.color.transfer,
        matrix: 9,
        full_range: false,
    }
}

/// The colour of a track's renditions in SDR: always video range, because the pipeline converts, and BT.709
/// where it maps HDR.
pub(super) fn output(track: &VideoTrack) -> Color {
    if track.hdr_transfer().is_some() {
        return Color::BT709;
    }
    let guess = guess(track);
    let known = |value: u8, guess: u8| match value {
        // 0 and 3 are reserved in primaries and transfer.
        0 | UNSPECIFIED | 3 => guess,
        value => value,
    };
    Color {
        primaries: known(track.color.primaries, guess.primaries),
        transfer: known(track.color.transfer, guess.transfer),
        // 0 is RGB, which the pipeline turns into the guessed matrix.
        matrix: known(track.color.matrix, guess.matrix),
        full_range: false,
    }
}

fn guess(track: &VideoTrack) -> Color {
    if track.height.min(track.width) >= HD_LINES {
        return Color::BT709;
    }
    // 576 lines are the European raster of BT.601; everything else small is taken for the American.
    if track.height == 576 || track.height == 288 {
        Color {
            primaries: 5,
            transfer: 6,
            matrix: 5,
            full_range: false,
        }
    } else {
        Color {
            primaries: 6,
            transfer: 6,
            matrix: 6,
            full_range: false,
        }
    }
}
