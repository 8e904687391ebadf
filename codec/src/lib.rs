//! Decoder and encoder seams with their candidate tables.
