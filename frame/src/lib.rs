//! Pictures and the plain arithmetic that every kernel must match.
