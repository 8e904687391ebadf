//! Sources that lie, stop or are no media. None may panic, and each must be blamed on the right
//! one: the submitter for bad input, the storage for failing reads.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod media;

use libav::{AudioDecoder, ByteSource, DecoderOptions, Demuxer, Error, MemorySource, VideoDecoder};
use model::FailureKind;
use std::collections::HashMap;
use std::io;

fn open_bytes(bytes: &[u8]) -> libav::Result<Demuxer> {
    Demuxer::open(Box::new(MemorySource(bytes.into())))
}

fn error_of(bytes: &[u8]) -> Error {
    open_bytes(bytes).err().expect("this must not open")
}

fn sample_mp4(arguments: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        format!("-f lavfi -i testsrc2=s=160x120:r=25:d=2 -c:v libx264 -g 10 {arguments}");
    std::fs::read(media::make(folder.path(), "a.mp4", &arguments)).unwrap()
}

/// Reads everything and decodes every packet of video and audio; gives the number of packets.
/// Errors of decoders are left alone, panics are not.
fn read_all(mut demuxer: Demuxer) -> Result<usize, Error> {
    let mut video = HashMap::new();
    let mut audio = HashMap::new();
    for stream in demuxer.streams() {
        if let Ok(decoder) = VideoDecoder::open(stream, &DecoderOptions::default()) {
            video.insert(stream.index, decoder);
        } else if let Ok(decoder) = AudioDecoder::open(stream) {
            audio.insert(stream.index, decoder);
        }
    }
    let mut count = 0;
    while let Some(packet) = demuxer.next_packet()? {
        count += 1;
        if let Some(decoder) = video.get_mut(&packet.stream()) {
            let _ = decoder.send(Some(&packet));
            while let Ok(Some(_)) = decoder.receive() {}
        }
        if let Some(decoder) = audio.get_mut(&packet.stream()) {
            let _ = decoder.send(Some(&packet));
            while let Ok(Some(_)) = decoder.receive() {}
        }
    }
    Ok(count)
}

#[test]
fn an_empty_source_is_truncated() {
    let error = error_of(b"");
    assert!(matches!(error, Error::Truncated { at: 0, .. }), "{error}");
    assert_eq!(error.kind(), FailureKind::BadInput);
}

#[test]
fn text_and_zeros_are_bad_input() {
    for bytes in [
        b"hello, this is no media\n".repeat(400),
        vec![0; 100_000],
        vec![0; 1],
        vec![0xff; 4096],
    ] {
        let error = error_of(&bytes);
        assert_eq!(error.kind(), FailureKind::BadInput, "{error}");
    }
}

#[test]
fn playlists_that_point_elsewhere_are_not_followed() {
    let playlist =
        b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n";
    let concat = b"ffconcat version 1.0\nfile /etc/passwd\n";
    let session =
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nc=IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n";
    for bytes in [playlist.as_slice(), concat, session] {
        let error = error_of(bytes);
        assert!(
            matches!(
                error.kind(),
                FailureKind::BadInput | FailureKind::Unsupported
            ),
            "{error}"
        );
    }
}

