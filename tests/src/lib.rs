//! Whole-farm tests.
