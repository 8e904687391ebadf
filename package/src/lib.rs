//! CMAF boxes, HLS, DASH, WebVTT and image tracks. No unsafe, no I/O.
