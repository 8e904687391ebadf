//! Whether the bytes of samples are what the track says: the boxes of a segment may all agree while
//! its pictures are still in the byte stream format, or a key picture is none. Looks at unit headers
//! only; whether a picture decodes is for a decoder.

use super::Fragment;
use crate::codec_config::{CodecConfig, UnitKind, sample_units};
use crate::error::{Error, Result};

/// Checks every sample of a segment against the configuration of its track. `bytes` is the file that
/// `fragment` was read from.
///
/// Fails when units do not fill a sample, when one is there that belongs into the sample entry, and
/// when a sample is marked sync but does not begin with a key picture.
pub fn check_samples(config: &CodecConfig, fragment: &Fragment, bytes: &[u8]) -> Result<()> {
    for (index, sample) in fragment.samples.iter().enumerate() {
        let at = sample.range.start;
        let problem = |text: String| Error::malformed(format!("sample {index}"), at, text);
        let data = bytes
            .get(sample.range.clone())
            .ok_or_else(|| Error::truncated(format!("sample {index}"), bytes.len()))?;
        let units = sample_units(config, data).map_err(|source| problem(source.to_string()))?;
        if units.contains(&UnitKind::NotInSample) {
            return Err(problem(
                "holds a unit that belongs into the sample entry".to_owned(),
            ));
        }
        let first = units
            .iter()
            .find(|unit| matches!(unit, UnitKind::KeyPicture | UnitKind::Picture));
        match first {
            None => return Err(problem("holds nothing to decode".to_owned())),
            Some(UnitKind::Picture) if sample.is_sync => {
                return Err(problem("is marked sync but is no key picture".to_owned()));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
