//! Profiles: what a submitter asks for. Read from TOML as it was written ([`RawProfile`], unknown
//! keys refused), checked once into [`Profile`]; only the checked form travels.

use crate::Rational;
use crate::qc::Rules;
use crate::rendition::VideoCodec;
use serde::{Deserialize, Serialize};

/// A checked profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, such as `web`.
    pub name: String,
    /// Length of a segment that the grid aims at.
    pub segment_seconds: Rational,
    /// Distance of keyframes inside a segment that the grid aims at; every segment starts with one.
    pub keyframe_seconds: Rational,
    /// Pictures.
    pub video: VideoProfile,
    /// Sound.
    pub audio: AudioProfile,
    /// Sprites and poster.
    pub images: ImageProfile,
    /// What quality control looks for.
    pub qc: Rules,
}

/// How pictures are encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoProfile {
    /// A ladder is made for each codec.
    pub codecs: Vec<VideoCodec>,
    /// Short edges of the rungs, ascending; those above the source are left out.
    pub rungs: Vec<Rung>,
    /// Speed presets of the families.
    pub presets: Presets,
    /// Highest output frame rate; faster sources are halved until they fit.
    pub frame_rate_max: Rational,
}

/// One rung: a short edge and its rate cap for H.264 at up to 30 frames per second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Short edge in samples.
    pub short_edge: u32,
    /// CRF for x264, in hundredths.
    pub crf_centi: u32,
    /// Highest rate into the decoder's buffer at up to 30 frames per second.
    pub maxrate_bps: u64,
}

/// Speed presets by family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presets {
    /// libx264 preset.
    pub x264: String,
    /// libx265 preset.
    pub x265: String,
    /// rav1e speed, 0 to 10.
    pub rav1e: u8,
}

/// How sound is encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioProfile {
    /// Integrated loudness aimed at, in hundredths of LUFS (-2300 is EBU R 128).
    pub loudness_centi_lufs: i32,
    /// Highest true peak, in hundredths of dBTP.
    pub true_peak_centi_dbtp: i32,
    /// Rate of the stereo track, which every audible title gets.
    pub stereo_bps: u32,
    /// What is made of sources with at least 5.1 channels, beside stereo.
    pub surround: Surround,
    /// Rate of the 5.1 track.
    pub surround_bps: u32,
}

/// The 5.1 output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surround {
    /// None.
    Off,
    /// AAC-LC 5.1.
    Aac,
    /// AC-3 5.1.
    Ac3,
}

/// Sprites and poster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageProfile {
    /// Distance of sprite tiles.
    pub tile_seconds: Rational,
    /// Tiles in a row of a sheet.
    pub columns: u32,
    /// Rows of a sheet.
    pub rows: u32,
    /// Longest edge of the poster.
    pub poster_edge_max: u32,
    /// JPEG quality, 1 to 100.
    pub jpeg_quality: u8,
}

/// A profile that does not make sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("profile {name}: {field}: {reason}")]
pub struct InvalidProfile {
    /// The profile's name, or where it was read from.
    pub name: String,
    /// The key that is wrong.
    pub field: String,
    /// Why.
    pub reason: String,
}

/// A profile as it is written in a file: every key may be left out and then comes from `base`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawProfile {
    name: Option<String>,
    base: Option<String>,
    segment_seconds: Option<f64>,
    keyframe_seconds: Option<f64>,
    video: Option<toml::Table>,
    audio: Option<toml::Table>,
    images: Option<toml::Table>,
    qc: Option<toml::Table>,
}

/// The profiles that are built in, with their sources.
pub const BUILT_IN: [(&str, &str); 4] = [
    ("web", include_str!("../../config/profiles/web.toml")),
    ("hevc", include_str!("../../config/profiles/hevc.toml")),
    ("av1", include_str!("../../config/profiles/av1.toml")),
    (
        "preview",
        include_str!("../../config/profiles/preview.toml"),
    ),
];

