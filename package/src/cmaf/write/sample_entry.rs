//! Sample entries: codec configuration, picture size, colour, channels. A track has exactly one,
//! because one init segment serves all segments of a rendition.

use super::boxes::BoxWriter;
use super::{TrackInit, TrackKind};
use crate::codec_config::CodecConfig;
use model::hdr::HdrMetadata;
use model::source::Color;

/// Writes the entry; sizes were checked to fit 16 bits.
pub(super) fn sample_entry(stsd: &mut BoxWriter, track: &TrackInit) {
    match track.kind {
        TrackKind::Video {
            width,
            height,
            color,
            hdr,
        } => {
            stsd.boxed(&entry_type(&track.config), |entry| {
                visual_fields(entry, width as u16, height as u16);
                configuration(entry, &track.config);
                color_information(entry, color);
                high_dynamic_range(entry, &hdr);
                entry.boxed(b"pasp", |pasp| {
                    pasp.u32(1);
                    pasp.u32(1);
                });
            });
        }
        TrackKind::Audio {
            channels,
            sample_rate,
        } => {
            stsd.boxed(&entry_type(&track.config), |entry| {
                entry.zeros(6);
                entry.u16(1);
                entry.zeros(8);
                entry.u16(channels as u16);
                entry.u16(16);
                entry.zeros(4);
                entry.u32(sample_rate << 16);
                configuration(entry, &track.config);
            });
        }
    }
}

fn entry_type(config: &CodecConfig) -> [u8; 4] {
    config
        .entry()
        .as_bytes()
        .try_into()
        .expect("sample entry types have four letters")
}

/// `VisualSampleEntry` (ISO/IEC 14496-12 12.1.3).
fn visual_fields(entry: &mut BoxWriter, width: u16, height: u16) {
    entry.zeros(6);
    entry.u16(1);
    entry.zeros(16);
    entry.u16(width);
    entry.u16(height);
    // 72 dpi, both ways.
    entry.u32(0x48_0000);
    entry.u32(0x48_0000);
    entry.u32(0);
    entry.u16(1);
    entry.zeros(32);
    entry.u16(0x18);
    entry.u16(0xffff);
}

/// `colr` with code points of ITU-T H.273 (ISO/IEC 14496-12 12.1.5).
fn color_information(entry: &mut BoxWriter, color: Color) {
    entry.boxed(b"colr", |colr| {
        colr.raw(b"nclx");
        colr.u16(u16::from(color.primaries));
        colr.u16(u16::from(color.transfer));
        colr.u16(u16::from(color.matrix));
        colr.u8(u8::from(color.full_range) << 7);
    });
}

/// `mdcv` (ISO/IEC 14496-12 12.1.7), with its primaries in the order green, blue, red, and `clli` (12.1.6).
fn high_dynamic_range(entry: &mut BoxWriter, hdr: &HdrMetadata) {
    if let Some(display) = &hdr.mastering {
        entry.boxed(b"mdcv", |mdcv| {
            let [red, green, blue] = display.primaries;
            for [x, y] in [green, blue, red, display.white] {
                mdcv.u16(x);
                mdcv.u16(y);
            }
            mdcv.u32(display.luminance_max);
            mdcv.u32(display.luminance_min);
        });
    }
    if let Some(light) = &hdr.light {
        entry.boxed(b"clli", |clli| {
            clli.u16(light.pixel_max);
            clli.u16(light.mean_max);
        });
    }
}

fn configuration(entry: &mut BoxWriter, config: &CodecConfig) {
    let kind = match config {
        CodecConfig::Avc { .. } => b"avcC",
        CodecConfig::Hevc { .. } => b"hvcC",
        CodecConfig::Av1 { .. } => b"av1C",
        CodecConfig::Ac3 { .. } => b"dac3",
        CodecConfig::Aac {
            audio_specific_config,
        } => {
            entry.full(b"esds", (0, 0), |esds| {
                elementary_stream(esds, audio_specific_config)
            });
            return;
        }
    };
    entry.boxed(kind, |record| record.raw(config.record()));
}

/// `ES_Descriptor` of AAC (ISO/IEC 14496-1 7.2.6.5, ISO/IEC 14496-14 3.1.2). Rates and buffer are
/// zero, unknown: they would tie the init segment to what was encoded.
fn elementary_stream(esds: &mut BoxWriter, config: &[u8]) {
    let specific = descriptor(5, config);
    let mut decoder = vec![0x40, 0x15];
    decoder.extend([0; 11]);
    decoder.extend(specific);
    let mut stream = vec![0, 0, 0];
    stream.extend(descriptor(4, &decoder));
    stream.extend(descriptor(6, &[2]));
    esds.raw(&descriptor(3, &stream));
}

/// A descriptor with its expandable size (ISO/IEC 14496-1 8.3.3) in the shortest form.
fn descriptor(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let groups = (1..4).rev().filter(|group| body.len() >> (7 * group) != 0);
    bytes.extend(groups.map(|group| (body.len() >> (7 * group)) as u8 | 0x80));
    bytes.push((body.len() & 0x7f) as u8);
    bytes.extend_from_slice(body);
    bytes
}