#[test]
fn an_mp4_without_its_index_says_so_and_where_it_ends() {
    let bytes = sample_mp4("");
    let cut = bytes.len() / 2;
    match error_of(&bytes[..cut]) {
        Error::Truncated { what, at } => {
            assert!(what.contains("moov atom not found"), "{what}");
            assert!(!what.contains("0x"), "{what}");
            assert_eq!(at, cut as u64);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn an_mp4_with_half_its_media_gives_what_is_there() {
    let bytes = sample_mp4("-movflags +faststart");
    let whole = read_all(open_bytes(&bytes).unwrap()).unwrap();
    let half = read_all(open_bytes(&bytes[..bytes.len() * 6 / 10]).unwrap());
    assert_eq!(whole, 50);
    match half {
        Ok(count) => assert!(count < whole, "{count}"),
        Err(error) => assert_eq!(error.kind(), FailureKind::BadInput, "{error}"),
    }
}

/// A deterministic generator; the seed is the case.
fn scramble(bytes: &mut [u8], mut state: u64) {
    for _ in 0..20 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let position = (state >> 33) as usize % bytes.len();
        bytes[position] = (state >> 20) as u8;
    }
}

#[test]
fn broken_bytes_never_panic_and_are_never_our_fault() {
    let folder = tempfile::tempdir().unwrap();
    for (extension, options) in [
        ("mp4", "-c:v libx264 -c:a aac -movflags +faststart"),
        ("mkv", "-c:v libx265 -x265-params log-level=error -c:a flac"),
        ("ts", "-c:v mpeg2video -c:a ac3"),
        ("avi", "-c:v mjpeg -c:a pcm_s16le"),
    ] {
        let arguments =
            format!("-f lavfi -i testsrc2=s=160x120:r=25:d=1 -f lavfi -i sine=d=1 {options}");
        let path = media::make(folder.path(), &format!("a.{extension}"), &arguments);
        let bytes = std::fs::read(path).unwrap();
        for seed in 0..40 {
            let mut broken = bytes.clone();
            // Headers are at the start: half of the cases aim at them.
            let end = if seed % 2 == 0 {
                broken.len().min(2_000)
            } else {
                broken.len()
            };
            scramble(&mut broken[..end], seed);
            if let Err(error) = open_bytes(&broken).and_then(read_all) {
                let kind = error.kind();
                assert!(
                    matches!(kind, FailureKind::BadInput | FailureKind::Unsupported),
                    "{extension}, seed {seed}: {kind}: {error}"
                );
            }
        }
    }
}

#[test]
fn a_header_that_claims_a_huge_picture_is_refused_before_decoding() {
    let bytes = sample_mp4("-movflags +faststart");
    let demuxer = open_bytes(&bytes).unwrap();
    let mut stream = demuxer.streams()[0].clone();
    (stream.width, stream.height) = (60_000, 60_000);
    let error = VideoDecoder::open(&stream, &DecoderOptions::default())
        .err()
        .unwrap();
    assert_eq!(error.kind(), FailureKind::Unsupported);
    assert!(error.to_string().contains("60000x60000"), "{error}");
}

#[test]
fn a_stream_larger_than_its_header_says_is_refused_by_the_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let path = media::make(
        folder.path(),
        "a.h264",
        "-f lavfi -i testsrc2=s=640x480:r=25:d=0.2 -c:v libx264 -f h264",
    );
    let demuxer = media::open(&path);
    let stream = demuxer.streams()[0].clone();
    let options = DecoderOptions {
        threads: 1,
        pixels_max: 640 * 480,
    };
    assert!(VideoDecoder::open(&stream, &options).is_ok());
    let mut small = stream.clone();
    (small.width, small.height) = (16, 16);
    let options = DecoderOptions {
        threads: 1,
        pixels_max: 320 * 240,
    };
    let error = VideoDecoder::open(&small, &options).err().unwrap();
    assert_eq!(error.kind(), FailureKind::Unsupported);
    assert!(error.to_string().contains("640x480"), "{error}");
}

struct Failing {
    inner: MemorySource,
    good_until: u64,
    kind: io::ErrorKind,
}

impl ByteSource for Failing {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if offset >= self.good_until {
            return Err(io::Error::from(self.kind));
        }
        let room = buffer.len().min((self.good_until - offset) as usize);
        self.inner.read_at(offset, &mut buffer[..room])
    }
}

#[test]
fn a_failing_read_is_the_storages_fault_wherever_it_happens() {
    let bytes = sample_mp4("-b:v 4M -movflags +faststart");
    for (kind, class) in [
        (io::ErrorKind::TimedOut, FailureKind::Transient),
        (io::ErrorKind::NotFound, FailureKind::Storage),
    ] {
        for part in 0..10 {
            let good_until = (bytes.len() * part / 10) as u64;
            let inner = MemorySource(bytes.clone().into());
            let source = Failing {
                inner,
                good_until,
                kind,
            };
            let outcome = Demuxer::open(Box::new(source)).and_then(read_all);
            let error = outcome.expect_err("the end of the file cannot be read");
            assert!(
                matches!(error, Error::Source { .. }),
                "part {part}: {error}"
            );
            assert_eq!(error.kind(), class);
        }
    }
}

#[test]
fn errors_leave_their_trace_in_the_recent_log() {
    let _ = error_of(&sample_mp4("")[..2000]);
    assert!(libav::recent_log().contains("moov atom not found"));
}
