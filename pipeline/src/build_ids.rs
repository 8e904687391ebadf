//! Which builds turn source bytes into output bytes here. A plan pins them; a node whose ids differ
//! does not take its tasks.

use model::plan::BuildIds;

/// The release of rav1e that is linked; a test holds it to the lock file.
const RAV1E: &str = "0.8.1";

/// Names and versions of everything that decides bytes. Found once per process; takes some
/// milliseconds the first time, because encoders only tell in their output.
pub fn build_ids() -> BuildIds {
    let libav = libav::build_ids();
    let baseline = libav::CpuBaseline::of_this_architecture();
    let mut ids = BuildIds::from([
        ("audio-cpu".to_owned(), baseline.as_str().to_owned()),
        ("ffmpeg".to_owned(), libav.ffmpeg.clone()),
        ("libavcodec".to_owned(), libav.libavcodec.clone()),
        ("libavformat".to_owned(), libav.libavformat.clone()),
        ("libswresample".to_owned(), libav.libswresample.clone()),
        ("magpie".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        (
            "pipeline".to_owned(),
            model::content_key::PIPELINE_REVISION.to_string(),
        ),
        ("rav1e".to_owned(), RAV1E.to_owned()),
    ]);
    for (name, version) in [("x264", &libav.x264), ("x265", &libav.x265)] {
        if let Some(version) = version {
            ids.insert(name.to_owned(), version.clone());
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoders_that_are_here_are_named() {
        let ids = build_ids();
        assert!(ids["x264"].contains("core"), "{ids:?}");
        assert!(ids.values().all(|version| !version.is_empty()), "{ids:?}");
    }

    #[test]
    fn the_release_of_rav1e_is_the_linked_one() {
        let lock = include_str!("../../Cargo.lock");
        let entry = format!("name = \"rav1e\"\nversion = \"{RAV1E}\"");
        assert!(lock.contains(&entry), "{RAV1E}");
    }
}
