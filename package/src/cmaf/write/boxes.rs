//! A growing file of nested boxes (ISO/IEC 14496-12 4.2). Sizes are filled in when a box ends, so a
//! size can never disagree with its contents.

/// Bytes of boxes.
#[derive(Default)]
pub(crate) struct BoxWriter {
    bytes: Vec<u8>,
}

impl BoxWriter {
    /// What was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Writes a box around what `body` writes. Callers keep boxes under 4 GiB.
    pub(crate) fn boxed(&mut self, kind: &[u8; 4], body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.u32(0);
        self.raw(kind);
        body(self);
        let size = (self.bytes.len() - start) as u32;
        self.patch_u32(start, size);
    }

    /// Writes a full box: version and flags before the body.
    pub(crate) fn full(
        &mut self,
        kind: &[u8; 4],
        (version, flags): (u8, u32),
        body: impl FnOnce(&mut Self),
    ) {
        self.boxed(kind, |writer| {
            writer.u32(u32::from(version) << 24 | flags);
            body(writer);
        });
    }

    /// Replaces four bytes that were written before.
    pub(crate) fn patch_u32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }
}
