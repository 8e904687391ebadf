//! Checks that cargo itself does not do.

fn main() {}
