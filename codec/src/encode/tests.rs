//! The contract of the encoder seam, held against every family.
