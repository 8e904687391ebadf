//! Bits of parameter sets, most significant first. Reading past the end is an error, never a zero:
//! a truncated parameter set would otherwise look like a valid one of another size.

use crate::error::{Error, Result};

/// A cursor over bits.
pub(crate) struct BitReader<'a> {
    what: &'static str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// Reads `bytes` from the start; `what` names the structure in errors.
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            what,
            bytes,
            position: 0,
        }
    }

    /// One bit.
    pub(crate) fn flag(&mut self) -> Result<bool> {
        let byte = self
            .bytes
            .get(self.position / 8)
            .ok_or_else(|| Error::truncated(self.what, self.position / 8))?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Ok(bit == 1)
    }

    /// An unsigned number of at most 32 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32> {
        let mut value = 0_u64;
        for _ in 0..count {
            value = value << 1 | u64::from(self.flag()?);
        }
        Ok(value as u32)
    }

    /// A number of at most 8 bits.
    pub(crate) fn byte(&mut self, count: u32) -> Result<u8> {
        debug_assert!(count <= 8, "wider than a byte");
        Ok(self.bits(count)? as u8)
    }

    /// Passes over bits.
    pub(crate) fn skip(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.flag()?;
        }
        Ok(())
    }

    /// Exp-Golomb code `ue(v)` of H.264 and H.265, clause 9.
    pub(crate) fn exp_golomb(&mut self) -> Result<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                let at = self.position / 8;
                return Err(Error::malformed(
                    self.what,
                    at,
                    "exp-golomb code is too long",
                ));
            }
        }
        let rest = u64::from(self.bits(zeros)?);
        Ok(((1_u64 << zeros) - 1 + rest) as u32)
    }
}

/// The raw payload of a NAL unit: emulation prevention bytes removed (H.264 7.4.1).
pub(crate) fn raw_payload(nal: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        raw.push(byte);
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_follow_the_table_of_the_standard() {
        let mut reader = BitReader::new("test", &[0b1010_0110, 0b0100_0000]);
        assert_eq!(reader.exp_golomb(), Ok(0));
        assert_eq!(reader.exp_golomb(), Ok(1));
        assert_eq!(reader.exp_golomb(), Ok(2));
        assert_eq!(reader.exp_golomb(), Ok(3));
    }

    #[test]
    fn reading_past_the_end_is_an_error() {
        let mut reader = BitReader::new("test", &[0]);
        assert!(reader.exp_golomb().is_err());
        assert!(BitReader::new("test", &[0xff]).bits(9).is_err());
    }

    #[test]
    fn emulation_prevention_goes_away() {
        assert_eq!(raw_payload(&[1, 0, 0, 3, 1, 0, 0, 3]), [1, 0, 0, 1, 0, 0]);
    }
}
