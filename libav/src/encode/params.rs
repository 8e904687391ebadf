//! Settings in the words of x264 and x265. Both are told everything through their own parameter
//! lists, which libav applies last, so that no default of libav's comes in between.
//!
//! The one fact to know: a segment must be one closed GOP whose parameter sets do not depend on
//! the pictures. So the key frame interval is infinite, a scene cut gives an I picture but never a
//! second IDR, and x264 is told to be stitchable (else CRF changes the PPS).

use crate::encode::settings::{VideoEncoderKind, VideoEncoderSettings};
use model::hdr::HdrMetadata;
use model::rendition::BUFFER_START_PERMILLE;

/// Pictures between IDRs at least. x264 caps this at half of the (infinite) maximum; it is far
/// beyond the longest segment.
const NEVER_PICTURES: &str = "100000";

/// The value for libav's option `x264-params` or `x265-params`.
pub(super) fn parameters(settings: &VideoEncoderSettings) -> String {
    let mut list = rate(settings);
    match settings.kind {
        VideoEncoderKind::X264 => list.extend(x264()),
        VideoEncoderKind::X265 => {
            list.extend(x265(settings));
            list.extend(high_dynamic_range(&settings.hdr));
        }
    }
    list.extend(settings.extra.iter().cloned());
    let entries: Vec<String> = list
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    entries.join(":")
}

fn rate(settings: &VideoEncoderSettings) -> Vec<(String, String)> {
    let quality = settings.quality_centi;
    let mut list = owned(&[
        ("crf", &format!("{}.{:02}", quality / 100, quality % 100)),
        ("min-keyint", NEVER_PICTURES),
    ]);
    if settings.maxrate_bps > 0 && settings.buffer_bits > 0 {
        // Both libraries count in units of 1000 bits.
        list.extend(owned(&[
            (
                "vbv-maxrate",
                &(settings.maxrate_bps / 1000).max(1).to_string(),
            ),
            (
                "vbv-bufsize",
                &(settings.buffer_bits / 1000).max(1).to_string(),
            ),
            (
                "vbv-init",
                &(f64::from(BUFFER_START_PERMILLE) / 1000.0).to_string(),
            ),
        ]));
    }
    list
}

fn x264() -> Vec<(String, String)> {
    owned(&[
        ("keyint", "infinite"),
        ("open-gop", "0"),
        ("force-cfr", "1"),
        ("stitchable", "1"),
        // Without it, the bytes depend on which assembly the processor has.
        ("cpu-independent", "1"),
        ("nal-hrd", "none"),
        // x264 gives the first picture of an encoder no I-picture bonus: it came out 2.9 QP worse than
        // the key pictures of a running encoder. The zone gives it that bonus (ip_ratio 1.4).
        ("zones", "0,0,b=1.4"),
    ])
}

fn x265(settings: &VideoEncoderSettings) -> Vec<(String, String)> {
    // Wavefronts change the bitstream and x265 drops them silently without a pool, so both are
    // pinned together.
    let threads = settings.threads.to_string();
    let (pools, wavefronts) = if settings.threads <= 1 {
        ("none", "0")
    } else {
        (threads.as_str(), "1")
    };
    owned(&[
        ("keyint", "-1"),
        ("open-gop", "0"),
        ("pools", pools),
        ("wpp", wavefronts),
        ("frame-threads", "1"),
        ("lookahead-slices", "0"),
        ("repeat-headers", "0"),
        ("hrd", "0"),
        ("info", "0"),
        ("log-level", "error"),
    ])
}

/// In the units of the messages, which are ours.
fn high_dynamic_range(hdr: &HdrMetadata) -> Vec<(String, String)> {
    let mut list = Vec::new();
    if let Some(display) = &hdr.mastering {
        let [red, green, blue] = display.primaries;
        let point = |name: &str, [x, y]: [u16; 2]| format!("{name}({x},{y})");
        let points = [
            point("G", green),
            point("B", blue),
            point("R", red),
            point("WP", display.white),
        ];
        let light = format!("L({},{})", display.luminance_max, display.luminance_min);
        list.push(("master-display".to_owned(), points.concat() + &light));
    }
    if let Some(light) = &hdr.light {
        let levels = format!("{},{}", light.pixel_max, light.mean_max);
        list.push(("max-cll".to_owned(), levels));
    }
    list
}

fn owned(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
