//! Frames on the socket: two little-endian lengths, a small JSON header, a binary payload. Both are
//! bounded, and no memory is set aside on the word of the other side: a buffer grows with the bytes
//! that arrive.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest header. The picture facts of ten seconds at 120 frames per second take 100 KiB.
pub(crate) const HEADER_BYTES_MAX: u32 = 1 << 20;

/// Longest payload: a segment of ten seconds at 200 Mb/s, the most that a profile may ask for.
pub(crate) const PAYLOAD_BYTES_MAX: u32 = 256 << 20;

/// Longest text file, read or made: two hundred thousand cues of 160 bytes.
pub(crate) const TEXT_BYTES_MAX: u32 = 32 << 20;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Frame {
    header: Vec<u8>,
    /// Binary part, may be empty.
    pub(crate) payload: Vec<u8>,
}

/// A frame that cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The socket failed or ended inside a frame.
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    /// A length is above its bound.
    #[error("{part} of {bytes} bytes is above the bound")]
    TooLong {
        /// Header or payload.
        part: &'static str,
        /// What was announced or given.
        bytes: u64,
    },
    /// The header is not the JSON that was expected.
    #[error("header: {0}")]
    Header(#[from] serde_json::Error),
}

impl Frame {
    /// Reads the header.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, WireError> {
        Ok(serde_json::from_slice(&self.header)?)
    }
}

fn check(header: u64, payload: u64) -> Result<(), WireError> {
    if header > u64::from(HEADER_BYTES_MAX) {
        return Err(WireError::TooLong {
            part: "header",
            bytes: header,
        });
    }
    if payload > u64::from(PAYLOAD_BYTES_MAX) {
        return Err(WireError::TooLong {
            part: "payload",
            bytes: payload,
        });
    }
    Ok(())
}

/// Lengths and header, ready to be written before the payload.
fn head(header: &impl Serialize, payload: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut bytes = vec![0; 8];
    serde_json::to_writer(&mut bytes, header)?;
    let header_bytes = bytes.len() as u64 - 8;
    check(header_bytes, payload.len() as u64)?;
    // Both are below their bounds, which are far below 2^32.
    bytes[..4].copy_from_slice(&(header_bytes as u32).to_le_bytes());
    bytes[4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    Ok(bytes)
}

fn lengths(bytes: [u8; 8]) -> Result<(u64, u64), WireError> {
    let [a, b, c, d, e, f, g, h] = bytes;
    let header = u64::from(u32::from_le_bytes([a, b, c, d]));
    let payload = u64::from(u32::from_le_bytes([e, f, g, h]));
    check(header, payload)?;
    Ok((header, payload))
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the frame is cut off")
}

/// Writes a frame.
pub(crate) fn send_blocking(
    to: &mut impl Write,
    header: &impl Serialize,
    payload: &[u8],
) -> Result<(), WireError> {
    to.write_all(&head(header, payload)?)?;
    Ok(to.write_all(payload)?)
}

/// Reads a frame; `None` when the other side has closed between frames.
pub(crate) fn receive_blocking(from: &mut impl Read) -> Result<Option<Frame>, WireError> {
    let mut first = [0; 8];
    let mut filled = 0;
    while filled < first.len() {
        match from.read(&mut first[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(cut_off().into()),
            count => filled += count,
        }
    }
    let (header, payload) = lengths(first)?;
    let mut frame = Frame::default();
    let read = from.take(header).read_to_end(&mut frame.header)?;
    let payload_read = from.take(payload).read_to_end(&mut frame.payload)?;
    if (read as u64, payload_read as u64) != (header, payload) {
        return Err(cut_off().into());
    }
    Ok(Some(frame))
}

/// Writes a frame.
pub(crate) async fn send<W: AsyncWrite + Unpin>(
    to: &mut W,
    header: &(impl Serialize + Sync),
    payload: &[u8],
) -> Result<(), WireError> {
    to.write_all(&head(header, payload)?).await?;
    Ok(to.write_all(payload).await?)
}

/// Reads a frame; `None` when the other side has closed between frames. Must be polled to its end: a
/// dropped call loses its part of the frame.
pub(crate) async fn receive<R: AsyncRead + Unpin>(
    from: &mut R,
) -> Result<Option<Frame>, WireError> {
    let mut first = [0; 8];
    let mut filled = 0;
    while filled < first.len() {
        match from.read(&mut first[filled..]).await? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(cut_off().into()),
            count => filled += count,
        }
    }
    let (header, payload) = lengths(first)?;
    let mut frame = Frame::default();
    let read = from.take(header).read_to_end(&mut frame.header).await?;
    let payload_read = from.take(payload).read_to_end(&mut frame.payload).await?;
    if (read as u64, payload_read as u64) != (header, payload) {
        return Err(cut_off().into());
    }
    Ok(Some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(header: &impl Serialize, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        send_blocking(&mut bytes, header, payload).unwrap();
        bytes
    }

    #[tokio::test]
    async fn a_frame_survives_both_ways_of_reading() {
        let bytes = written(&("hello", 7), b"payload");
        let blocking = receive_blocking(&mut bytes.as_slice()).unwrap().unwrap();
        let asynchronous = receive(&mut bytes.as_slice()).await.unwrap().unwrap();
        assert_eq!(blocking, asynchronous);
        assert_eq!(
            blocking.parse::<(String, u32)>().unwrap(),
            ("hello".to_owned(), 7)
        );
        assert_eq!(blocking.payload, b"payload");
    }

    #[tokio::test]
    async fn a_frame_cut_anywhere_is_an_error_and_a_clean_end_is_none() {
        let bytes = written(&"header", b"payload");
        for end in 1..bytes.len() {
            let blocking = receive_blocking(&mut &bytes[..end]);
            assert!(matches!(blocking, Err(WireError::Io(_))), "cut at {end}");
            assert!(receive(&mut &bytes[..end]).await.is_err(), "cut at {end}");
        }
        assert!(receive_blocking(&mut &bytes[..0]).unwrap().is_none());
        assert!(receive(&mut &bytes[..0]).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn lengths_above_their_bound_are_refused_before_anything_is_read() {
        let mut header = (HEADER_BYTES_MAX + 1).to_le_bytes().to_vec();
        header.extend([0; 4]);
        let mut payload = vec![0; 4];
        payload.extend(u32::MAX.to_le_bytes());
        for bytes in [header, payload] {
            let found = receive(&mut bytes.as_slice()).await;
            assert!(matches!(found, Err(WireError::TooLong { .. })), "{found:?}");
            assert!(receive_blocking(&mut bytes.as_slice()).is_err());
        }
        let long = "x".repeat(HEADER_BYTES_MAX as usize);
        assert!(send_blocking(&mut Vec::new(), &long, b"").is_err());
    }

    #[test]
    fn a_header_of_another_shape_is_an_error() {
        let bytes = written(&("a", "b"), b"");
        let frame = receive_blocking(&mut bytes.as_slice()).unwrap().unwrap();
        assert!(matches!(frame.parse::<u32>(), Err(WireError::Header(_))));
    }
}
