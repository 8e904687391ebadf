//! The `AudioSpecificConfig` of AAC. Only the object type is read: sampling rate and channels are
//! known from the encoder, and the record goes into `esds` unchanged.

use crate::bits::BitReader;
use crate::error::Result;

/// `audioObjectType` (ISO/IEC 14496-3 1.6.2.1): 2 for AAC-LC, 5 for SBR.
pub(crate) fn object_type(config: &[u8]) -> Result<u32> {
    let mut reader = BitReader::new("AudioSpecificConfig", config);
    let object_type = match reader.bits(5)? {
        31 => 32 + reader.bits(6)?,
        short => short,
    };
    let rate_index = reader.bits(4)?;
    reader.skip(if rate_index == 15 { 24 } else { 0 })?;
    reader.skip(4)?;
    Ok(object_type)
}
