//! Subtitles as they come from the wild.

use super::*;
use crate::manifest::tests::support::presentation;
use model::Rational;
use proptest::prelude::*;

fn cue(start_ms: u64, end_ms: u64, text: &str) -> Cue {
    Cue {
        start_ms,
        end_ms,
        settings: String::new(),
        text: text.to_owned(),
    }
}

#[test]
fn subrip_with_every_oddity_is_read() {
    let file = "\u{feff}1\r\n00:00:01,500 --> 00:00:02.75 X1:10\r\nA <I>b</I> & <font color=\"red\">c</font>\r\n\
                second {\\pos(1,2)}line\r\n\r\n2\r\n0:0:5,5 --> 0:00:06,000\r\n{\\an8}1 < 2 --> 3\r\n";
    let parsed = parse(file.as_bytes()).unwrap();
    assert_eq!(parsed.encoding, Encoding::Utf8);
    assert!(parsed.skipped_lines.is_empty());
    let top = Cue {
        settings: "line:0".to_owned(),
        ..cue(5500, 6000, "1 &lt; 2 --&gt; 3")
    };
    assert_eq!(
        parsed.cues,
        [cue(1500, 2750, "A <i>b</i> &amp; c\nsecond line"), top]
    );
}

#[test]
fn cues_that_cannot_be_read_are_left_out_and_counted() {
    let file = "1\n00:00:01,000 --> 00:00:02,000\ngood\n\n2\n00:00:99,000 --> 00:00:02,000\nbad\n\n\
                stray words\n\n3\n00:00:09,000 --> 00:00:08,000\nbackwards\n";
    let parsed = parse(file.as_bytes()).unwrap();
    assert_eq!(parsed.cues, [cue(1000, 2000, "good")]);
    assert_eq!(parsed.skipped_lines, [6, 9, 12]);
}

#[test]
fn cues_without_a_blank_line_between_are_told_apart() {
    let file = "1\n00:00:01,000 --> 00:00:02,000\none\n2\n00:00:03,000 --> 00:00:04,000\ntwo\n";
    let parsed = parse(file.as_bytes()).unwrap();
    assert_eq!(
        parsed.cues,
        [cue(1000, 2000, "one"), cue(3000, 4000, "two")]
    );
}

#[test]
fn webvtt_keeps_settings_and_drops_styles() {
    let file = "WEBVTT - title\n\nSTYLE\n::cue { color: red }\n\nNOTE a --> b\n\nid\n\
                00:01.000 --> 01:02:03.004 line:0% region:x align:start\n<v Ann>Hi</v> <c.red>you</c>\n\n\
                NOTE\nnothing\n\n99:59:59.999 --> 100:00:00.000\nlate\n";
    let parsed = parse(file.as_bytes()).unwrap();
    let first = Cue {
        settings: "line:0% align:start".to_owned(),
        ..cue(1000, 3_723_004, "<v Ann>Hi</v> <c>you</c>")
    };
    assert_eq!(parsed.cues, [first, cue(359_999_999, 360_000_000, "late")]);
    assert!(parsed.skipped_lines.is_empty());
}

#[test]
fn latin_1_is_read_and_said() {
    let parsed = parse(b"1\n00:00:01,000 --> 00:00:02,000\ncaf\xe9\n").unwrap();
    assert_eq!(parsed.encoding, Encoding::Latin1);
    assert_eq!(parsed.cues, [cue(1000, 2000, "café")]);
    assert!(parse(b"\xff\xfe1\0").is_err());
    assert!(parse(b"1\0").is_err());
}

#[test]
fn more_cues_than_seconds_of_a_day_are_read() {
    let cues = "\n00:00.000 --> 00:01.000\nx\n".repeat(90_000);
    let parsed = parse(format!("WEBVTT\n{cues}").as_bytes()).unwrap();
    assert_eq!(parsed.cues.len(), 90_000);
}

