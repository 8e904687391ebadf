//! The MPD. Times of sound are those after its edit list: a player adds the edit list of the init
//! segment to the media's times, so `presentationTimeOffset` stays 0, and `S@t` counts from the first
//! sample that is heard. Stating the offset in both places would shift sound by the encoder delay.

use super::xml::{Attributes, XmlWriter};
use crate::manifest::{
    AudioRole, AudioTrack, INIT_FILE, ImageTrack, Presentation, TEXT_FILE, TextTrack, Track,
    VideoRendition,
};
use model::Rational;
use model::source::Color;

const ROLE: &str = "urn:mpeg:dash:role:2011";
const CHANNELS: &str = "urn:mpeg:mpegB:cicp:ChannelConfiguration";
/// DASH-IF IOP 6.2.6.
const THUMBNAIL_TILE: &str = "http://dashif.org/guidelines/thumbnail_tile";

/// What every part of the manifest needs of the whole.
struct Context<'a> {
    presentation: &'a Presentation,
    /// `@minBufferTime`, for which the rates are computed.
    buffer: Rational,
    next_set: u32,
}

/// The manifest of a valid presentation.
pub fn mpd(presentation: &Presentation) -> String {
    let longest = presentation
        .tracks()
        .flat_map(|track| {
            track
                .segments
                .iter()
                .map(|it| track.in_seconds(it.duration))
        })
        .max()
        .unwrap_or(Rational::ONE);
    let mut context = Context {
        presentation,
        buffer: longest,
        next_set: 0,
    };
    let mut xml = XmlWriter::new();
    let root = Attributes::default()
        .with("xmlns", "urn:mpeg:dash:schema:mpd:2011")
        .with(
            "profiles",
            "urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019",
        )
        .with("type", "static")
        .with("mediaPresentationDuration", duration(presentation.duration))
        .with("maxSegmentDuration", duration(longest))
        .with("minBufferTime", duration(context.buffer));
    xml.element("MPD", root, |xml| {
        let period = Attributes::default().with("id", "0").with("start", "PT0S");
        xml.element("Period", period, |xml| context.write_sets(xml));
    });
    xml.into_text()
}

/// `xs:duration` to the microsecond.
fn duration(seconds: Rational) -> String {
    let micros = seconds
        .checked_mul(Rational::whole(1_000_000))
        .map_or(0, Rational::round)
        .max(0);
    let fraction = format!("{:06}", micros % 1_000_000);
    match fraction.trim_end_matches('0') {
        "" => format!("PT{}S", micros / 1_000_000),
        digits => format!("PT{}.{digits}S", micros / 1_000_000),
    }
}

/// The first part of a codecs parameter: renditions of one set share it.
fn family(track: &Track) -> &str {
    track.codecs.split('.').next().unwrap_or_default()
}

