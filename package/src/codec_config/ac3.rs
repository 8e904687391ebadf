//! `dac3` from a sync frame (ETSI TS 102 366). E-AC-3 shares the sync word and is told apart by its
//! `bsid` above 10; reading it as AC-3 would give a record that decoders reject.

use crate::bits::BitReader;
use crate::error::{Error, Result};

/// The payload of `AC3SpecificBox` (F.4): 24 bits.
pub(crate) fn record(frame: &[u8]) -> Result<Vec<u8>> {
    let mut reader = BitReader::new("AC-3 sync frame", frame);
    if reader.bits(16)? != 0x0b77 {
        return Err(Error::malformed("AC-3 sync frame", 0, "has no sync word"));
    }
    reader.skip(16)?;
    let sample_rate_code = reader.bits(2)?;
    let frame_size_code = reader.bits(6)?;
    let stream_id = reader.bits(5)?;
    if stream_id > 10 {
        return Err(Error::unsupported(format!("AC-3 bit stream {stream_id}")));
    }
    if sample_rate_code == 3 || frame_size_code > 37 {
        return Err(Error::malformed(
            "AC-3 sync frame",
            4,
            "has a reserved rate",
        ));
    }
    let mode = reader.bits(3)?;
    let channels = reader.bits(3)?;
    if channels & 1 == 1 && channels != 1 {
        reader.skip(2)?;
    }
    if channels & 4 != 0 {
        reader.skip(2)?;
    }
    if channels == 2 {
        reader.skip(2)?;
    }
    let low_frequency = u32::from(reader.flag()?);
    let record = sample_rate_code << 22
        | stream_id << 17
        | mode << 14
        | channels << 11
        | low_frequency << 10
        | (frame_size_code >> 1) << 5;
    Ok(record.to_be_bytes()[1..].to_vec())
}