#[test]
fn clipping_moves_the_zero_and_ends_with_the_title() {
    let cues = [
        cue(500, 1500, "a"),
        cue(5000, 9000, "b"),
        cue(20_000, 21_000, "c"),
    ];
    let clipped = clip(&cues, Rational::ONE, Rational::whole(6));
    assert_eq!(clipped, [cue(0, 500, "a"), cue(4000, 6000, "b")]);
    let later = clip(&cues[..1], Rational::whole(-2), Rational::whole(60));
    assert_eq!(later, [cue(2500, 3500, "a")]);
}

#[test]
fn cues_are_repeated_in_every_segment_they_overlap() {
    let cues = [cue(0, 2000, "a"), cue(1500, 4500, "b")];
    let files = segments(&cues, 1000, &[2000, 2000, 2000, 2000], TimestampMap::Zero);
    let shown: Vec<_> = files
        .iter()
        .map(|file| (file.contains("\na\n"), file.contains("\nb\n")))
        .collect();
    assert_eq!(
        shown,
        [(true, true), (false, true), (false, true), (false, false)]
    );
    assert_eq!(
        files[3],
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n"
    );
    assert!(files[1].contains("\n00:00:01.500 --> 00:00:04.500\nb\n"));
}

#[test]
fn thumbnails_cover_the_title_once() {
    let file = thumbnails(&presentation().images[0], Rational::new(11, 2).unwrap());
    let cues: Vec<_> = file.split("\n\n").skip(1).collect();
    assert_eq!(cues.len(), 6);
    assert_eq!(
        cues[3],
        "00:00:03.000 --> 00:00:04.000\n00001.jpg#xywh=160,90,160,90"
    );
    assert_eq!(
        cues[5].trim_end(),
        "00:00:05.000 --> 00:00:05.500\n00002.jpg#xywh=160,0,160,90"
    );
}

proptest! {
    #[test]
    fn what_is_written_reads_back_alike(text in "[ -~\n<>&{}/\\\\éß]{0,60}", settings in "[a-z:%0-9 ]{0,20}") {
        let file = format!("WEBVTT\n\n00:01.000 --> 00:02.000 {settings}\n{text}\n");
        let once = parse(file.as_bytes()).unwrap();
        let again = parse(whole(&once.cues, TimestampMap::Absent).as_bytes()).unwrap();
        prop_assert_eq!(&once.cues, &again.cues);
        prop_assert!(again.skipped_lines.is_empty());
    }

    #[test]
    fn a_cue_is_in_the_segments_that_it_overlaps_and_in_no_other(
        start_ms in 0_u64..50,
        lasts_ms in 0_u64..50,
        durations in proptest::collection::vec(0_u64..30, 0..8),
    ) {
        // Ticks of two milliseconds.
        let cue = cue(start_ms, start_ms + lasts_ms, "shown");
        let files = segments(std::slice::from_ref(&cue), 500, &durations, TimestampMap::Absent);
        let mut from = 0;
        for (file, duration) in files.iter().zip(&durations) {
            let to = from + 2 * duration;
            let overlaps = cue.start_ms < to && cue.end_ms > from;
            prop_assert_eq!(file.contains("shown"), overlaps, "{} to {}", from, to);
            from = to;
        }
    }

    #[test]
    fn sizes_of_segments_are_known_without_making_them(
        times in proptest::collection::vec((0_u64..50, 0_u64..50), 0..8),
        durations in proptest::collection::vec(0_u64..30, 0..8),
    ) {
        let cues = times.iter().map(|(start_ms, lasts_ms)| cue(*start_ms, start_ms + lasts_ms, "shown"));
        let cues: Vec<Cue> = cues.collect();
        let files = segments(&cues, 500, &durations, TimestampMap::Zero);
        let made: Vec<u64> = files.iter().map(|file| file.len() as u64).collect();
        prop_assert_eq!(segment_sizes(&cues, 500, &durations, TimestampMap::Zero), made);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = parse(&[b"WEBVTT\n\n0:0.0 --> 0:1.0\n".as_slice(), &bytes].concat());
        let _ = parse(&[b"1\n0:0:0,0 --> 0:0:1,0\n".as_slice(), &bytes].concat());
    }
}
