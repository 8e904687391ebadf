//! One pass over all packets of a source.

use super::STAGE;
use super::first_pictures::{FirstPictures, Seen};
use super::frames::{FRAMES_MAX, Role, VideoPacket};
use crate::error::{Error, InStage, Result};
use libav::{AudioDecoder, Demuxer, Packet, StreamInfo, StreamKind};
use std::collections::BTreeMap;

/// Packets of a sound track that may pass before samples come.
const SOUND_PACKETS_MAX: u32 = 50;

/// What the packets of a sound track say.
#[derive(Default)]
pub(super) struct SoundSpan {
    /// Presentation time of the first sample that is heard, in ticks.
    pub(super) start: Option<i64>,
    /// Presentation end of the last packet.
    pub(super) end: Option<i64>,
    pub(super) channels: u32,
    pub(super) sample_rate: u32,
    decoder: Option<AudioDecoder>,
    packets: u32,
}

/// The pass and what it has collected.
pub(super) struct Scan {
    video: Option<(u32, String)>,
    packets: Vec<VideoPacket>,
    pictures: Option<FirstPictures>,
    pub(super) sound: BTreeMap<u32, SoundSpan>,
}

impl Scan {
    /// Opens the decoders that look at the beginnings.
    pub(super) fn open(streams: &[StreamInfo], video: Option<&StreamInfo>) -> Result<Self> {
        let sound = streams
            .iter()
            .filter(|stream| stream.kind == StreamKind::Audio)
            .map(|stream| {
                let span = SoundSpan {
                    // What cannot be decoded is noted when the tracks are listed.
                    decoder: AudioDecoder::open(stream).ok(),
                    ..SoundSpan::default()
                };
                (stream.index, span)
            })
            .collect();
        Ok(Self {
            video: video.map(|stream| (stream.index, stream.codec.clone())),
            packets: Vec::new(),
            pictures: video.map(FirstPictures::open).transpose()?,
            sound,
        })
    }

    /// Reads to the end.
    pub(super) fn run(&mut self, demuxer: &mut Demuxer) -> Result<()> {
        let mut wanted: Vec<u32> = self.sound.keys().copied().collect();
        wanted.extend(self.video.iter().map(|(stream, _)| *stream));
        demuxer.select(&wanted);
        while let Some(packet) = demuxer.next_packet().in_stage(STAGE)? {
            let is_video = self
                .video
                .as_ref()
                .is_some_and(|(v, _)| *v == packet.stream());
            if is_video {
                self.take_picture(&packet)?;
            } else if let Some(span) = self.sound.get_mut(&packet.stream()) {
                span.take(&packet);
            }
        }
        if let Some(pictures) = &mut self.pictures {
            pictures.push(None)?;
        }
        Ok(())
    }

    fn take_picture(&mut self, packet: &Packet) -> Result<()> {
        let codec = self.video.as_ref().map_or("", |(_, codec)| codec);
        if self.packets.len() > FRAMES_MAX {
            return Err(Error::bad_input(STAGE, "a video track of absurd length"));
        }
        self.packets.push(VideoPacket {
            pts: packet.pts(),
            dts: packet.dts(),
            duration: packet.duration(),
            role: role(codec, packet),
            is_key: packet.is_key(),
        });
        self.pictures
            .as_mut()
            .map_or(Ok(()), |first| first.push(Some(packet)))
    }

    pub(super) fn take_video_packets(&mut self) -> Vec<VideoPacket> {
        std::mem::take(&mut self.packets)
    }

    pub(super) fn seen_pictures(&mut self) -> Result<Seen> {
        let pictures = self.pictures.take();
        pictures
            .ok_or_else(|| Error::bug(STAGE, "there is no video track"))?
            .finish()
    }
}

fn role(codec: &str, packet: &Packet) -> Role {
    // RFC 6386 9.1: bit 4 of the first byte is `show_frame`.
    let is_vp8_reference = codec == "vp8" && packet.data().first().is_some_and(|b| b & 0x10 == 0);
    if packet.size() == 0 || is_vp8_reference {
        Role::Hidden
    } else if packet.is_discard() {
        Role::Discarded
    } else {
        Role::Shown
    }
}

impl SoundSpan {
    fn take(&mut self, packet: &Packet) {
        self.packets = self.packets.saturating_add(1);
        if let Some(pts) = packet.pts().or(packet.dts()) {
            let end = pts.saturating_add(packet.duration());
            self.end = Some(self.end.map_or(end, |known| known.max(end)));
        }
        let Some(decoder) = &mut self.decoder else {
            return;
        };
        // A packet that does not decode is judged when the track is made.
        let _ = decoder.send(Some(packet));
        match decoder.receive() {
            Ok(Some(frame)) => {
                self.start = frame.pts;
                self.channels = u32::try_from(frame.channels.len()).unwrap_or_default();
                self.sample_rate = frame.rate;
                self.decoder = None;
            }
            _ if self.packets >= SOUND_PACKETS_MAX => self.decoder = None,
            _ => {}
        }
    }

    /// Whether any samples came.
    pub(super) fn is_audible(&self) -> bool {
        self.sample_rate > 0
    }
}
