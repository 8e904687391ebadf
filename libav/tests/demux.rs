//! What the reader says about streams and packets, held against what ffmpeg was told to make.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod media;

use libav::StreamKind;
use model::Rational;
use model::source::{Color, FieldOrder, Orientation};
use std::path::Path;

#[test]
fn a_film_with_everything_is_described_as_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("a.srt"),
        "1\n00:00:00,500 --> 00:00:01,500\nhi\n",
    )
    .unwrap();
    let srt = folder.path().join("a.srt");
    let path = media::make(
        folder.path(),
        "a.mkv",
        &format!(
            "-f lavfi -i testsrc2=s=320x240:r=30000/1001:d=2 -f lavfi -i sine=d=2:r=44100 -i {} \
             -map 0 -map 1 -map 2 -c:v libx264 -pix_fmt yuv422p10le -vf setsar=4/3,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709 \
             -c:a aac -ac 6 -c:s srt -metadata:s:1 language=deu \
             -metadata:s:1 title=Main -disposition:s:0 forced+hearing_impaired",
            srt.display()
        ),
    );
    let demuxer = media::open(&path);
    assert_eq!(demuxer.format_name(), "matroska,webm");
    let [video, audio, text] = demuxer.streams() else {
        panic!("three streams")
    };
    assert_eq!(
        (video.kind, video.codec.as_str()),
        (StreamKind::Video, "h264")
    );
    assert_eq!((video.width, video.height), (320, 240));
    assert_eq!(video.sample_aspect, Rational::new(4, 3).unwrap());
    assert_eq!(
        (video.pixel_format.as_str(), video.bit_depth),
        ("yuv422p10le", 10)
    );
    assert_eq!(video.color, Color::BT709);
    assert_eq!(video.field_order, Some(FieldOrder::Progressive));
    assert_eq!(video.average_frame_rate, Rational::new(30_000, 1_001));
    assert_eq!(
        (audio.kind, audio.sample_rate, audio.channels),
        (StreamKind::Audio, 44_100, 6)
    );
    assert_eq!(audio.layout, "5.1");
    assert_eq!(audio.language.as_deref(), Some("deu"));
    assert_eq!(audio.title.as_deref(), Some("Main"));
    assert_eq!(
        (text.kind, text.codec.as_str()),
        (StreamKind::Text, "subrip")
    );
    assert!(text.disposition.forced && text.disposition.hearing_impaired);
}

/// Index of the corner (top left, top right, bottom right, bottom left) that is brightest.
fn bright_corner(bytes: &[u8], width: usize, height: usize) -> usize {
    let at = |x: usize, y: usize| bytes[y * width + x];
    let corners = [
        at(4, 4),
        at(width - 5, 4),
        at(width - 5, height - 5),
        at(4, height - 5),
    ];
    (0..4).max_by_key(|index| corners[*index]).unwrap()
}

/// Where a corner goes under an orientation.
fn moved(corner: usize, orientation: Orientation) -> usize {
    let turned = (corner + usize::from(orientation.quarter_turns)) % 4;
    if orientation.mirrored {
        [1, 0, 3, 2][turned]
    } else {
        turned
    }
}

fn check_orientation(path: &Path, expected: Orientation) {
    let mut demuxer = media::open(path);
    let stream = demuxer.streams()[0].clone();
    assert_eq!(stream.orientation, expected);
    let packets = media::packets(&mut demuxer);
    let decoded = &media::decode(&stream, &packets, 1)[0].picture;
    let coded = bright_corner(
        decoded.planes()[0].as_u8().unwrap(),
        decoded.width() as usize,
        decoded.height() as usize,
    );
    // ffmpeg turns pictures upright by itself.
    let shown = media::output_of(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            path.to_str().unwrap(),
            "-frames:v",
            "1",
            "-pix_fmt",
            "gray",
            "-f",
            "rawvideo",
            "-",
        ],
    );
    let (width, height) = if expected.swaps_axes() {
        (64, 96)
    } else {
        (96, 64)
    };
    assert_eq!(shown.len(), width * height);
    assert_eq!(
        moved(coded, stream.orientation),
        bright_corner(&shown, width, height)
    );
}

