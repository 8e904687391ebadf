//! Packages a file with every writer of this crate, for checking with players and validators:
//! `cargo run -p package --example repack -- SOURCE OUTPUT`. Encoding and splitting into packets is
//! done by the `ffmpeg` command line; this is not how the farm encodes.

use anyhow::{Context, Result, ensure};
use model::source::Color;
use model::{Rational, time};
use package::cmaf::{read, write};
use package::codec_config::{
    CodecConfig, NalCodec, annexb_to_length_prefixed, av1_strip_temporal_delimiters,
};
use package::manifest::{self, Presentation};
use package::{dash, hls, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SEGMENT_FRAMES: usize = 100;
const AUDIO_RATE: u32 = 48_000;

/// A packet of the encoder.
struct Packet {
    pts: i64,
    is_key: bool,
    data: Vec<u8>,
}

struct Job {
    source: PathBuf,
    output: PathBuf,
    rate: Rational,
}

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| program.to_owned())?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {arguments:?}: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

impl Job {
    /// Encodes one track and gives its packets.
    fn packets(&self, name: &str, options: &str) -> Result<Vec<Packet>> {
        let (nut, raw) = (self.output.join("work.nut"), self.output.join("work.bin"));
        let (source, nut, raw) = (text_of(&self.source)?, text_of(&nut)?, text_of(&raw)?);
        let mut arguments = vec!["-v", "error", "-y", "-i", source];
        arguments.extend(options.split(' '));
        arguments.extend(["-f", "nut", nut]);
        run("ffmpeg", &arguments).with_context(|| name.to_owned())?;
        run(
            "ffmpeg",
            &[
                "-v", "error", "-y", "-i", nut, "-map", "0", "-c", "copy", "-f", "data", raw,
            ],
        )?;
        let fields = "packet=pts,size,flags";
        let table = run(
            "ffprobe",
            &[
                "-v",
                "error",
                "-show_entries",
                fields,
                "-of",
                "csv=p=0",
                nut,
            ],
        )?;
        let bytes = fs::read(raw)?;
        let mut rest = bytes.as_slice();
        let mut packets = Vec::new();
        for line in table.lines().filter(|line| !line.is_empty()) {
            let mut columns = line.split(',');
            let mut column = || columns.next().context("a column is missing");
            let (pts, size) = (column()?.parse()?, column()?.parse()?);
            let is_key = column()?.starts_with('K');
            let (data, behind) = rest.split_at_checked(size).context("packets end early")?;
            rest = behind;
            packets.push(Packet {
                pts,
                is_key,
                data: data.to_vec(),
            });
        }
        ensure!(rest.is_empty(), "bytes are left over");
        fs::remove_file(nut)?;
        fs::remove_file(raw)?;
        Ok(packets)
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
        let target = self.output.join(path);
        fs::create_dir_all(target.parent().context("a folder")?)?;
        Ok(fs::write(target, bytes)?)
    }

    /// Writes init and media segments and what is known of them.
    fn track(
        &self,
        id: &str,
        init: &write::TrackInit,
        runs: Vec<Vec<write::Sample>>,
    ) -> Result<manifest::Track> {
        let path = format!("media/{id}");
        let bytes = write::init_segment(init)?;
        ensure!(
            read::init_segment(&bytes)? == *init,
            "the init segment does not read back"
        );
        self.write(&format!("{path}/{}", manifest::INIT_FILE), bytes)?;
        let mut segments = Vec::new();
        let mut base_decode_time = 0;
        for (index, samples) in runs.into_iter().enumerate() {
            let sequence_number = index as u32 + 1;
            let segment = write::Segment {
                sequence_number,
                base_decode_time,
                samples,
            };
            let bytes = write::media_segment(&segment)?;
            let fragment = read::media_segment(&bytes)?;
            ensure!(
                fragment.to_segment(&bytes) == segment,
                "segment {index} does not read back"
            );
            read::check_samples(&init.config, &fragment, &bytes)?;
            let facts = fragment.facts();
            base_decode_time += facts.duration;
            segments.push(manifest::Segment {
                duration: facts.duration,
                size_bytes: bytes.len() as u64,
                key_bytes: facts.first_sample_end,
            });
            self.write(
                &format!("{path}/{}", manifest::segment_file(index + 1)),
                bytes,
            )?;
        }
        Ok(manifest::Track {
            id: id.to_owned(),
            path,
            codecs: init.config.codecs_string()?,
            timescale: init.timescale,
            skip: init.edit.unwrap_or(0),
            segments,
        })
    }

