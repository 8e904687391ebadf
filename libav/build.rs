//! Hands the version of FFmpeg's headers, as the bindings detected it, to this crate as
//! `cfg(ffmpeg_6_1)` and the like. It detects nothing by itself.

/// The releases in which something that this crate reads moved.
const MILESTONES: [&str; 2] = ["ffmpeg_6_1", "ffmpeg_7_0"];

fn main() {
    for milestone in MILESTONES {
        println!("cargo:rustc-check-cfg=cfg({milestone})");
        let key = format!("DEP_FFMPEG_{}", milestone.to_uppercase());
        if std::env::var(key).is_ok_and(|value| value == "true") {
            println!("cargo:rustc-cfg={milestone}");
        }
    }
}
