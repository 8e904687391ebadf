//! What can go wrong here, by whose fault. Not libav's error codes: those say little, so the
//! words of its log come along.

use crate::sys;
use libc::c_int;
use model::FailureKind;
use std::io;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Memory that can still be had on a machine that is not full: more than any sound request of a
/// demuxer, and than a plane of a picture.
const SPARE_BYTES: usize = 256 << 20;

/// Why an operation of this crate ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The byte source failed. It says nothing about the media; the demuxer is of no use any more.
    #[error("cannot read the source at byte {at}")]
    Source {
        /// Offset of the read that failed.
        at: u64,
        /// The byte source's own error.
        #[source]
        source: io::Error,
    },
    /// The source ends too early to be understood.
    #[error("truncated source: {what}, {at} bytes in all")]
    Truncated {
        /// What is missing.
        what: String,
        /// Where the bytes end.
        at: u64,
    },
    /// The container or a stream is broken or is no media at all.
    #[error("malformed source: {what}, near byte {at}")]
    Malformed {
        /// What is wrong, in libav's words.
        what: String,
        /// Where reading stood.
        at: u64,
    },
    /// A packet did not decode. The decoder can go on with the next packet.
    #[error("broken packet: {what}")]
    Corrupt {
        /// What is wrong, in libav's words.
        what: String,
    },
    /// Valid, but not for this build or this farm.
    #[error("not supported: {what}")]
    Unsupported {
        /// The codec, format, size or layout.
        what: String,
    },
    /// Memory for a picture, packet or context was refused.
    #[error("out of memory")]
    OutOfMemory,
    /// libav refused a call that our own settings or pictures should never make it refuse.
    #[error("{call} answered {code}: {what}")]
    Call {
        /// The function.
        call: &'static str,
        /// Its return value.
        code: i32,
        /// The meaning of the code and the last line of the log.
        what: String,
    },
    /// The caller broke the contract of this crate.
    #[error("contract broken: {what}")]
    Contract {
        /// Which rule.
        what: String,
    },
}

impl Error {
    /// Whose fault it is and what may help.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Source { source, .. } => source_kind(source.kind()),
            Self::Truncated { .. } | Self::Malformed { .. } | Self::Corrupt { .. } => {
                FailureKind::BadInput
            }
            Self::Unsupported { .. } => FailureKind::Unsupported,
            Self::OutOfMemory => FailureKind::Exhausted,
            Self::Call { .. } => FailureKind::NodeFault,
            Self::Contract { .. } => FailureKind::Bug,
        }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }

    /// The error for a lack of memory while reading media. A file that claims absurd sizes must not
    /// pass for a machine that is full, because that would be tried again for ever: when memory
    /// can still be had, the file is to blame.
    pub(crate) fn memory_for_media(at: u64) -> Self {
        match Vec::<u8>::new().try_reserve_exact(SPARE_BYTES) {
            Ok(()) => Self::Malformed {
                what: "it asks for absurd amounts of memory".to_owned(),
                at,
            },
            Err(_) => Self::OutOfMemory,
        }
    }

    /// The error of a call that the outside world has no part in.
    pub(crate) fn call(call: &'static str, code: c_int) -> Self {
        if code == out_of_memory() {
            return Self::OutOfMemory;
        }
        Self::Call {
            call,
            code,
            what: explain(code),
        }
    }
}

/// The meaning of a code, and what libav logged on this thread before it.
pub(crate) fn explain(code: c_int) -> String {
    let meaning = sys::error_text(code).to_lowercase();
    match crate::log::take_last_line() {
        Some(line) => format!("{meaning} ({line})"),
        None => meaning,
    }
}

/// The code with which libav reports a lack of memory.
pub(crate) const fn out_of_memory() -> c_int {
    -libc::ENOMEM
}

/// The code for "no output yet" and "no room for input".
pub(crate) const fn again() -> c_int {
    -libc::EAGAIN
}

fn source_kind(kind: io::ErrorKind) -> FailureKind {
    use io::ErrorKind as Io;
    match kind {
        Io::TimedOut
        | Io::Interrupted
        | Io::WouldBlock
        | Io::BrokenPipe
        | Io::ConnectionAborted
        | Io::ConnectionRefused
        | Io::ConnectionReset
        | Io::HostUnreachable
        | Io::NetworkUnreachable
        | Io::NetworkDown
        | Io::NotConnected => FailureKind::Transient,
        Io::OutOfMemory => FailureKind::Exhausted,
        _ => FailureKind::Storage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_byte_source_is_never_bad_input() {
        let of = |kind| {
            Error::Source {
                at: 7,
                source: io::Error::from(kind),
            }
            .kind()
        };
        assert_eq!(of(io::ErrorKind::TimedOut), FailureKind::Transient);
        assert_eq!(of(io::ErrorKind::ConnectionReset), FailureKind::Transient);
        assert_eq!(of(io::ErrorKind::NotFound), FailureKind::Storage);
        assert_eq!(of(io::ErrorKind::UnexpectedEof), FailureKind::Storage);
        assert_eq!(of(io::ErrorKind::InvalidData), FailureKind::Storage);
    }
}