    fn video(&self, id: &str, height: u32, encoder: &str) -> Result<manifest::VideoRendition> {
        let width = height * 16 / 9;
        let color = Color::BT709;
        let options = format!(
            "-map 0:v -vf scale={width}:{height} -colorspace bt709 -color_primaries bt709 \
             -color_trc bt709 -g {SEGMENT_FRAMES} {encoder}"
        );
        let packets = self.packets(id, &options)?;
        let first = &packets.first().context("no packets")?.data;
        let config = match encoder {
            hevc if hevc.contains("x265") => CodecConfig::hevc(first)?,
            av1 if av1.contains("av1") => CodecConfig::av1(first)?,
            _ => CodecConfig::avc(first)?,
        };
        let (timescale, frame_ticks) = time::video_timescale(self.rate);
        let mut order: Vec<i64> = packets.iter().map(|packet| packet.pts).collect();
        order.sort_unstable();
        let mut samples = Vec::new();
        for (index, packet) in packets.iter().enumerate() {
            let shown = order.binary_search(&packet.pts).ok().context("a pts")? as i32;
            let data = match config {
                CodecConfig::Hevc { .. } => annexb_to_length_prefixed(NalCodec::Hevc, &packet.data),
                CodecConfig::Av1 { .. } => av1_strip_temporal_delimiters(&packet.data)?,
                _ => annexb_to_length_prefixed(NalCodec::Avc, &packet.data),
            };
            samples.push(write::Sample {
                data,
                duration: frame_ticks,
                composition_offset: (shown - index as i32) * frame_ticks as i32,
                is_sync: packet.is_key,
            });
        }
        let runs = samples.chunks(SEGMENT_FRAMES).map(<[_]>::to_vec).collect();
        let kind = write::TrackKind::Video {
            width,
            height,
            color,
            hdr: model::hdr::HdrMetadata::default(),
        };
        let language = "und".to_owned();
        let init = write::TrackInit {
            kind,
            timescale,
            language,
            config,
            edit: None,
        };
        let track = self.track(id, &init, runs)?;
        Ok(manifest::VideoRendition {
            track,
            width,
            height,
            frame_rate: self.rate,
            color,
        })
    }

    fn audio(&self, id: &str, language: &str, options: &str) -> Result<manifest::AudioTrack> {
        let packets = self.packets(id, &format!("-map 0:a -ar {AUDIO_RATE} {options}"))?;
        let is_aac = options.contains("aac");
        let first = &packets.first().context("no packets")?.data;
        // AAC-LC, 48 kHz, stereo.
        let config = if is_aac {
            CodecConfig::aac(&[0x11, 0x90])?
        } else {
            CodecConfig::ac3(first)?
        };
        let (frame, priming) = if is_aac { (1024, 1024) } else { (1536, 256) };
        let border = Rational::whole(SEGMENT_FRAMES as i64).checked_div(self.rate);
        let border = border.context("a rate")?;
        let mut runs: Vec<Vec<write::Sample>> = Vec::new();
        for (index, packet) in packets.into_iter().enumerate() {
            let start = (index as i64 * i64::from(frame) - priming).max(0);
            let start = Rational::new(start, i64::from(AUDIO_RATE)).context("a time")?;
            let run = start.checked_div(border).context("a border")?.floor() as usize;
            if run >= runs.len() {
                runs.push(Vec::new());
            }
            runs[run].push(write::Sample {
                data: packet.data,
                duration: frame,
                composition_offset: 0,
                is_sync: true,
            });
        }
        let channels = if is_aac { 2 } else { 6 };
        let init = write::TrackInit {
            kind: write::TrackKind::Audio {
                channels,
                sample_rate: AUDIO_RATE,
            },
            timescale: AUDIO_RATE,
            language: language.to_owned(),
            config,
            edit: Some(priming as u64),
        };
        Ok(manifest::AudioTrack {
            track: self.track(id, &init, runs)?,
            language: language.to_owned(),
            name: String::new(),
            is_default: language == "en",
            channels,
            sample_rate: AUDIO_RATE,
            role: if language == "en" {
                manifest::AudioRole::Main
            } else {
                manifest::AudioRole::Alternate
            },
        })
    }