impl Profile {
    /// A built-in profile by name.
    pub fn built_in(name: &str) -> Result<Self, InvalidProfile> {
        let (_, text) = BUILT_IN
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| {
                let known: Vec<&str> = BUILT_IN.iter().map(|(known, _)| *known).collect();
                InvalidProfile {
                    name: name.to_owned(),
                    field: "name".to_owned(),
                    reason: format!("not a built-in profile; there are {}", known.join(", ")),
                }
            })?;
        Self::from_toml(name, text)
    }

    /// Reads and checks a profile. Sections that name some keys only are laid over those of `base`
    /// (`web` unless it says otherwise).
    pub fn from_toml(origin: &str, text: &str) -> Result<Self, InvalidProfile> {
        let invalid = |field: &str, reason: String| InvalidProfile {
            name: origin.to_owned(),
            field: field.to_owned(),
            reason,
        };
        let raw: RawProfile =
            toml::from_str(text).map_err(|e| invalid("file", e.message().to_owned()))?;
        let profile = match (&raw.base, origin) {
            (None, "web") => raw.complete(origin, None)?,
            (base, _) => {
                let base = Self::built_in(base.as_deref().unwrap_or("web"))?;
                raw.complete(origin, Some(&base))?
            }
        };
        profile.check()?;
        Ok(profile)
    }

    fn check(&self) -> Result<(), InvalidProfile> {
        let fail = |field: &str, reason: &str| {
            Err(InvalidProfile {
                name: self.name.clone(),
                field: field.to_owned(),
                reason: reason.to_owned(),
            })
        };
        let second = Rational::ONE;
        if self.segment_seconds < second || self.segment_seconds > Rational::whole(10) {
            return fail("segment_seconds", "must be 1 to 10");
        }
        if self.keyframe_seconds <= Rational::ZERO || self.keyframe_seconds > self.segment_seconds {
            return fail(
                "keyframe_seconds",
                "must be above 0 and at most segment_seconds",
            );
        }
        if self.video.codecs.is_empty() {
            return fail("video.codecs", "must name a codec");
        }
        let ascending = self
            .video
            .rungs
            .windows(2)
            .all(|w| w[0].short_edge < w[1].short_edge);
        if self.video.rungs.is_empty() || !ascending {
            return fail("video.rungs", "must be given in ascending order");
        }
        let sane = |rung: &Rung| {
            (16..=4320).contains(&rung.short_edge)
                && rung.crf_centi <= 5100
                && (50_000..=200_000_000).contains(&rung.maxrate_bps)
        };
        if !self.video.rungs.iter().all(sane) {
            return fail(
                "video.rungs",
                "short edge 16 to 4320, crf 0 to 51, rate 50 kb/s to 200 Mb/s",
            );
        }
        if self.video.frame_rate_max < second || self.video.frame_rate_max > Rational::whole(120) {
            return fail("video.frame_rate_max", "must be 1 to 120");
        }
        if !(-4000..=-500).contains(&self.audio.loudness_centi_lufs) {
            return fail("audio.loudness_centi_lufs", "must be -4000 to -500");
        }
        if !(-2000..=0).contains(&self.audio.true_peak_centi_dbtp) {
            return fail("audio.true_peak_centi_dbtp", "must be -2000 to 0");
        }
        if !(1..=100).contains(&self.images.jpeg_quality)
            || !(1..=20).contains(&self.images.columns)
            || !(1..=20).contains(&self.images.rows)
            || self.images.tile_seconds < second
        {
            return fail(
                "images",
                "quality 1 to 100, 1 to 20 columns and rows, 1 second or more",
            );
        }
        Ok(())
    }
}

impl RawProfile {
    fn complete(self, origin: &str, base: Option<&Profile>) -> Result<Profile, InvalidProfile> {
        let invalid = |field: &str, reason: String| InvalidProfile {
            name: origin.to_owned(),
            field: field.to_owned(),
            reason,
        };
        let seconds = |field: &str, given: Option<f64>, fallback: Option<Rational>| match given {
            Some(value) if value.is_finite() && (0.0..=3600.0).contains(&value) => {
                Ok(Rational::new((value * 1000.0).round() as i64, 1000).unwrap_or(Rational::ZERO))
            }
            Some(_) => Err(invalid(field, "must be a number of seconds".to_owned())),
            None => fallback.ok_or_else(|| invalid(field, "is missing".to_owned())),
        };
        Ok(Profile {
            name: self.name.unwrap_or_else(|| origin.to_owned()),
            segment_seconds: seconds(
                "segment_seconds",
                self.segment_seconds,
                base.map(|b| b.segment_seconds),
            )?,
            keyframe_seconds: seconds(
                "keyframe_seconds",
                self.keyframe_seconds,
                base.map(|b| b.keyframe_seconds),
            )?,
            video: section(origin, "video", self.video, base.map(|b| &b.video))?,
            audio: section(origin, "audio", self.audio, base.map(|b| &b.audio))?,
            images: section(origin, "images", self.images, base.map(|b| &b.images))?,
            qc: section(origin, "qc", self.qc, base.map(|b| &b.qc))?,
        })
    }
}

/// Lays the keys of a section over those of the base profile's section.
fn section<T>(
    origin: &str,
    name: &str,
    given: Option<toml::Table>,
    base: Option<&T>,
) -> Result<T, InvalidProfile>
where
    T: Serialize + serde::de::DeserializeOwned,
{
    let invalid = |reason: String| InvalidProfile {
        name: origin.to_owned(),
        field: name.to_owned(),
        reason,
    };
    let mut table = match base {
        Some(base) => toml::Table::try_from(base).map_err(|e| invalid(e.to_string()))?,
        None => toml::Table::new(),
    };
    for (key, value) in given.unwrap_or_default() {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => old.extend(new),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
    table
        .try_into()
        .map_err(|e: toml::de::Error| invalid(e.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_valid() {
        for (name, _) in BUILT_IN {
            let profile = Profile::built_in(name).unwrap();
            assert_eq!(profile.name, name);
        }
    }

    #[test]
    fn a_profile_inherits_what_it_does_not_say() {
        let mine = Profile::from_toml("mine", "[audio]\nloudness_centi_lufs = -1600\n").unwrap();
        let web = Profile::built_in("web").unwrap();
        assert_eq!(mine.audio.loudness_centi_lufs, -1600);
        assert_eq!(mine.audio.stereo_bps, web.audio.stereo_bps);
        assert_eq!(mine.video, web.video);
    }

    #[test]
    fn a_wrong_key_is_named() {
        let unknown = Profile::from_toml("mine", "[audio]\nloudnes = 1\n").unwrap_err();
        assert!(unknown.to_string().contains("loudnes"), "{unknown}");
        let bad = Profile::from_toml("mine", "segment_seconds = 0.2\n").unwrap_err();
        assert_eq!(bad.field, "segment_seconds");
        assert!(
            Profile::built_in("nope")
                .unwrap_err()
                .to_string()
                .contains("web")
        );
    }
}
