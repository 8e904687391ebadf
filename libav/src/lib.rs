//! The only room that touches FFmpeg's libraries: demux, decode, audio, software encoders.
