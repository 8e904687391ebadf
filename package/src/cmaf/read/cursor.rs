//! A cursor over the body of a box. Offsets in errors are those of the file, because every cursor
//! knows where its bytes start.

use crate::error::{Error, Result};

/// Bytes of one box, read from the front.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    /// Type of the box, or `file`.
    what: String,
    bytes: &'a [u8],
    /// Offset of `bytes` in the file.
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn file(bytes: &'a [u8]) -> Self {
        Self {
            what: "file".to_owned(),
            bytes,
            at: 0,
        }
    }

    /// Offset in the file of what is read next.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Bytes that are left.
    pub(super) const fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// An error about this box, here.
    pub(super) fn problem(&self, problem: impl Into<String>) -> Error {
        Error::malformed(&self.what, self.at, problem)
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        if count > self.bytes.len() {
            return Err(Error::truncated(&self.what, self.at + self.bytes.len()));
        }
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        self.at += count;
        Ok(taken)
    }

    /// What is left, all of it.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        self.at += self.bytes.len();
        std::mem::take(&mut self.bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("take gives as many bytes as asked"))
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn four(&mut self) -> Result<[u8; 4]> {
        self.array()
    }

    /// Requires exactly these bytes next.
    pub(super) fn exactly(&mut self, wanted: &[u8]) -> Result<()> {
        let problem = self.problem("unexpected bytes");
        if self.take(wanted.len())? == wanted {
            Ok(())
        } else {
            Err(problem)
        }
    }

    /// Requires that many zero bytes next.
    pub(super) fn zeros(&mut self, count: usize) -> Result<()> {
        let problem = self.problem("reserved or unused bytes are not zero");
        if self.take(count)?.iter().all(|&byte| byte == 0) {
            Ok(())
        } else {
            Err(problem)
        }
    }

    /// Requires that nothing is left.
    pub(super) fn end(&self) -> Result<()> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(self.problem("bytes are left over"))
        }
    }

    /// Whether a box of this type comes next.
    pub(super) fn is_next(&self, kind: &[u8; 4]) -> bool {
        self.bytes.get(4..8) == Some(kind)
    }

    /// The next box, which must be of this type.
    pub(super) fn child(&mut self, kind: &[u8; 4]) -> Result<Cursor<'a>> {
        let name = kind.escape_ascii().to_string();
        let start = self.clone();
        let size = self.u32()? as usize;
        let found = self.four()?;
        if &found != kind {
            let found = found.escape_ascii();
            return Err(start.problem(format!("{name} is expected here, not {found}")));
        }
        if size < 8 {
            return Err(start.problem(format!("{name} has size {size}")));
        }
        let at = self.at;
        if size - 8 > self.bytes.len() {
            return Err(Error::truncated(name, self.at + self.bytes.len()));
        }
        Ok(Cursor {
            what: name,
            bytes: self.take(size - 8)?,
            at,
        })
    }

    /// The next box, which must be a full box of this type and version; gives its flags too.
    pub(super) fn full(&mut self, kind: &[u8; 4], version: u8) -> Result<(Cursor<'a>, u32)> {
        let mut body = self.child(kind)?;
        let problem = body.problem(format!("version {version} is expected"));
        let head = body.u32()?;
        if head >> 24 == u32::from(version) {
            Ok((body, head & 0xff_ffff))
        } else {
            Err(problem)
        }
    }

    /// Like [`Self::full`], with the flags that it must have.
    pub(super) fn full_with(&mut self, kind: &[u8; 4], head: (u8, u32)) -> Result<Cursor<'a>> {
        let (body, flags) = self.full(kind, head.0)?;
        if flags == head.1 {
            Ok(body)
        } else {
            Err(body.problem(format!("flags {flags:#x}")))
        }
    }
}
