//! Packaging: CMAF boxes, HLS and DASH manifests, WebVTT and thumbnail tracks. Pure functions over
//! bytes and text: no I/O, no clock, no unsafe, so that the same input gives the same bytes anywhere.
//! It neither encodes nor decides what is published; it is told, and it checks.
//!
//! Both manifests are made from one [`manifest::Presentation`], which also owns the file names, so
//! that HLS and DASH cannot disagree about a segment.

#![forbid(unsafe_code)]

pub mod error;

mod bits;
pub mod codec_config;
pub mod language;

pub mod cmaf;

pub mod dash;
pub mod hls;
pub mod jpeg;
pub mod manifest;

pub mod text;

pub use codec_config::CodecConfig;
pub use error::{Error, Result};
pub use manifest::Presentation;