    fn text(&self, id: &str, grid: &manifest::Track) -> Result<manifest::TextTrack> {
        let srt = "1\r\n00:00:00,500 --> 00:00:02,000\r\nOne & <i>only</i>\r\n\r\n\
                   2\r\n00:00:03,000 --> 00:00:06,500\r\n{\\an8}Across a border\r\n";
        let parsed = text::parse(srt.as_bytes())?;
        let cues = text::clip(&parsed.cues, Rational::ZERO, grid.seconds());
        let ticks: Vec<u64> = grid
            .segments
            .iter()
            .map(|segment| segment.duration)
            .collect();
        let files = text::segments(&cues, grid.timescale, &ticks, text::TimestampMap::Zero);
        let path = format!("media/{id}");
        let mut segments = Vec::new();
        for (index, file) in files.iter().enumerate() {
            self.write(
                &format!("{path}/{}", manifest::text_segment_file(index + 1)),
                file,
            )?;
            let size_bytes = file.len() as u64;
            segments.push(manifest::Segment {
                duration: ticks[index],
                size_bytes,
                key_bytes: 0,
            });
        }
        let whole = text::whole(&cues, text::TimestampMap::Absent);
        self.write(&format!("{path}/{}", manifest::TEXT_FILE), &whole)?;
        let track = manifest::Track {
            id: id.to_owned(),
            path,
            codecs: "wvtt".to_owned(),
            timescale: grid.timescale,
            skip: 0,
            segments,
        };
        Ok(manifest::TextTrack {
            track,
            language: "en".to_owned(),
            name: "English \"CC\"".to_owned(),
            forced: false,
            hearing_impaired: true,
            whole_bytes: whole.len() as u64,
        })
    }

    fn images(&self, duration: Rational) -> Result<manifest::ImageTrack> {
        let path = "media/images".to_owned();
        fs::create_dir_all(self.output.join(&path))?;
        let pattern = self.output.join(&path).join("%05d.jpg");
        let (source, pattern) = (text_of(&self.source)?, text_of(&pattern)?);
        let filter = "fps=1,scale=160:90,tile=4x4";
        run(
            "ffmpeg",
            &["-v", "error", "-y", "-i", source, "-vf", filter, pattern],
        )?;
        let mut images = manifest::ImageTrack {
            id: "images".to_owned(),
            path,
            tile_width: 160,
            tile_height: 90,
            columns: 4,
            rows: 4,
            tile_seconds: Rational::ONE,
            sheet_bytes: Vec::new(),
        };
        let sheets = duration
            .checked_div(images.sheet_seconds())
            .context("sheets")?
            .ceil();
        for number in 1..=sheets as usize {
            let file = self
                .output
                .join(&images.path)
                .join(manifest::sheet_file(number));
            images.sheet_bytes.push(fs::metadata(file)?.len());
        }
        let places = text::thumbnails(&images, duration);
        self.write(
            &format!("{}/{}", images.path, manifest::THUMBNAILS_FILE),
            places,
        )?;
        Ok(images)
    }

