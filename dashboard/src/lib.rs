//! The web page, its live feed and the built-in origin.
