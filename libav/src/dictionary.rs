//! Options for libav by name. Not checked here: what libav did not take is left inside, and
//! [`Dictionary::refuse_leftovers`] turns a misspelt option into an error instead of a default.

use crate::error::{Error, Result};
use crate::sys::{self, ffi};
use std::ffi::CString;
use std::ptr;

pub(crate) struct Dictionary(*mut ffi::AVDictionary);

impl Dictionary {
    pub(crate) fn new(options: &[(&str, &str)]) -> Result<Self> {
        let mut dictionary = Self(ptr::null_mut());
        for (name, value) in options {
            dictionary.set(name, value)?;
        }
        Ok(dictionary)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let broken = |_| Error::Contract {
            what: format!("option {name} holds a zero byte"),
        };
        let c_name = CString::new(name).map_err(broken)?;
        let c_value = CString::new(value).map_err(broken)?;
        // SAFETY: both strings live through the call, which copies them.
        let code =
            unsafe { ffi::av_dict_set(&raw mut self.0, c_name.as_ptr(), c_value.as_ptr(), 0) };
        if code < 0 {
            Err(Error::call("av_dict_set", code))
        } else {
            Ok(())
        }
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut *mut ffi::AVDictionary {
        &raw mut self.0
    }

    /// Fails when an option was not consumed by the call that the dictionary was given to.
    pub(crate) fn refuse_leftovers(&self) -> Result<()> {
        // SAFETY: the dictionary is ours; an empty key with this flag finds the first entry.
        let entry = unsafe {
            ffi::av_dict_get(
                self.0,
                c"".as_ptr(),
                ptr::null(),
                ffi::AV_DICT_IGNORE_SUFFIX,
            )
        };
        if entry.is_null() {
            return Ok(());
        }
        // SAFETY: the entry belongs to the dictionary, its key is a C string.
        let name = unsafe { sys::text((*entry).key) };
        Err(Error::Contract {
            what: format!("libav does not know the option {name}"),
        })
    }
}

impl Drop for Dictionary {
    fn drop(&mut self) {
        // SAFETY: made by `av_dict_set`, or null, which is allowed.
        unsafe { ffi::av_dict_free(&raw mut self.0) };
    }
}

/// The value of a key in libav's metadata; `None` when absent or empty.
///
/// # Safety
/// `metadata` is null or a dictionary that outlives the call.
pub(crate) unsafe fn metadata(metadata: *const ffi::AVDictionary, key: &str) -> Option<String> {
    let key = CString::new(key).ok()?;
    // SAFETY: the caller vouches for the dictionary; the key lives through the call.
    unsafe {
        let entry = ffi::av_dict_get(metadata, key.as_ptr(), ptr::null(), 0);
        if entry.is_null() {
            None
        } else {
            Some(sys::text((*entry).value))
        }
    }
    .filter(|value| !value.is_empty())
}
