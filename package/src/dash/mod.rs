//! The DASH manifest (ISO/IEC 23009-1): one static MPD over the same segments as the HLS playlists,
//! addressed by number with a timeline. Written with a small escaping writer: the schema wants its
//! elements in one order and rates as exact fractions, which the general model of dash-mpd-core
//! (rates as floats, namespaces that are not used) does not keep.

mod mpd;
mod xml;

pub use mpd::mpd;

#[cfg(test)]
mod tests;
