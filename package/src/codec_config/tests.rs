//! Records from real encoder output, and codecs strings that are known.

use super::*;
use proptest::prelude::*;

/// Bytes from hexadecimal digits.
fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

// What x264, x265 and libaom write for a test picture.
const AVC_SPS: &str = "67640028acd940780227e5c044000003000400000300c83c60c658";
const AVC_PPS: &str = "68ebe3cb22c0";
const HEVC_VPS: &str = "40010c01ffff01600000030090000003000003005d959809";
const HEVC_SPS: &str =
    "42010101600000030090000003000003005da00280802d165959a4932bc05a020000030002000003003210";
const HEVC_PPS: &str = "4401c172b46240";
const AV1_UNIT: &str = "12000a0b00000042abbfc3732be4013201aa";
const AV1_HDR: &str = "12000a0e0000002d4cffb3ccaf9509100904";

fn annex_b(units: &[&str]) -> Vec<u8> {
    units
        .iter()
        .flat_map(|unit| [vec![0, 0, 0, 1], hex(unit)].concat())
        .collect()
}

/// The SEI in which x264 says its version.
fn version_sei() -> Vec<u8> {
    let mut sei = hex("060514dc45e9bde6d948b7962cd820d923eeef");
    sei.extend(b"x264\x80");
    sei
}

#[test]
fn h264_extradata_gives_the_same_record_in_either_form() {
    let mut stream = annex_b(&[AVC_SPS, AVC_PPS]);
    stream.extend([0, 0, 1]);
    stream.extend(version_sei());
    let config = CodecConfig::avc(&stream).unwrap();
    let expected = format!("01640028ffe1001b{AVC_SPS}010006{AVC_PPS}fdf8f800");
    assert_eq!(config.record(), hex(&expected));
    assert_eq!(CodecConfig::avc(config.record()).unwrap(), config);
    assert_eq!(config.codecs_string().unwrap(), "avc1.640028");
}

#[test]
fn h265_extradata_gives_the_same_record_in_either_form() {
    let stream = annex_b(&[HEVC_VPS, HEVC_SPS, HEVC_PPS, "4e0105ff"]);
    let config = CodecConfig::hevc(&stream).unwrap();
    let head = "0101600000009000000000005df000fcfdf8f800000f03";
    let expected = format!("{head}a000010018{HEVC_VPS}a10001002b{HEVC_SPS}a200010007{HEVC_PPS}");
    assert_eq!(config.record(), hex(&expected));
    assert_eq!(CodecConfig::hevc(config.record()).unwrap(), config);
    assert_eq!(config.codecs_string().unwrap(), "hvc1.1.6.L93.90");
}

#[test]
fn h265_strings_name_tier_and_constraints() {
    let mut record = CodecConfig::hevc(&annex_b(&[HEVC_VPS, HEVC_SPS, HEVC_PPS]))
        .unwrap()
        .record()
        .to_vec();
    record[6] = 0xb0;
    assert_eq!(
        CodecConfig::from_record("hvc1", &record)
            .unwrap()
            .codecs_string()
            .unwrap(),
        "hvc1.1.6.L93.B0"
    );
    record[1] = 0x22;
    record[2..6].copy_from_slice(&[0x20, 0, 0, 0]);
    record[6..12].fill(0);
    assert_eq!(
        CodecConfig::from_record("hvc1", &record)
            .unwrap()
            .codecs_string()
            .unwrap(),
        "hvc1.2.4.H93"
    );
}

#[test]
fn av1_records_are_computed_from_the_sequence_header() {
    let config = CodecConfig::av1(&hex(AV1_UNIT)).unwrap();
    assert_eq!(config.record(), hex("81080c000a0b00000042abbfc3732be401"));
    assert_eq!(config.codecs_string().unwrap(), "av01.0.08M.08");
    let hdr = CodecConfig::av1(&hex(AV1_HDR)).unwrap();
    assert_eq!(
        hdr.codecs_string().unwrap(),
        "av01.0.05M.10.0.110.09.16.09.0"
    );
}

