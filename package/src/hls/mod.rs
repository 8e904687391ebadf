//! HLS playlists (RFC 8216, Apple's authoring rules): one multivariant playlist, and for each track a
//! media playlist in the track's folder. Only finished presentations: every playlist ends.

mod attributes;
mod media;
mod multivariant;

pub use media::{iframe_playlist, media_playlist, text_playlist};
pub use multivariant::multivariant;

/// `EXT-X-VERSION`: `EXT-X-MAP` in playlists of whole pictures needs 6 (RFC 8216 clause 7).
pub(crate) const VERSION: u32 = 6;

#[cfg(test)]
mod tests;
