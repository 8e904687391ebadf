//! Codec configuration records: what a decoder must know before the first sample, as it is written
//! into the sample entry. Built from what encoders give, in the form of the ISO binding of each
//! format. Everything that is said of a stream elsewhere (the codecs string of the manifests) is read
//! from the record, never passed beside it.

mod aac;
mod ac3;
mod av1;
mod avc;
mod hevc;
mod nal;
mod units;

pub use av1::strip_temporal_delimiters as av1_strip_temporal_delimiters;
pub use nal::{NalCodec, annexb_to_length_prefixed};
pub(crate) use units::{UnitKind, sample_units};

use crate::error::{Error, Result};

/// The configuration of one track.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CodecConfig {
    /// H.264: an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 5.3.3).
    Avc {
        /// The record.
        avcc: Vec<u8>,
    },
    /// H.265: an `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 8.3.3).
    Hevc {
        /// The record.
        hvcc: Vec<u8>,
    },
    /// AV1: an `AV1CodecConfigurationRecord` with the sequence header OBU.
    Av1 {
        /// The record.
        av1c: Vec<u8>,
    },
    /// AAC: an `AudioSpecificConfig` (ISO/IEC 14496-3 1.6.2.1).
    Aac {
        /// The record.
        audio_specific_config: Vec<u8>,
    },
    /// AC-3: an `AC3SpecificBox` payload (ETSI TS 102 366 F.4).
    Ac3 {
        /// The record.
        dac3: Vec<u8>,
    },
}

impl CodecConfig {
    /// From the extradata of an H.264 encoder, in Annex B or `avcC` form. SEI is left out.
    pub fn avc(extradata: &[u8]) -> Result<Self> {
        Ok(Self::Avc {
            avcc: avc::record(extradata)?,
        })
    }

    /// From the extradata of an H.265 encoder, in Annex B or `hvcC` form. SEI is left out.
    pub fn hevc(extradata: &[u8]) -> Result<Self> {
        Ok(Self::Hevc {
            hvcc: hevc::record(extradata)?,
        })
    }

    /// From OBUs that hold a sequence header: the first key packet of an encoder, or its extradata.
    pub fn av1(obus: &[u8]) -> Result<Self> {
        Ok(Self::Av1 {
            av1c: av1::record(obus)?,
        })
    }

    /// From an `AudioSpecificConfig`.
    pub fn aac(audio_specific_config: &[u8]) -> Result<Self> {
        aac::object_type(audio_specific_config)?;
        Ok(Self::Aac {
            audio_specific_config: audio_specific_config.to_vec(),
        })
    }

    /// From the first AC-3 sync frame.
    pub fn ac3(sync_frame: &[u8]) -> Result<Self> {
        Ok(Self::Ac3 {
            dac3: ac3::record(sync_frame)?,
        })
    }

    /// From a stored record and the sample entry type it was stored with; the inverse of
    /// [`Self::entry`] and [`Self::record`].
    pub fn from_record(entry: &str, record: &[u8]) -> Result<Self> {
        let record = record.to_vec();
        let config = match entry {
            "avc1" => Self::Avc { avcc: record },
            "hvc1" => Self::Hevc { hvcc: record },
            "av01" => Self::Av1 { av1c: record },
            "mp4a" => Self::Aac {
                audio_specific_config: record,
            },
            "ac-3" => Self::Ac3 { dac3: record },
            _ => return Err(Error::unsupported(format!("sample entry {entry:?}"))),
        };
        config.codecs_string()?;
        Ok(config)
    }

    /// Sample entry type: `avc1`, `hvc1`, `av01`, `mp4a` or `ac-3`.
    pub const fn entry(&self) -> &'static str {
        match self {
            Self::Avc { .. } => "avc1",
            Self::Hevc { .. } => "hvc1",
            Self::Av1 { .. } => "av01",
            Self::Aac { .. } => "mp4a",
            Self::Ac3 { .. } => "ac-3",
        }
    }

    /// The record's bytes.
    pub fn record(&self) -> &[u8] {
        match self {
            Self::Avc { avcc: record }
            | Self::Hevc { hvcc: record }
            | Self::Av1 { av1c: record }
            | Self::Aac {
                audio_specific_config: record,
            }
            | Self::Ac3 { dac3: record } => record,
        }
    }

    /// Whether it describes pictures; otherwise it describes sound.
    pub const fn is_video(&self) -> bool {
        matches!(
            self,
            Self::Avc { .. } | Self::Hevc { .. } | Self::Av1 { .. }
        )
    }

    /// The codecs parameter of RFC 6381, such as `avc1.640028`. Fails on a broken record.
    pub fn codecs_string(&self) -> Result<String> {
        match self {
            Self::Avc { avcc } => avc::codecs_string(avcc),
            Self::Hevc { hvcc } => hevc::codecs_string(hvcc),
            Self::Av1 { av1c } => av1::codecs_string(av1c),
            Self::Aac {
                audio_specific_config,
            } => Ok(format!(
                "mp4a.40.{}",
                aac::object_type(audio_specific_config)?
            )),
            Self::Ac3 { dac3 } if dac3.len() == 3 => Ok("ac-3".to_owned()),
            Self::Ac3 { .. } => Err(Error::malformed("dac3", 0, "is not 3 bytes long")),
        }
    }
}

#[cfg(test)]
mod tests;