    fn playlists(&self, presentation: &Presentation) -> Result<()> {
        for video in &presentation.video {
            let path = &video.track.path;
            let playlist = hls::media_playlist(&video.track);
            self.write(&format!("{path}/{}", manifest::PLAYLIST_FILE), playlist)?;
            let iframes = hls::iframe_playlist(video).context("key pictures")?;
            self.write(
                &format!("{path}/{}", manifest::IFRAME_PLAYLIST_FILE),
                iframes,
            )?;
        }
        for audio in &presentation.audio {
            let playlist = hls::media_playlist(&audio.track);
            self.write(
                &format!("{}/{}", audio.track.path, manifest::PLAYLIST_FILE),
                playlist,
            )?;
        }
        for text in &presentation.text {
            let playlist = hls::text_playlist(text);
            self.write(
                &format!("{}/{}", text.track.path, manifest::PLAYLIST_FILE),
                playlist,
            )?;
        }
        self.write("master.m3u8", hls::multivariant(presentation))?;
        self.write("manifest.mpd", dash::mpd(presentation))
    }
}

fn text_of(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .context("usage: repack SOURCE OUTPUT [audio-only]")
    };
    let (source, output) = (PathBuf::from(next()?), PathBuf::from(next()?));
    let audio_only = next().is_ok();
    fs::create_dir_all(&output)?;
    let fields = "stream=r_frame_rate";
    let path = text_of(&source)?;
    let rate = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-select_streams",
            "v",
            "-show_entries",
            fields,
            "-of",
            "csv=p=0",
            path,
        ],
    )?;
    let (num, den) = rate.trim().split_once('/').context("a frame rate")?;
    let rate = Rational::new(num.parse()?, den.parse()?).context("a frame rate")?;
    let job = Job {
        source,
        output,
        rate,
    };

    let x264 = "-c:v libx264 -preset fast -sc_threshold 0 -pix_fmt yuv420p -flags +cgop";
    let x264 = format!("{x264} -bsf:v dump_extra=freq=keyframe");
    let x265 = format!(
        "-c:v libx265 -preset fast -pix_fmt yuv420p -bsf:v dump_extra=freq=keyframe \
         -x265-params keyint={SEGMENT_FRAMES}:min-keyint={SEGMENT_FRAMES}:scenecut=0:open-gop=0"
    );
    let av1 = "-c:v libaom-av1 -cpu-used 8 -row-mt 1 -crf 35 -lag-in-frames 0 -pix_fmt yuv420p";
    let mut presentation = Presentation {
        title: "repack".to_owned(),
        duration: Rational::ZERO,
        video: Vec::new(),
        audio: vec![
            job.audio("aac-en", "en", "-c:a aac -b:a 128k -ac 2")?,
            job.audio("aac-de", "de", "-c:a aac -b:a 96k -ac 2")?,
        ],
        text: Vec::new(),
        images: Vec::new(),
    };
    if !audio_only {
        presentation
            .audio
            .push(job.audio("ac3-en", "en", "-c:a ac3 -b:a 384k -ac 6")?);
        for (id, height, encoder) in [
            ("h264-360p", 360, x264.as_str()),
            ("h264-180p", 180, &x264),
            ("hevc-360p", 360, &x265),
            ("av1-180p", 180, av1),
        ] {
            presentation.video.push(job.video(id, height, encoder)?);
        }
        let grid = presentation.video[0].track.clone();
        presentation.text.push(job.text("text-en", &grid)?);
        presentation.images.push(job.images(grid.seconds())?);
    }
    let first = presentation.video.first().map(|video| &video.track);
    presentation.duration = first.unwrap_or(&presentation.audio[0].track).seconds();
    presentation.validate()?;
    job.playlists(&presentation)
}
