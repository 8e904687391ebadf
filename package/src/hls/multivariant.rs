//! The multivariant playlist: a variant for each rendition and sound group. Sound groups hold one
//! codec and channel count each, because players drop every variant of a group that mixes codecs.
//! BANDWIDTH is what a player may really have to load: the sum of the peaks.

use super::VERSION;
use super::attributes::{Tag, quotable};
use crate::manifest::{
    AudioRole, AudioTrack, IFRAME_PLAYLIST_FILE, PLAYLIST_FILE, Presentation, VideoRendition,
};
use model::Rational;

/// Group id of all subtitles.
const SUBTITLES: &str = "subtitles";

/// Sound tracks of one codec and channel count.
struct Group<'a> {
    id: String,
    codecs: &'a str,
    tracks: Vec<&'a AudioTrack>,
}

impl<'a> Group<'a> {
    /// The groups of a presentation, in the order of their first tracks.
    fn all(presentation: &'a Presentation) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for audio in &presentation.audio {
            let codecs = audio.track.codecs.as_str();
            let id = format!("audio-{}-{}", codecs.replace('.', "-"), audio.channels);
            match groups.iter_mut().find(|group| group.id == id) {
                Some(group) => group.tracks.push(audio),
                None => groups.push(Self {
                    id,
                    codecs,
                    tracks: vec![audio],
                }),
            }
        }
        groups
    }

    /// The track that plays where the viewer has no preference.
    fn default_track(&self) -> &'a AudioTrack {
        self.tracks
            .iter()
            .find(|audio| audio.is_default)
            .unwrap_or(&self.tracks[0])
    }

    fn peak_bps(&self) -> u64 {
        self.tracks
            .iter()
            .map(|audio| audio.track.peak_bps())
            .max()
            .unwrap_or(0)
    }

    fn average_bps(&self) -> u64 {
        self.tracks
            .iter()
            .map(|audio| audio.track.average_bps())
            .max()
            .unwrap_or(0)
    }
}

/// The multivariant playlist of a valid presentation.
pub fn multivariant(presentation: &Presentation) -> String {
    let groups = Group::all(presentation);
    let audio_only = presentation.video.is_empty();
    let mut playlist = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    for group in &groups {
        // A lone sound track of a title without pictures is its variant and needs no group.
        if !audio_only || group.tracks.len() > 1 {
            playlist.push_str(&audio_media(group, audio_only));
        }
    }
    playlist.push_str(&text_media(presentation));
    for video in &presentation.video {
        if groups.is_empty() {
            playlist.push_str(&video_variant(presentation, video, None));
        }
        for group in &groups {
            playlist.push_str(&video_variant(presentation, video, Some(group)));
        }
    }
    if audio_only {
        groups
            .iter()
            .for_each(|group| playlist.push_str(&audio_variant(presentation, group)));
    }
    presentation
        .video
        .iter()
        .for_each(|video| playlist.push_str(&iframe_stream(video)));
    playlist
}

const fn yes_no(value: bool) -> &'static str {
    if value { "YES" } else { "NO" }
}

/// Names that differ within a group (RFC 8216 4.3.4.1.1), from names that may be empty or equal.
fn distinct_names<'a>(wanted: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (name, language) in wanted {
        let base = quotable(if name.trim().is_empty() {
            language
        } else {
            name
        });
        let numbered = (2..).map(|number| format!("{base} ({number})"));
        let free = std::iter::once(base.clone())
            .chain(numbered)
            .find(|it| !names.contains(it));
        names.push(free.expect("the numbers do not end"));
    }
    names
}

fn audio_media(group: &Group<'_>, audio_only: bool) -> String {
    let wanted = group
        .tracks
        .iter()
        .map(|audio| (audio.name.as_str(), audio.language.as_str()));
    let names = distinct_names(wanted);
    let mut lines = String::new();
    for (audio, name) in group.tracks.iter().zip(names) {
        let is_default = std::ptr::eq(*audio, group.default_track());
        let described = audio.role == AudioRole::Description;
        let automatic = is_default || audio.role != AudioRole::Commentary;
        let tag = Tag::new("EXT-X-MEDIA")
            .plain("TYPE", "AUDIO")
            .quoted("GROUP-ID", &group.id)
            .quoted("LANGUAGE", &audio.language)
            .quoted("NAME", &name)
            .plain("DEFAULT", yes_no(is_default))
            .plain("AUTOSELECT", yes_no(automatic))
            .quoted_unless_empty(
                "CHARACTERISTICS",
                if described {
                    "public.accessibility.describes-video"
                } else {
                    ""
                },
            )
            .quoted("CHANNELS", &audio.channels.to_string());
        // Without URI, the rendition is the one in the playlist of the variant itself.
        let own = if audio_only && is_default {
            String::new()
        } else {
            playlist_of(&audio.track.path)
        };
        lines.push_str(&tag.quoted_unless_empty("URI", &own).end());
    }
    lines
}

fn playlist_of(path: &str) -> String {
    format!("{path}/{PLAYLIST_FILE}")
}