impl Context<'_> {
    fn write_sets(&mut self, xml: &mut XmlWriter) {
        let presentation = self.presentation;
        let mut written: Vec<(&str, Color)> = Vec::new();
        for video in &presentation.video {
            let key = (family(&video.track), video.color);
            if !written.contains(&key) {
                written.push(key);
                let of_key = |it: &&VideoRendition| (family(&it.track), it.color) == key;
                self.video_set(
                    xml,
                    &presentation.video.iter().filter(of_key).collect::<Vec<_>>(),
                );
            }
        }
        presentation
            .audio
            .iter()
            .for_each(|audio| self.audio_set(xml, audio));
        presentation
            .text
            .iter()
            .for_each(|text| self.text_set(xml, text));
        presentation
            .images
            .iter()
            .for_each(|images| self.image_set(xml, images));
    }

    fn set(&mut self, content: &str) -> Attributes {
        let id = self.next_set;
        self.next_set += 1;
        Attributes::default()
            .with("id", id)
            .with("contentType", content)
    }

    fn video_set(&mut self, xml: &mut XmlWriter, renditions: &[&VideoRendition]) {
        let max = |of: fn(&VideoRendition) -> u32| renditions.iter().map(|it| of(it)).max();
        let first = renditions[0];
        let aspect = Rational::new(i64::from(first.width), i64::from(first.height));
        let fastest = renditions
            .iter()
            .map(|it| it.frame_rate)
            .max()
            .unwrap_or(Rational::ONE);
        let set = self
            .set("video")
            .with_some("par", aspect.map(|it| format!("{}:{}", it.num(), it.den())))
            .with_some("maxWidth", max(|it| it.width))
            .with_some("maxHeight", max(|it| it.height))
            .with("maxFrameRate", fastest)
            .with("mimeType", "video/mp4")
            .with("startWithSAP", 1)
            .with("segmentAlignment", "true");
        xml.element("AdaptationSet", set, |xml| {
            color_properties(xml, first.color);
            role(xml, "main");
            for video in renditions {
                let representation = self
                    .representation(&video.track)
                    .with("width", video.width)
                    .with("height", video.height)
                    .with("frameRate", video.frame_rate)
                    .with("sar", "1:1");
                xml.element("Representation", representation, |xml| {
                    template(xml, &video.track)
                });
            }
        });
    }

    fn audio_set(&mut self, xml: &mut XmlWriter, audio: &AudioTrack) {
        let set = self
            .set("audio")
            .with("lang", &audio.language)
            .with("mimeType", "audio/mp4")
            .with("startWithSAP", 1)
            .with("segmentAlignment", "true");
        xml.element("AdaptationSet", set, |xml| {
            label(xml, &audio.name);
            if audio.role == AudioRole::Description {
                let accessibility = Attributes::default()
                    .with("schemeIdUri", "urn:tva:metadata:cs:AudioPurposeCS:2007")
                    .with("value", 1);
                xml.empty("Accessibility", accessibility);
            }
            role(xml, role_of(audio));
            let representation = self
                .representation(&audio.track)
                .with("audioSamplingRate", audio.sample_rate);
            xml.element("Representation", representation, |xml| {
                let channels = Attributes::default()
                    .with("schemeIdUri", CHANNELS)
                    .with("value", channel_configuration(audio.channels));
                xml.empty("AudioChannelConfiguration", channels);
                template(xml, &audio.track);
            });
        });
    }

    fn text_set(&mut self, xml: &mut XmlWriter, text: &TextTrack) {
        let set = self
            .set("text")
            .with("lang", &text.language)
            .with("mimeType", "text/vtt");
        xml.element("AdaptationSet", set, |xml| {
            label(xml, &text.name);
            role(
                xml,
                match (text.forced, text.hearing_impaired) {
                    (true, _) => "forced-subtitle",
                    (false, true) => "caption",
                    (false, false) => "subtitle",
                },
            );
            let representation = Attributes::default()
                .with("id", &text.track.id)
                .with("bandwidth", self.spread(text.whole_bytes));
            xml.element("Representation", representation, |xml| {
                xml.text("BaseURL", &format!("{}/{TEXT_FILE}", text.track.path));
            });
        });
    }

    fn image_set(&mut self, xml: &mut XmlWriter, images: &ImageTrack) {
        let set = self.set("image").with("mimeType", "image/jpeg");
        let sheet = images.sheet_seconds();
        xml.element("AdaptationSet", set, |xml| {
            let media = format!("{}/$Number%05d$.jpg", images.path);
            let template = Attributes::default()
                .with("media", media)
                .with("startNumber", 1)
                .with("timescale", sheet.den())
                .with("duration", sheet.num());
            xml.empty("SegmentTemplate", template);
            let representation = Attributes::default()
                .with("id", &images.id)
                .with("bandwidth", self.spread(images.sheet_bytes.iter().sum()))
                .with("width", images.tile_width * images.columns)
                .with("height", images.tile_height * images.rows);
            xml.element("Representation", representation, |xml| {
                let tiles = format!("{}x{}", images.columns, images.rows);
                property(xml, "EssentialProperty", THUMBNAIL_TILE, &tiles);
            });
        });
    }

    fn representation(&self, track: &Track) -> Attributes {
        let ticks = self
            .buffer
            .checked_mul(Rational::whole(i64::from(track.timescale)));
        let ticks = ticks.map_or(0, Rational::floor).unsigned_abs();
        Attributes::default()
            .with("id", &track.id)
            .with("bandwidth", track.delivery_bps(ticks))
            .with("codecs", &track.codecs)
    }

    /// Bits per second of bytes that are spread over the whole presentation; at least 1.
    fn spread(&self, bytes: u64) -> u64 {
        let duration = self.presentation.duration;
        let bits = u128::from(bytes) * 8 * duration.den().unsigned_abs() as u128;
        let seconds = u128::from(duration.num().unsigned_abs().max(1));
        u64::try_from(bits.div_ceil(seconds))
            .unwrap_or(u64::MAX)
            .max(1)
    }
}

