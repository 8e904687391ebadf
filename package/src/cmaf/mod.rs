//! CMAF tracks (ISO/IEC 23000-19): an init segment and media segments of one fragment each. The
//! writer knows exactly the boxes that are published, the reader accepts exactly those: what it does
//! not know, it refuses, because it guards publishing and is no player.

pub mod read;
pub mod write;
