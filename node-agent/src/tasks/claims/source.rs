//! What a probe says of a source, before a plan is made of it. Numbers that no source has are refused;
//! texts that people read, which come out of the source as they are, are cut and kept to one line.

use super::{Claim, holds};
use model::source::SourceInfo;
use package::language::bcp47;

/// Longest name of a demuxer, codec, pixel format or layout.
const WORD_BYTES_MAX: usize = 1024;

/// Longest title of a track.
const TITLE_CHARS_MAX: usize = 256;

/// Longest note, and most of them.
const NOTE_CHARS_MAX: usize = 1024;
const NOTES_MAX: usize = 1024;

/// Most tracks of a kind.
const TRACKS_MAX: usize = 1024;

/// Longest side of a picture: what a sample entry can say.
const SIDE_MAX: u32 = 65_535;

const CHANNELS_MAX: u32 = 1024;

/// Above what DSD decodes to.
const SAMPLE_RATE_MAX: u32 = 8_000_000;

/// The facts that may be planned with.
pub(in crate::tasks) fn source(mut info: SourceInfo) -> Claim<SourceInfo> {
    word(&info.container)?;
    let tracks = info.audio.len().max(info.text.len());
    holds(tracks <= TRACKS_MAX, || format!("{tracks} tracks"))?;
    if let Some(video) = &info.video {
        word(&video.codec)?;
        word(&video.pixel_format)?;
        let side = video.width.max(video.height);
        holds(side <= SIDE_MAX, || format!("a picture side of {side}"))?;
        let turns = video.orientation.quarter_turns;
        holds(turns < 4, || format!("{turns} quarter turns"))?;
    }
    for audio in &mut info.audio {
        word(&audio.codec)?;
        word(&audio.layout)?;
        language(&audio.language)?;
        let sound = (audio.channels, audio.sample_rate);
        let fits = sound.0 <= CHANNELS_MAX && sound.1 <= SAMPLE_RATE_MAX;
        holds(fits, || {
            format!("channels and samples per second {sound:?}")
        })?;
        audio.title = line(&audio.title, TITLE_CHARS_MAX);
    }
    for text in &mut info.text {
        word(&text.codec)?;
        language(&text.language)?;
        text.title = line(&text.title, TITLE_CHARS_MAX);
    }
    info.notes.truncate(NOTES_MAX);
    for note in &mut info.notes {
        *note = line(note, NOTE_CHARS_MAX);
    }
    Ok(info)
}

fn word(text: &str) -> Claim {
    let is_word = text.len() <= WORD_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    holds(is_word, || format!("{text:?} is no name of a format"))
}

fn language(tag: &str) -> Claim {
    holds(bcp47(tag) == tag, || format!("{tag:?} is no language tag"))
}

fn line(text: &str, chars_max: usize) -> String {
    let letters = text.chars().take(chars_max);
    letters
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Rational;
    use model::source::{AudioTrack, Color, FieldOrder, FrameTable, Orientation, VideoTrack};

    fn info() -> SourceInfo {
        SourceInfo {
            sha256: String::new(),
            size_bytes: 0,
            container: "mov,mp4".to_owned(),
            video: Some(VideoTrack {
                stream: 0,
                codec: "h264".to_owned(),
                width: 320,
                height: 180,
                sample_aspect: Rational::ONE,
                orientation: Orientation::default(),
                field_order: FieldOrder::Progressive,
                pixel_format: "yuv420p".to_owned(),
                bit_depth: 8,
                color: Color::BT709,
                hdr: model::hdr::HdrMetadata::default(),
                time_base: Rational::ONE,
                nominal_frame_rate: None,
                frames: FrameTable::default(),
            }),
            audio: vec![AudioTrack {
                stream: 1,
                codec: "aac".to_owned(),
                sample_rate: 48_000,
                channels: 6,
                layout: "5.1(side)".to_owned(),
                language: "de".to_owned(),
                title: "Kommentar: Regie".to_owned(),
                is_default: true,
                start: Rational::ZERO,
                duration: Rational::ONE,
            }],
            text: Vec::new(),
            notes: vec!["stream 2: data (bin_data) is left alone".to_owned()],
        }
    }

    #[test]
    fn an_honest_probe_is_kept_as_it_is() {
        assert_eq!(source(info()), Ok(info()));
    }

    #[test]
    fn numbers_and_names_that_no_source_has_are_refused() {
        let lies: [fn(&mut SourceInfo); 7] = [
            |info| info.container = "mp4\nEXT-X".to_owned(),
            |info| info.container = "x".repeat(WORD_BYTES_MAX + 1),
            |info| info.audio[0].channels = u32::MAX,
            |info| info.audio[0].sample_rate = u32::MAX,
            |info| info.audio[0].language = "en\",URI=\"x".to_owned(),
            |info| info.audio = vec![info.audio[0].clone(); TRACKS_MAX + 1],
            |info| info.video.as_mut().unwrap().width = u32::MAX,
        ];
        for (number, lie) in lies.iter().enumerate() {
            let mut info = info();
            lie(&mut info);
            assert!(source(info).is_err(), "lie {number} was believed");
        }
    }

    #[test]
    fn texts_for_people_are_cut_to_one_line() {
        let mut long = info();
        long.audio[0].title = "a\nb".repeat(TITLE_CHARS_MAX);
        long.notes = vec!["\u{7}".repeat(NOTE_CHARS_MAX + 1); NOTES_MAX + 1];
        let kept = source(long).unwrap();
        assert_eq!(kept.audio[0].title.chars().count(), TITLE_CHARS_MAX);
        assert!(kept.audio[0].title.starts_with("a ba b"));
        assert_eq!(kept.notes, vec![" ".repeat(NOTE_CHARS_MAX); NOTES_MAX]);
    }
}