fn property(xml: &mut XmlWriter, element: &str, scheme: &str, value: &str) {
    xml.empty(
        element,
        Attributes::default()
            .with("schemeIdUri", scheme)
            .with("value", value),
    );
}

fn role(xml: &mut XmlWriter, value: &str) {
    property(xml, "Role", ROLE, value);
}

/// Written before `Accessibility` and `Role`, as the schema wants.
fn label(xml: &mut XmlWriter, name: &str) {
    if !name.trim().is_empty() {
        xml.text("Label", name);
    }
}

const fn role_of(audio: &AudioTrack) -> &'static str {
    match audio.role {
        AudioRole::Main => "main",
        AudioRole::Alternate => "alternate",
        AudioRole::Commentary => "commentary",
        AudioRole::Description => "description",
    }
}

/// `ChannelConfiguration` of ISO/IEC 23091-3 for a channel count.
const fn channel_configuration(channels: u32) -> u32 {
    match channels {
        7 => 11,
        8 => 12,
        other => other,
    }
}

/// Code points of ISO/IEC 23091-2, where they are known and not BT.709. A player that cannot show
/// another transfer function must not try, so that one is essential.
fn color_properties(xml: &mut XmlWriter, color: Color) {
    let scheme = |name: &str| format!("urn:mpeg:mpegB:cicp:{name}");
    let points = [
        ("SupplementalProperty", "ColourPrimaries", color.primaries),
        ("SupplementalProperty", "MatrixCoefficients", color.matrix),
        (
            "SupplementalProperty",
            "TransferCharacteristics",
            color.transfer,
        ),
    ];
    let is_hdr = |transfer: u8| matches!(transfer, 16 | 18);
    // The schema wants essential properties first.
    if is_hdr(color.transfer) {
        let transfer = color.transfer.to_string();
        property(
            xml,
            "EssentialProperty",
            &scheme("TransferCharacteristics"),
            &transfer,
        );
    }
    for (element, name, value) in points {
        let unusual = !matches!(value, 1 | 2);
        if unusual && !(name == "TransferCharacteristics" && is_hdr(value)) {
            property(xml, element, &scheme(name), &value.to_string());
        }
    }
}

/// `SegmentTemplate` with the times of every segment; runs of equal length are one `S`.
fn template(xml: &mut XmlWriter, track: &Track) {
    let attributes = Attributes::default()
        .with("media", format!("{}/$Number%05d$.m4s", track.path))
        .with("initialization", format!("{}/{INIT_FILE}", track.path))
        .with("startNumber", 1)
        .with("timescale", track.timescale);
    xml.element("SegmentTemplate", attributes, |xml| {
        xml.element("SegmentTimeline", Attributes::default(), |xml| {
            let spans = track.presented();
            let mut at = 0;
            while let Some(first) = spans.get(at) {
                let length = first.end - first.start;
                let same = spans[at..]
                    .iter()
                    .take_while(|it| it.end - it.start == length)
                    .count();
                let start = Attributes::default()
                    .with_some("t", (at == 0).then_some(first.start))
                    .with("d", length)
                    .with_some("r", (same > 1).then_some(same - 1));
                xml.empty("S", start);
                at += same;
            }
        });
    });
}
