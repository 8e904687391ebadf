//! The source as a worker sees it: ranges that its agent reads. A few blocks are kept, because
//! demuxers hop between a file's index and its tracks.

use super::child::Link;
use super::message::READ_BYTES_MAX;
use libav::ByteSource;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Blocks kept. A container rarely has more than eight places that are read by turns.
const BLOCKS_MAX: usize = 8;

const BLOCK: u64 = READ_BYTES_MAX as u64;

/// The source of the current request.
pub(super) struct RangeSource {
    link: Arc<Link>,
    length: u64,
    /// Block numbers and bytes, last used first.
    blocks: VecDeque<(u64, Vec<u8>)>,
}

impl RangeSource {
    pub(super) fn new(link: Arc<Link>, length: u64) -> Self {
        Self {
            link,
            length,
            blocks: VecDeque::new(),
        }
    }

    fn block(&mut self, number: u64) -> io::Result<&[u8]> {
        match self.blocks.iter().position(|(kept, _)| *kept == number) {
            Some(0) => {}
            Some(place) => {
                let block = self.blocks.remove(place);
                self.blocks.extend(block);
                self.blocks.rotate_right(1);
            }
            None => {
                let offset = number * BLOCK;
                let wanted = BLOCK.min(self.length - offset);
                let bytes = self.link.read(offset, wanted as u32)?;
                if bytes.len() as u64 != wanted {
                    let reason = format!("source ends inside {offset}+{wanted}");
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
                }
                self.blocks.truncate(BLOCKS_MAX - 1);
                self.blocks.push_front((number, bytes));
            }
        }
        Ok(&self.blocks[0].1)
    }
}

impl ByteSource for RangeSource {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        let block = self.block(offset / BLOCK)?;
        // Below the block length, which is 1 MiB.
        let start = (offset % BLOCK) as usize;
        let count = buffer.len().min(block.len() - start);
        buffer[..count].copy_from_slice(&block[start..start + count]);
        Ok(count)
    }
}