/// Replaces the matrix of the track header (ISO/IEC 14496-12 8.3.2), because ffmpeg's command
/// cannot write mirrored ones.
fn patch_matrix(path: &Path, [a, b, c, d]: [i32; 4]) {
    let mut bytes = std::fs::read(path).unwrap();
    let tkhd = bytes.windows(4).position(|four| four == b"tkhd").unwrap();
    assert_eq!(bytes[tkhd + 4], 0, "a version 0 box");
    let matrix = tkhd + 4 + 40;
    for (index, value) in [(0, a), (1, b), (3, c), (4, d)] {
        let start = matrix + index * 4;
        bytes[start..start + 4].copy_from_slice(&(value << 16).to_be_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn orientations_agree_with_what_ffmpeg_turns_upright() {
    let folder = tempfile::tempdir().unwrap();
    // A bright spot in the top left corner, so that every turn and mirror shows.
    let source = "-f lavfi -i color=black:s=96x64:r=25:d=0.2,drawbox=0:0:16:16:white:fill \
                  -c:v libx264 -pix_fmt yuv420p";
    for (name, matrix, quarter_turns, mirrored) in [
        ("0", [1, 0, 0, 1], 0, false),
        ("90", [0, 1, -1, 0], 1, false),
        ("180", [-1, 0, 0, -1], 2, false),
        ("270", [0, -1, 1, 0], 3, false),
        ("90m", [0, 1, 1, 0], 1, true),
        ("180m", [1, 0, 0, -1], 2, true),
        ("270m", [0, -1, -1, 0], 3, true),
    ] {
        let path = media::make(folder.path(), &format!("{name}.mp4"), source);
        patch_matrix(&path, matrix);
        check_orientation(
            &path,
            Orientation {
                quarter_turns,
                mirrored,
            },
        );
    }
}

#[test]
fn a_left_right_mirror_is_seen() {
    // Not compared with ffmpeg: release 5.1 leaves this one matrix alone.
    let folder = tempfile::tempdir().unwrap();
    let source = "-f lavfi -i color=black:s=96x64:r=25:d=0.2 -c:v libx264";
    let path = media::make(folder.path(), "m.mp4", source);
    patch_matrix(&path, [-1, 0, 0, 1]);
    let orientation = media::open(&path).streams()[0].orientation;
    assert_eq!(
        orientation,
        Orientation {
            quarter_turns: 0,
            mirrored: true
        }
    );
}

#[test]
fn a_seek_lands_on_the_access_point_whose_decode_time_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for extension in ["mp4", "mkv", "ts", "mov"] {
        let path = media::make(
            folder.path(),
            &format!("a.{extension}"),
            "-f lavfi -i testsrc2=s=160x120:r=25:d=6 -f lavfi -i sine=d=6 -c:v libx264 -g 25 \
             -keyint_min 25 -bf 3 -c:a aac",
        );
        let mut demuxer = media::open(&path);
        demuxer.select(&[0]);
        let all = media::packets(&mut demuxer);
        assert!(all.iter().all(|packet| packet.stream() == 0), "{extension}");
        let time = |packet: &libav::Packet| packet.dts().or(packet.pts()).unwrap();
        let keys: Vec<i64> = all
            .iter()
            .filter(|packet| packet.is_key())
            .map(time)
            .collect();
        assert_eq!(keys.len(), 6, "{extension}");
        // Without an index, only times of access points are good targets.
        let targets: Vec<i64> = match extension {
            "ts" => keys.clone(),
            _ => all.iter().map(time).collect(),
        };
        for target in targets {
            demuxer.seek_to(0, target).unwrap();
            let found = demuxer.next_packet().unwrap().unwrap();
            let wanted = keys.iter().rposition(|key| *key <= target).unwrap_or(0);
            let position = all
                .iter()
                .position(|packet| packet.pts() == found.pts())
                .unwrap();
            assert_eq!(
                time(&all[position]),
                keys[wanted],
                "{extension}: sought {target}"
            );
            let rest = 1 + media::packets(&mut demuxer).len();
            assert_eq!(
                rest,
                all.len() - position,
                "{extension}: packets after a seek"
            );
        }
    }
}

#[test]
fn an_edit_list_marks_hidden_packets_and_moves_times() {
    let folder = tempfile::tempdir().unwrap();
    let source = media::make(
        folder.path(),
        "whole.mp4",
        "-f lavfi -i testsrc2=s=160x120:r=25:d=4 -c:v libx264 -g 50 -keyint_min 50 -sc_threshold 0 -bf 0",
    );
    let cut = media::make(
        folder.path(),
        "cut.mp4",
        &format!(
            "-ss 1 -i {} -c copy -avoid_negative_ts disabled",
            source.display()
        ),
    );
    let mut demuxer = media::open(&cut);
    let stream = demuxer.streams()[0].clone();
    let packets = media::packets(&mut demuxer);
    let hidden = packets.iter().filter(|packet| packet.is_discard()).count();
    assert_eq!((packets.len(), hidden), (100, 25));
    assert!(
        packets
            .iter()
            .filter(|p| p.is_discard())
            .all(|p| p.pts().unwrap() < 0)
    );
    let pictures = media::decode(&stream, &packets, 1);
    assert_eq!(
        pictures.len(),
        75,
        "no picture comes out for a hidden packet"
    );
    assert_eq!(pictures[0].pts, Some(0));
    assert_eq!(media::decode(&stream, &packets, 4), pictures);
}
