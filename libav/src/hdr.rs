//! HDR side data of streams and frames as ours. libav hands out its C structures as bytes in the machine's
//! order; their fields are fixed by its interface and are read one by one, since the bindings lack them.

use model::hdr::{ContentLight, HdrMetadata, MasteringDisplay};

/// The Dolby Vision record of a stream, as far as it decides whether its base layer can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DolbyVision {
    /// Profile, such as 5 or 8.
    pub profile: u8,
    /// What a player without Dolby Vision sees the base layer as: 0 nothing, 1 HDR10, 2 SDR, 4 HLG.
    pub compatibility: u8,
}

/// 32-bit integers one after the other.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn next(&mut self) -> Option<i32> {
        let (word, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(i32::from_ne_bytes(*word))
    }

    /// A fraction in units of `1 / scale`, rounded; `None` where it is none or out of range.
    fn fraction(&mut self, scale: i64) -> Option<Option<u32>> {
        let (num, den) = (i64::from(self.next()?), i64::from(self.next()?));
        let scaled = (den > 0 && num >= 0).then(|| (num * scale + den / 2) / den);
        Some(scaled.and_then(|value| u32::try_from(value).ok()))
    }
}

/// `AVMasteringDisplayMetadata`: three primaries and white as fractions, lowest and highest luminance, then
/// two flags that say which of them are there. What is not whole is nothing.
pub(crate) fn mastering(bytes: &[u8]) -> Option<MasteringDisplay> {
    let mut words = Words(bytes);
    let mut points = [[None; 2]; 4];
    for point in &mut points {
        for coordinate in point {
            let value = words.fraction(50_000)?;
            *coordinate = value.and_then(|value| u16::try_from(value).ok());
        }
    }
    let (lowest, highest) = (words.fraction(10_000)?, words.fraction(10_000)?);
    let (has_primaries, has_luminance) = (words.next()? != 0, words.next()? != 0);
    if !has_primaries || !has_luminance {
        return None;
    }
    let point = |[x, y]: [Option<u16>; 2]| Some([x?, y?]);
    Some(MasteringDisplay {
        primaries: [point(points[0])?, point(points[1])?, point(points[2])?],
        white: point(points[3])?,
        luminance_max: highest?,
        luminance_min: lowest?,
    })
}

/// `AVContentLightMetadata`.
pub(crate) fn content_light(bytes: &[u8]) -> Option<ContentLight> {
    let mut words = Words(bytes);
    let (pixel_max, mean_max) = (words.next()?, words.next()?);
    Some(ContentLight {
        pixel_max: u16::try_from(pixel_max).ok()?,
        mean_max: u16::try_from(mean_max).ok()?,
    })
}

/// Both, from wherever their bytes come.
pub(crate) fn metadata(mastering_bytes: &[u8], light_bytes: &[u8]) -> HdrMetadata {
    HdrMetadata {
        mastering: mastering(mastering_bytes),
        light: content_light(light_bytes),
    }
}

/// `AVDOVIDecoderConfigurationRecord`: version (2), profile, level, three flags, compatibility.
pub(crate) fn dolby_vision(bytes: &[u8]) -> Option<DolbyVision> {
    let record = bytes.first_chunk::<8>()?;
    Some(DolbyVision {
        profile: record[2],
        compatibility: record[7],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[i32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    /// BT.2020 and D65 at 1,000 cd/m², as libav reads it from an `mdcv` box.
    const WORDS: [i32; 22] = [
        35_400, 50_000, 14_600, 50_000, 8_500, 50_000, 39_850, 50_000, 6_550, 50_000, 2_300,
        50_000, 15_635, 50_000, 16_450, 50_000, 50, 10_000, 10_000_000, 10_000, 1, 1,
    ];

    #[test]
    fn a_mastering_display_is_read_in_the_units_of_its_box() {
        let display = mastering(&bytes(&WORDS)).unwrap();
        assert_eq!(
            display.primaries,
            [[35_400, 14_600], [8_500, 39_850], [6_550, 2_300]]
        );
        assert_eq!(display.white, [15_635, 16_450]);
        assert_eq!(
            (display.luminance_max, display.luminance_min),
            (10_000_000, 50)
        );
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        let mut without = WORDS;
        without[20] = 0;
        assert_eq!(mastering(&bytes(&without)), None);
        let mut broken = WORDS;
        broken[1] = 0;
        assert_eq!(mastering(&bytes(&broken)), None);
        assert_eq!(mastering(&bytes(&WORDS[..21])), None);
        assert_eq!(content_light(&bytes(&[1_000])), None);
        assert_eq!(content_light(&bytes(&[-1, 5])), None);
        assert_eq!(metadata(&[], &[]), HdrMetadata::default());
    }

    #[test]
    fn a_dolby_vision_record_says_what_others_see() {
        let found = dolby_vision(&[1, 0, 5, 6, 1, 0, 1, 0]).unwrap();
        assert_eq!((found.profile, found.compatibility), (5, 0));
        assert_eq!(dolby_vision(&[1, 0, 5]), None);
    }
}
