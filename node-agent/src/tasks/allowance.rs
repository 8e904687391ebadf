//! How many pieces a worker may send, and how large they may be together. Each piece is checked before
//! it is stored, but a sound track is stored before all of it is known, and other pieces are held in
//! memory until then, so a worker that its source has taken over could otherwise fill either. The
//! bounds follow from the plan and are far above what an honest worker makes.

use crate::worker::wire::TEXT_BYTES_MAX;
use model::plan::AudioOutput;
use model::profile::ImageProfile;
use model::{Failure, FailureKind, Rational};

/// Container around the samples or the scan of one piece.
const FRAMING_BYTES: u64 = 64 << 10;

/// Sound may go on for a second after a title without pictures; the other one is for rounding.
const SECONDS_MORE: u64 = 2;

/// Bytes of a sample that no compressed sound reaches: AAC has at most 6 bits, AC-3 at most 20.
const SAMPLE_BYTES: u64 = 4;

/// Bytes of a pixel that no JPEG picture in 4:2:0 reaches.
const PIXEL_BYTES: u64 = 4;

/// Pixels of a sprite tile.
const TILE_PIXELS: u64 = 128 * 72;

/// What is left of it; by default nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Allowance {
    pieces: u64,
    bytes: u64,
}

impl Allowance {
    /// For the outputs of a sound track that is cut into so many segments.
    pub(super) fn of_sound(outputs: &[AudioOutput], segments: usize, duration: Rational) -> Self {
        let segments = segments.max(1) as u64;
        let seconds = u64::try_from(duration.round()).unwrap_or(0) + SECONDS_MORE;
        outputs.iter().fold(Self::default(), |all, output| {
            let samples = u64::from(output.sample_rate) * u64::from(output.channels);
            let sound = samples.saturating_mul(seconds).saturating_mul(SAMPLE_BYTES);
            all.with(segments, sound)
        })
    }

    /// For one text file.
    pub(super) fn of_text() -> Self {
        Self::default().with(1, u64::from(TEXT_BYTES_MAX))
    }

    /// For the sheets of a title of so many frames, with a tile every `tile_frames`, and the poster.
    pub(super) fn of_images(images: &ImageProfile, frames: u32, tile_frames: u32) -> Self {
        let tiles = match tile_frames {
            0 => 0,
            distance => u64::from(frames.div_ceil(distance)),
        };
        let per_sheet = (u64::from(images.columns) * u64::from(images.rows)).max(1);
        let sheets = tiles.div_ceil(per_sheet);
        let edge = u64::from(images.poster_edge_max);
        let sheet_pixels = sheets * per_sheet * TILE_PIXELS;
        Self::default()
            .with(sheets, sheet_pixels * PIXEL_BYTES)
            .with(1, edge.saturating_mul(edge).saturating_mul(PIXEL_BYTES))
    }

    fn with(self, pieces: u64, bytes: u64) -> Self {
        let framed = bytes.saturating_add(pieces * FRAMING_BYTES);
        Self {
            pieces: self.pieces + pieces,
            bytes: self.bytes.saturating_add(framed),
        }
    }

    /// Takes a piece of so many bytes from it.
    pub(super) fn take(&mut self, place: &str, bytes: usize) -> Result<(), Failure> {
        let left = self.pieces.checked_sub(1);
        let left = left.zip(self.bytes.checked_sub(bytes as u64));
        let Some((pieces, bytes)) = left else {
            let message = format!(
                "worker sent a piece of {bytes} bytes; {} pieces of {} bytes were left to it",
                self.pieces, self.bytes
            );
            return Err(Failure::new(FailureKind::NodeFault, place, message));
        };
        *self = Self { pieces, bytes };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::plan::AudioCodec;
    use model::profile::Profile;

    fn taken(mut allowance: Allowance, bytes: usize) -> usize {
        (0..1000)
            .take_while(|_| allowance.take("here", bytes).is_ok())
            .count()
    }

    fn output(id: &str) -> AudioOutput {
        AudioOutput {
            id: id.to_owned(),
            codec: AudioCodec::Aac,
            channels: 2,
            sample_rate: 48_000,
            bitrate_bps: 96_000,
        }
    }

    #[test]
    fn sound_has_as_many_pieces_as_outputs_have_segments_and_no_more_bytes_than_samples() {
        let outputs = [output("a"), output("b")];
        let allowance = Allowance::of_sound(&outputs, 3, Rational::whole(6));
        assert_eq!(taken(allowance, 24_000), 6);
        let whole = 2 * (8 * 48_000 * 2 * 4 + 3 * (64 << 10));
        assert_eq!(taken(allowance, whole), 1);
        assert_eq!(taken(allowance, whole + 1), 0);
        assert_eq!(
            taken(Allowance::of_sound(&outputs, 0, Rational::ZERO), 1),
            2
        );
    }

    #[test]
    fn images_are_the_sheets_and_a_poster() {
        let profile = Profile::built_in("preview").unwrap();
        let images = ImageProfile {
            columns: 2,
            rows: 3,
            poster_edge_max: 100,
            ..profile.images
        };
        assert_eq!(taken(Allowance::of_images(&images, 61, 5), 1), 4);
        assert_eq!(taken(Allowance::of_images(&images, 60, 5), 1), 3);
        assert_eq!(taken(Allowance::of_images(&images, 60, 0), 1), 1);
    }

    #[test]
    fn a_piece_too_many_is_the_nodes_fault() {
        let mut allowance = Allowance::of_text();
        allowance.take("text-0", 5).unwrap();
        let failure = allowance.take("text-0", 5).unwrap_err();
        assert_eq!(failure.kind, FailureKind::NodeFault);
        assert_eq!(failure.place, "text-0");
        assert_eq!(taken(Allowance::default(), 0), 0);
    }
}
