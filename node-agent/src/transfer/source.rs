//! Ranges of sources for workers. Blocks are kept for all slots together, because the chunks of one
//! title read the same index and overlapping ranges at the same time.

use super::retry::retrying;
use crate::worker::message::READ_BYTES_MAX;
use bytes::{Bytes, BytesMut};
use model::Failure;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use storage::Source;

const BLOCK: u64 = READ_BYTES_MAX as u64;

/// Identity of a source and block number: a source that was mended in place is another one.
type Name = (Arc<str>, u64);

/// Blocks of sources in memory, last used first.
pub(crate) struct BlockCache {
    blocks: Mutex<VecDeque<(Name, Bytes)>>,
    blocks_max: usize,
}

impl BlockCache {
    /// A cache of at most so many bytes, and of one block at least.
    pub(crate) fn new(bytes_max: usize) -> Self {
        let blocks_max = (bytes_max / READ_BYTES_MAX as usize).max(1);
        Self {
            blocks: Mutex::default(),
            blocks_max,
        }
    }

    fn find(&self, name: &Name) -> Option<Bytes> {
        let mut blocks = self.blocks.lock();
        let place = blocks.iter().position(|(kept, _)| kept == name)?;
        let found = blocks.remove(place)?;
        let bytes = found.1.clone();
        blocks.push_front(found);
        Some(bytes)
    }

    fn keep(&self, name: Name, bytes: Bytes) {
        let mut blocks = self.blocks.lock();
        blocks.retain(|(kept, _)| *kept != name);
        blocks.push_front((name, bytes));
        blocks.truncate(self.blocks_max);
    }
}

/// One source, read through the cache; cheap to clone.
#[derive(Clone)]
pub(crate) struct SourceReader {
    source: Source,
    identity: Arc<str>,
    cache: Arc<BlockCache>,
}

impl SourceReader {
    /// Reads a source through a cache.
    pub(crate) fn new(source: Source, cache: Arc<BlockCache>) -> Self {
        let identity = format!("{} {}", source.url(), source.identity()).into();
        Self {
            source,
            identity,
            cache,
        }
    }

    /// Size of the source.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.source.size_bytes()
    }

    /// Reads a range; shorter only at the end.
    pub(crate) async fn read(&self, offset: u64, bytes: u32) -> Result<Bytes, Failure> {
        let end = offset
            .saturating_add(u64::from(bytes))
            .min(self.size_bytes());
        let mut parts = Vec::with_capacity(2);
        let mut at = offset;
        while at < end {
            let block = self.block(at / BLOCK).await?;
            let from = (at % BLOCK) as usize;
            let until = ((end - at) as usize).saturating_add(from).min(block.len());
            if from >= until {
                break;
            }
            parts.push(block.slice(from..until));
            at += (until - from) as u64;
        }
        Ok(match parts.len() {
            1 => parts.swap_remove(0),
            _ => parts
                .iter()
                .fold(BytesMut::new(), |mut all, part| {
                    all.extend_from_slice(part);
                    all
                })
                .freeze(),
        })
    }

    async fn block(&self, number: u64) -> Result<Bytes, Failure> {
        let name = (Arc::clone(&self.identity), number);
        if let Some(found) = self.cache.find(&name) {
            return Ok(found);
        }
        let offset = number * BLOCK;
        let bytes = retrying(|| self.source.read(offset..offset + BLOCK))
            .await
            .map_err(|e| Failure::new(e.kind(), "source", e.to_string()))?;
        self.cache.keep(name, bytes.clone());
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::SourceRoots;

    #[tokio::test]
    async fn ranges_across_blocks_and_the_end_are_the_files_own() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..(BLOCK * 2 + 77))
            .map(|i| (i * 31 % 251) as u8)
            .collect();
        let file = folder.path().canonicalize().unwrap().join("source.bin");
        std::fs::write(&file, &content).unwrap();
        let roots = SourceRoots::new([folder.path().to_str().unwrap()]).unwrap();
        let url = format!("file://{}", file.display());
        let source = Source::open(&url, &roots).await.unwrap();
        let reader = SourceReader::new(source, Arc::new(BlockCache::new(0)));
        let ranges = [
            (0, 10),
            (BLOCK - 3, 7),
            (BLOCK * 2 - 1, READ_BYTES_MAX),
            (BLOCK * 3, 5),
        ];
        for (offset, bytes) in ranges {
            let found = reader.read(offset, bytes).await.unwrap();
            let start = (offset as usize).min(content.len());
            let end = (offset as usize + bytes as usize).min(content.len());
            assert_eq!(found, &content[start..end], "{offset}+{bytes}");
        }
        assert_eq!(reader.cache.blocks.lock().len(), 1);
    }
}
