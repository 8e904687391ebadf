//! The benchmark harness: Magpie and its peers in the same run.
