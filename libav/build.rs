//! Hands the version of FFmpeg's headers, as the bindings detected it, to this crate as
//! `cfg(ffmpeg_6_1)` and the like. It detects nothing by itself.

/// The releases in which something that this crate reads moved: 6.1 put key and field flags into
/// `AVFrame.flags` and side data into `AVCodecParameters`; later ones removed the old places.
const MILESTONES: [&str; 1] = ["ffmpeg_6_1"];

fn main() {
    for milestone in MILESTONES {
        println!("cargo:rustc-check-cfg=cfg({milestone})");
        let key = format!("DEP_FFMPEG_{}", milestone.to_uppercase());
        if std::env::var(key).is_ok_and(|value| value == "true") {
            println!("cargo:rustc-cfg={milestone}");
        }
    }
}