fn text_media(presentation: &Presentation) -> String {
    let wanted = presentation
        .text
        .iter()
        .map(|text| (text.name.as_str(), text.language.as_str()));
    let names = distinct_names(wanted);
    let mut lines = String::new();
    for (text, name) in presentation.text.iter().zip(names) {
        let captions = "public.accessibility.transcribes-spoken-dialog,\
                        public.accessibility.describes-music-and-sound";
        let line = Tag::new("EXT-X-MEDIA")
            .plain("TYPE", "SUBTITLES")
            .quoted("GROUP-ID", SUBTITLES)
            .quoted("LANGUAGE", &text.language)
            .quoted("NAME", &name)
            .plain("DEFAULT", "NO")
            .plain("AUTOSELECT", "YES")
            .plain("FORCED", yes_no(text.forced))
            .quoted_unless_empty(
                "CHARACTERISTICS",
                if text.hearing_impaired { captions } else { "" },
            )
            .quoted("URI", &playlist_of(&text.track.path));
        lines.push_str(&line.end());
    }
    lines
}

fn video_variant(
    presentation: &Presentation,
    video: &VideoRendition,
    group: Option<&Group<'_>>,
) -> String {
    let peak = video.track.peak_bps() + group.map_or(0, Group::peak_bps);
    let average = video.track.average_bps() + group.map_or(0, Group::average_bps);
    let codecs = match group {
        Some(group) => format!("{},{}", video.track.codecs, group.codecs),
        None => video.track.codecs.clone(),
    };
    let tag = Tag::new("EXT-X-STREAM-INF")
        .plain("BANDWIDTH", peak)
        .plain("AVERAGE-BANDWIDTH", average)
        .quoted("CODECS", &codecs)
        .plain(
            "RESOLUTION",
            format_args!("{}x{}", video.width, video.height),
        )
        .plain("FRAME-RATE", three_decimals(video.frame_rate))
        .plain("VIDEO-RANGE", video_range(video))
        .quoted_unless_empty("AUDIO", group.map_or("", |group| &group.id));
    finish_variant(tag, presentation, &video.track.path)
}

fn audio_variant(presentation: &Presentation, group: &Group<'_>) -> String {
    let main = group.default_track();
    let others = group
        .tracks
        .iter()
        .filter(|audio| !std::ptr::eq(**audio, main));
    let (peaks, averages): (Vec<_>, Vec<_>) = others
        .map(|audio| (audio.track.peak_bps(), audio.track.average_bps()))
        .unzip();
    // Whoever picks another rendition still loads the variant's own playlist.
    let peak = main.track.peak_bps() + peaks.into_iter().max().unwrap_or(0);
    let average = main.track.average_bps() + averages.into_iter().max().unwrap_or(0);
    let grouped = group.tracks.len() > 1;
    let tag = Tag::new("EXT-X-STREAM-INF")
        .plain("BANDWIDTH", peak)
        .plain("AVERAGE-BANDWIDTH", average)
        .quoted("CODECS", group.codecs)
        .quoted_unless_empty("AUDIO", if grouped { &group.id } else { "" });
    finish_variant(tag, presentation, &main.track.path)
}

fn finish_variant(tag: Tag, presentation: &Presentation, path: &str) -> String {
    let subtitles = if presentation.text.is_empty() {
        ""
    } else {
        SUBTITLES
    };
    let tag = tag
        .quoted_unless_empty("SUBTITLES", subtitles)
        .plain("CLOSED-CAPTIONS", "NONE");
    format!("{}{}\n", tag.end(), playlist_of(path))
}

fn iframe_stream(video: &VideoRendition) -> String {
    let track = &video.track;
    if track.segments.iter().any(|segment| segment.key_bytes == 0) {
        return String::new();
    }
    let rates = track
        .segments
        .iter()
        .filter(|segment| segment.duration > 0)
        .map(|segment| {
            (segment.key_bytes * 8 * u64::from(track.timescale)).div_ceil(segment.duration)
        });
    let bytes: u64 = track.segments.iter().map(|segment| segment.key_bytes).sum();
    let ticks: u64 = track.segments.iter().map(|segment| segment.duration).sum();
    Tag::new("EXT-X-I-FRAME-STREAM-INF")
        .plain("BANDWIDTH", rates.max().unwrap_or(0))
        .plain(
            "AVERAGE-BANDWIDTH",
            (bytes * 8 * u64::from(track.timescale)).div_ceil(ticks.max(1)),
        )
        .quoted("CODECS", &track.codecs)
        .plain(
            "RESOLUTION",
            format_args!("{}x{}", video.width, video.height),
        )
        .plain("VIDEO-RANGE", video_range(video))
        .quoted("URI", &format!("{}/{IFRAME_PLAYLIST_FILE}", track.path))
        .end()
}

/// From `transfer_characteristics` of ITU-T H.273.
const fn video_range(video: &VideoRendition) -> &'static str {
    match video.color.transfer {
        16 => "PQ",
        18 => "HLG",
        _ => "SDR",
    }
}

fn three_decimals(rate: Rational) -> String {
    let thousandths = rate
        .checked_mul(Rational::whole(1000))
        .map_or(0, Rational::round)
        .unsigned_abs();
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}
