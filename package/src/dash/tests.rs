//! The MPD against what players and the schema want.

use super::*;
use crate::manifest::tests::support::presentation;
use crate::manifest::{AudioRole, Segment};
use std::process::Command;

#[test]
fn every_track_is_there_with_its_segments() {
    let text = mpd(&presentation());
    for part in [
        "mediaPresentationDuration=\"PT6S\"",
        "minBufferTime=\"PT2.021333S\"",
        "par=\"16:9\"",
        "frameRate=\"30000/1001\"",
        "codecs=\"avc1.64001e\"",
        "media=\"media/h264-360p/$Number%05d$.m4s\" initialization=\"media/h264-360p/init.mp4\"",
        "<S t=\"0\" d=\"60000\" r=\"2\"/>",
        "value=\"caption\"",
        "<BaseURL>media/text-en/text.vtt</BaseURL>",
        "<EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/thumbnail_tile\" value=\"2x2\"/>",
        "width=\"320\" height=\"180\"",
        "timescale=\"1\" duration=\"4\"",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(
        !text.contains("cicp:ColourPrimaries"),
        "BT.709 is what players assume"
    );
}

#[test]
fn sound_starts_where_it_is_heard() {
    let text = mpd(&presentation());
    let expected =
        "<S t=\"0\" d=\"94976\"/>\n            <S d=\"96000\"/>\n            <S d=\"97024\"/>";
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("presentationTimeOffset"));
}

#[test]
fn other_colour_is_said() {
    let mut presentation = presentation();
    presentation.video[0].color.transfer = 16;
    presentation.video[0].color.primaries = 9;
    let text = mpd(&presentation);
    let essential = "<EssentialProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:TransferCharacteristics\" \
                     value=\"16\"/>";
    let supplemental =
        "<SupplementalProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:ColourPrimaries\" value=\"9\"/>";
    assert!(
        text.contains(essential) && text.contains(supplemental),
        "{text}"
    );
}

#[test]
fn codecs_have_a_set_of_their_own() {
    let mut presentation = presentation();
    let mut hevc = presentation.video[0].clone();
    hevc.track.id = "hevc".to_owned();
    hevc.track.path = "media/hevc".to_owned();
    hevc.track.codecs = "hvc1.1.6.L63.90".to_owned();
    presentation.video.push(hevc);
    let text = mpd(&presentation);
    assert_eq!(text.matches("contentType=\"video\"").count(), 2);
}

#[test]
fn durations_are_written_to_the_microsecond() {
    let mut presentation = presentation();
    presentation.duration = model::Rational::new(719 * 1001, 30_000).unwrap();
    assert!(mpd(&presentation).contains("mediaPresentationDuration=\"PT23.990633S\""));
}

#[test]
fn names_cannot_write_markup() {
    let mut presentation = presentation();
    presentation.audio[0].name = "<a b=\"c\">&\u{1}".to_owned();
    let text = mpd(&presentation);
    assert!(
        text.contains("<Label>&lt;a b=&quot;c&quot;&gt;&amp; </Label>"),
        "{text}"
    );
}

/// Needs `xmllint` and, in `DASH_MPD_XSD`, the path of the schema with its imports beside it.
#[test]
fn the_manifest_is_valid_against_the_schema() {
    let Ok(schema) = std::env::var("DASH_MPD_XSD") else {
        println!("skipped: DASH_MPD_XSD does not name the schema");
        return;
    };
    let mut all = presentation();
    all.audio[1].role = AudioRole::Description;
    all.audio[1].name = "described".to_owned();
    all.video[0].color.transfer = 16;
    all.video[0].track.segments.push(Segment {
        duration: 1,
        size_bytes: 1,
        key_bytes: 1,
    });
    let path = std::env::temp_dir().join(format!("mpd-{}.xml", std::process::id()));
    std::fs::write(&path, mpd(&all)).unwrap();
    let output = Command::new("xmllint")
        .args(["--noout", "--schema", &schema])
        .arg(&path)
        .output();
    std::fs::remove_file(&path).unwrap();
    match output {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Err(problem) => println!("skipped: xmllint does not run: {problem}"),
    }
}
