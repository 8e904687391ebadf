//! Media for tests, made by the `ffmpeg` command from its own sources. Not a mock: the files are
//! what people send.

#![allow(dead_code, reason = "each test program uses its own part")]

use libav::{
    DecodedPicture, DecoderOptions, Demuxer, FileSource, Packet, StreamInfo, VideoDecoder,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs `ffmpeg` with arguments parted by spaces and gives the path of the file it made.
pub(crate) fn make(folder: &Path, name: &str, arguments: &str) -> PathBuf {
    let path = folder.join(name);
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments.split_whitespace())
        .arg(&path)
        .output()
        .expect("the ffmpeg command is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffmpeg {arguments}: {errors}");
    path
}

/// What a command prints.
pub(crate) fn output_of(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .expect("the command is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    output.stdout
}

/// Opens a file.
pub(crate) fn open(path: &Path) -> Demuxer {
    Demuxer::open(Box::new(FileSource::open(path).unwrap())).unwrap()
}

/// All packets that are left.
pub(crate) fn packets(demuxer: &mut Demuxer) -> Vec<Packet> {
    let mut packets = Vec::new();
    while let Some(packet) = demuxer.next_packet().unwrap() {
        packets.push(packet);
    }
    packets
}

/// Decodes packets of one stream to the end.
pub(crate) fn decode(stream: &StreamInfo, packets: &[Packet], threads: u32) -> Vec<DecodedPicture> {
    let options = DecoderOptions {
        threads,
        ..DecoderOptions::default()
    };
    let mut decoder = VideoDecoder::open(stream, &options).unwrap();
    let mut pictures = Vec::new();
    let wanted = packets
        .iter()
        .filter(|packet| packet.stream() == stream.index);
    for packet in wanted.map(Some).chain([None]) {
        while !decoder.send(packet).unwrap() {
            pictures.push(
                decoder
                    .receive()
                    .unwrap()
                    .expect("a full decoder has output"),
            );
        }
        while let Some(picture) = decoder.receive().unwrap() {
            pictures.push(picture);
        }
    }
    pictures
}

/// The samples of a picture as ffmpeg's `rawvideo` writes them.
pub(crate) fn raw_bytes(picture: &frame::Picture) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(picture.byte_len());
    for plane in picture.planes() {
        match plane.samples() {
            frame::Samples::U8(samples) => bytes.extend_from_slice(samples),
            frame::Samples::U16(samples) => {
                bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
            }
        }
    }
    bytes
}
