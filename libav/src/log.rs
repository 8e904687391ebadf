//! libav's log, carried to `tracing` and kept as evidence. Not a log file: a hostile source can
//! make libav write without end, so everything here has a bound.
//!
//! libav logs for the whole process through one callback, from any thread of a decoder.

use crate::sys::ffi;
use libc::{c_char, c_int, c_void};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once, PoisonError};

/// Bytes of error lines that [`recent_log`] can give: what a failure may carry as evidence.
const RECENT_BYTES_MAX: usize = model::failure::EVIDENCE_BYTES_MAX;

/// Lines per process that go to `tracing`; later ones are only kept as recent. A sound title makes
/// a handful, a broken one about one per picture.
const TRACED_LINES_MAX: u32 = 2_000;

/// Longest line that is kept, in bytes.
const LINE_BYTES_MAX: usize = 512;

/// The largest single allocation that libav may make: a plane of the largest picture at 16 bits has
/// half of it. Hostile headers ask for more.
const ALLOCATION_BYTES_MAX: usize = 1 << 30;

static RECENT: Mutex<Recent> = Mutex::new(Recent {
    lines: VecDeque::new(),
    bytes: 0,
});
static TRACED_LINES: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static LAST_LINE: RefCell<Option<String>> = const { RefCell::new(None) };
}

struct Recent {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Recent {
    fn push(&mut self, line: String) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > RECENT_BYTES_MAX {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.len() + 1;
        }
    }
}

/// The last error and warning lines of libav in this process, oldest first, at most 8 KiB.
pub fn recent_log() -> String {
    let recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    recent
        .lines
        .iter()
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Takes over libav's log and bounds its allocations; every way into this crate calls it.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: the callback is a function of the program and so valid for ever; the limit is a
        // plain number.
        unsafe {
            ffi::av_log_set_callback(Some(receive));
            ffi::av_max_alloc(ALLOCATION_BYTES_MAX);
        }
    });
}

/// Forgets what this thread logged, so that [`take_last_line`] speaks of the calls that follow.
pub(crate) fn clear_last_line() {
    LAST_LINE.with(|last| last.borrow_mut().take());
}

/// The last error line that libav logged on this thread.
pub(crate) fn take_last_line() -> Option<String> {
    LAST_LINE.with(|last| last.borrow_mut().take())
}

/// How bindgen passes C's `va_list`: a pointer where the ABI makes it an array.
#[cfg(target_arch = "x86_64")]
type Arguments = *mut ffi::__va_list_tag;
#[cfg(not(target_arch = "x86_64"))]
type Arguments = ffi::va_list;

unsafe extern "C" fn receive(
    object: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: Arguments,
) {
    if level > ffi::AV_LOG_WARNING {
        return;
    }
    let mut line: [c_char; LINE_BYTES_MAX] = [0; LINE_BYTES_MAX];
    let mut print_prefix: c_int = 1;
    // SAFETY: object, format and arguments come from libav for exactly this call; the line is as
    // long as said and is ended with a zero by the call.
    let text = unsafe {
        ffi::av_log_format_line2(
            object,
            level,
            format,
            arguments,
            line.as_mut_ptr(),
            LINE_BYTES_MAX as c_int,
            &raw mut print_prefix,
        );
        CStr::from_ptr(line.as_ptr()).to_string_lossy()
    };
    keep(level, &without_addresses(text.trim_end()));
}

fn keep(level: c_int, line: &str) {
    if line.is_empty() {
        return;
    }
    if TRACED_LINES.fetch_add(1, Ordering::Relaxed) < TRACED_LINES_MAX {
        if level <= ffi::AV_LOG_ERROR {
            tracing::warn!(line, "libav");
        } else {
            tracing::debug!(line, "libav");
        }
    }
    if level <= ffi::AV_LOG_ERROR {
        // The thread may be ending and its storage gone; the line is then only kept as recent.
        let _ = LAST_LINE.try_with(|last| *last.borrow_mut() = Some(line.to_owned()));
    }
    RECENT
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(line.to_owned());
}

/// Takes the address out of a prefix such as `[h264 @ 0x55d0c8e0]`: it differs in every run and
/// would make equal failures look different.
fn without_addresses(line: &str) -> String {
    let mut rest = line;
    let mut clean = String::with_capacity(line.len());
    while let Some(start) = rest.find(" @ 0x") {
        clean.push_str(&rest[..start]);
        let address = &rest[start + " @ 0x".len()..];
        rest = address.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_leave_the_prefix() {
        assert_eq!(
            without_addresses("[mov,mp4 @ 0x55d0c8e0] [x @ 0xab] moov atom not found"),
            "[mov,mp4] [x] moov atom not found"
        );
        assert_eq!(without_addresses("plain"), "plain");
    }

    #[test]
    fn recent_lines_are_bounded_and_keep_the_end() {
        let mut recent = Recent {
            lines: VecDeque::new(),
            bytes: 0,
        };
        for number in 0..10_000 {
            recent.push(format!("line {number}"));
        }
        assert!(recent.bytes <= RECENT_BYTES_MAX);
        assert_eq!(recent.lines.back().unwrap(), "line 9999");
        assert_eq!(
            recent.bytes,
            recent
                .lines
                .iter()
                .map(|line| line.len() + 1)
                .sum::<usize>()
        );
    }
}
