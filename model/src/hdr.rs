//! What a source says about its high dynamic range: the display that it was mastered on, and how bright
//! it gets. In the units of the boxes and messages that carry it, so that it goes through unchanged.

use serde::{Deserialize, Serialize};

/// How HDR light is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HdrTransfer {
    /// Perceptual quantizer, SMPTE ST 2084 (ITU-T H.273 value 16).
    Pq,
    /// Hybrid log-gamma, ARIB STD-B67 (ITU-T H.273 value 18).
    Hlg,
}

impl HdrTransfer {
    /// The transfer of an H.273 code point; `None` for all that are not HDR.
    pub const fn of(transfer: u8) -> Option<Self> {
        match transfer {
            16 => Some(Self::Pq),
            18 => Some(Self::Hlg),
            _ => None,
        }
    }
}

/// Static HDR metadata; a source may have none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HdrMetadata {
    /// The display that it was mastered on (SMPTE ST 2086).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mastering: Option<MasteringDisplay>,
    /// How bright it gets (CTA-861.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub light: Option<ContentLight>,
}

/// A mastering display, as in the `mdcv` box (ISO/IEC 14496-12, 12.1.6) and the SEI message of ITU-T H.265,
/// D.2.28; the three primaries in order red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasteringDisplay {
    /// Chromaticities (x, y) in 0.00002.
    pub primaries: [[u16; 2]; 3],
    /// Chromaticity of white in 0.00002.
    pub white: [u16; 2],
    /// Highest luminance in 0.0001 cd/m².
    pub luminance_max: u32,
    /// Lowest luminance in 0.0001 cd/m².
    pub luminance_min: u32,
}

/// Content light levels, as in the `clli` box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentLight {
    /// Highest light of any pixel (MaxCLL) in cd/m²; 0 is unknown.
    pub pixel_max: u16,
    /// Highest mean of any picture (MaxFALL) in cd/m²; 0 is unknown.
    pub mean_max: u16,
}

/// Peak that is taken for PQ sources that do not say theirs, in cd/m²: that of the usual mastering display.
pub const PEAK_NITS_USUAL: u32 = 1_000;

impl HdrMetadata {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The brightest light to expect in cd/m²: that of the content, but no more than the mastering display
    /// has; else that of the display, else [`PEAK_NITS_USUAL`].
    pub fn peak_nits(&self) -> u32 {
        let display = self.mastering.map(|display| display.luminance_max / 10_000);
        let content = self.light.map(|light| u32::from(light.pixel_max));
        let known = |nits: &u32| *nits > 0;
        let known = [display.filter(known), content.filter(known)];
        known.into_iter().flatten().min().unwrap_or(PEAK_NITS_USUAL)
    }

    /// What this says, and where it says nothing, the other.
    pub fn or(self, other: Self) -> Self {
        Self {
            mastering: self.mastering.or(other.mastering),
            light: self.light.or(other.light),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_that_of_the_content_within_the_display() {
        let mastering = |luminance_max| MasteringDisplay {
            primaries: [[34_000, 16_000], [13_250, 34_500], [7_500, 3_000]],
            white: [15_635, 16_450],
            luminance_max,
            luminance_min: 1,
        };
        let light = |pixel_max| ContentLight {
            pixel_max,
            mean_max: 0,
        };
        for (of_display, of_content, peak) in [
            (Some(40_000_000), Some(900), 900),
            (Some(6_000_000), Some(900), 600),
            (Some(40_000_000), Some(0), 4_000),
            (Some(0), Some(900), 900),
            (None, Some(900), 900),
            (None, Some(0), 1_000),
            (None, None, 1_000),
        ] {
            let metadata = HdrMetadata {
                mastering: of_display.map(mastering),
                light: of_content.map(light),
            };
            assert_eq!(metadata.peak_nits(), peak, "{metadata:?}");
        }
    }
}