#[test]
fn av1_samples_have_no_temporal_delimiter() {
    assert_eq!(
        av1_strip_temporal_delimiters(&hex(AV1_UNIT)).unwrap(),
        hex("0a0b00000042abbfc3732be4013201aa")
    );
    assert!(av1_strip_temporal_delimiters(&hex("12000aff01")).is_err());
}

#[test]
fn ac3_records_are_read_from_the_sync_frame() {
    let config = CodecConfig::ac3(&hex("0b771e8b1c40ebf8403eff74")).unwrap();
    assert_eq!(config.record(), hex("103dc0"));
    assert_eq!(config.codecs_string().unwrap(), "ac-3");
    assert!(
        CodecConfig::ac3(&hex("0b770000008000")).is_err(),
        "E-AC-3 is no AC-3"
    );
}

#[test]
fn aac_strings_name_the_object_type() {
    assert_eq!(
        CodecConfig::aac(&[0x11, 0x90])
            .unwrap()
            .codecs_string()
            .unwrap(),
        "mp4a.40.2"
    );
    assert_eq!(
        CodecConfig::aac(&[0x2b, 0x11, 0x88])
            .unwrap()
            .codecs_string()
            .unwrap(),
        "mp4a.40.5"
    );
    assert!(CodecConfig::aac(&[]).is_err());
}

#[test]
fn records_survive_entry_and_bytes() {
    for config in [
        CodecConfig::avc(&annex_b(&[AVC_SPS, AVC_PPS])).unwrap(),
        CodecConfig::av1(&hex(AV1_UNIT)).unwrap(),
        CodecConfig::aac(&[0x11, 0x90]).unwrap(),
    ] {
        assert_eq!(
            CodecConfig::from_record(config.entry(), config.record()).unwrap(),
            config
        );
    }
    assert!(CodecConfig::from_record("vp09", &[]).is_err());
    assert!(CodecConfig::from_record("avc1", &[1, 2]).is_err());
}

#[test]
fn samples_lose_parameter_sets_delimiters_and_encoder_versions() {
    let mut stream = annex_b(&["09f0", AVC_SPS, AVC_PPS]);
    stream.extend([0, 0, 1]);
    stream.extend(version_sei());
    stream.extend(hex("00000106010480"));
    stream.extend(hex("0000000165884000000300"));
    let sample = annexb_to_length_prefixed(NalCodec::Avc, &stream);
    assert_eq!(sample, hex("000000040601048000000006658840000003"));
}

#[test]
fn h265_samples_keep_their_slices() {
    let mut stream = annex_b(&["460150", HEVC_VPS, HEVC_SPS, HEVC_PPS]);
    stream.extend(hex("0000012801af1d"));
    assert_eq!(
        annexb_to_length_prefixed(NalCodec::Hevc, &stream),
        hex("000000042801af1d")
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_constructors_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        start in 0..5_usize,
    ) {
        let heads = ["", "00000001674d", "0000000142010101", "0a0b0000", "0b77"];
        let bytes = [hex(heads[start]), bytes].concat();
        let _ = CodecConfig::avc(&bytes);
        let _ = CodecConfig::hevc(&bytes);
        let _ = CodecConfig::av1(&bytes);
        let _ = CodecConfig::ac3(&bytes);
        for entry in ["avc1", "hvc1", "av01", "mp4a", "ac-3"] {
            let _ = CodecConfig::from_record(entry, &bytes);
        }
        annexb_to_length_prefixed(NalCodec::Avc, &bytes);
        annexb_to_length_prefixed(NalCodec::Hevc, &bytes);
    }

    #[test]
    fn mutated_parameter_sets_never_panic(at in 0..100_usize, value: u8) {
        for (mut stream, of) in [
            (annex_b(&[AVC_SPS, AVC_PPS]), CodecConfig::avc as fn(&[u8]) -> _),
            (annex_b(&[HEVC_VPS, HEVC_SPS, HEVC_PPS]), CodecConfig::hevc),
            (hex(AV1_HDR), CodecConfig::av1),
        ] {
            let length = stream.len();
            stream[at % length] = value;
            if let Ok(config) = of(&stream) {
                prop_assert!(config.codecs_string().is_ok());
            }
        }
    }
}
