//! Makes a whole ladder of a file with this room alone: probe, one chunk, sound, text, images and
//! quality control. For measuring and for looking at; the farm's planner and storage are not used.
//!
//! `cargo run --release -p pipeline --example ladder -- SOURCE FOLDER [SHORT_EDGE...]`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "an example talks to a person"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use anyhow::{Context, Result};
use model::Rational;
use model::facts::{CodecConfig, PictureFacts};
use model::plan::{Plan, VideoPlan};
use model::rendition::{EncoderFamily, Rendition};
use model::source::{Color, SourceInfo};
use package::cmaf::write::{TrackInit, TrackKind, init_segment};
use pipeline::{Output, TextInput};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let source = PathBuf::from(arguments.next().context("which source?")?);
    let folder = PathBuf::from(arguments.next().context("into which folder?")?);
    let edges: Vec<u32> = arguments
        .map(|edge| edge.parse())
        .collect::<Result<_, _>>()?;
    std::fs::create_dir_all(&folder)?;
    let started = Instant::now();
    let info = pipeline::probe(support::source(&source))?;
    println!("probe {:?}: {}", started.elapsed(), describe(&info));
    let rate = info
        .video
        .as_ref()
        .and_then(|track| track.nominal_frame_rate);
    let rate = rate.unwrap_or(Rational::whole(25));
    let segment = u32::try_from(
        rate.checked_mul(Rational::whole(4))
            .context("rate")?
            .round(),
    )?;
    let plan = support::plan(&info, rate, segment.max(1), &rungs(&info, rate, &edges));
    let mut run = Run {
        plan,
        source,
        folder,
        pictures: Vec::new(),
        tiles: Vec::new(),
    };
    let committed = run.video()?;
    let audio = run.audio()?;
    run.text()?;
    run.images()?;
    let verdict = pipeline::qc::evaluate(&run.plan, &run.pictures, &committed, &audio);
    println!(
        "verdict {:?}: {:#?} {:?}",
        verdict.action, verdict.findings, verdict.not_applicable
    );
    Ok(())
}

struct Run {
    plan: Plan,
    source: PathBuf,
    folder: PathBuf,
    pictures: Vec<PictureFacts>,
    tiles: Vec<Vec<u8>>,
}

fn describe(info: &SourceInfo) -> String {
    let video = info.video.as_ref().map(|track| {
        format!(
            "{} {}x{} {} {:?} {} frames, {} access points, rate {:?}, turn {:?}",
            track.codec,
            track.width,
            track.height,
            track.pixel_format,
            track.field_order,
            track.frames.len(),
            track.frames.access_points.len(),
            track.nominal_frame_rate,
            track.orientation,
        )
    });
    format!(
        "{video:?} audio {:?} text {} notes {:?}",
        info.audio,
        info.text.len(),
        info.notes
    )
}

fn rungs(info: &SourceInfo, rate: Rational, edges: &[u32]) -> Vec<Rendition> {
    let Some(track) = &info.video else {
        return Vec::new();
    };
    let (width, height) = track.display_size();
    let short = width.min(height);
    let ladder = [
        (240, 400),
        (360, 900),
        (480, 1600),
        (720, 3500),
        (1080, 6500),
    ];
    let wanted = |edge: u32| edges.is_empty() || edges.contains(&edge);
    let fitting = ladder
        .into_iter()
        .filter(|(edge, _)| *edge <= short && wanted(*edge));
    let mut chosen: Vec<(u32, u64)> = fitting.collect();
    if chosen.is_empty() {
        chosen.push((short / 2 * 2, 400));
    }
    let scaled = |side: u32, edge: u32| (side * edge / short / 2 * 2).max(2);
    let one = |(edge, kilobits): (u32, u64)| {
        let size = (scaled(width, edge), scaled(height, edge));
        let mut rendition = support::rendition(EncoderFamily::X264, size.0, size.1, rate);
        rendition.preset = "medium".to_owned();
        rendition.rate.maxrate_bps = kilobits * 1000;
        rendition.rate.buffer_bits = kilobits * 2000;
        rendition
    };
    chosen.into_iter().map(one).collect()
}

impl Run {
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        Ok(std::fs::write(self.folder.join(name), bytes)?)
    }

    fn video(&mut self) -> Result<BTreeMap<String, u64>> {
        let mut committed = BTreeMap::new();
        let Some(video) = self.plan.video.clone() else {
            return Ok(committed);
        };
        let started = Instant::now();
        let mut segments = 0..video.grid.segments();
        let mut configs: BTreeMap<String, CodecConfig> = BTreeMap::new();
        let mut retries = 0;
        let (folder, pictures, tiles) = (&self.folder, &mut self.pictures, &mut self.tiles);
        let mut take = |output: Output| -> std::io::Result<()> {
            match output {
                Output::Segment {
                    rendition,
                    bytes,
                    facts,
                    ..
                } => {
                    *committed.entry(rendition.clone()).or_default() += u64::from(facts.frames);
                    retries += u32::from(facts.quality_retries);
                    let path = folder.join(format!("{rendition}.mp4"));
                    let known = configs.get(&rendition);
                    if known.is_some_and(|known| *known != facts.config) {
                        return Err(std::io::Error::other("parameter sets differ"));
                    }
                    if known.is_none() {
                        let init = video_init(&video, &rendition, &facts.config);
                        std::fs::write(&path, init.map_err(std::io::Error::other)?)?;
                        configs.insert(rendition, facts.config);
                    }
                    std::fs::OpenOptions::new()
                        .append(true)
                        .open(path)?
                        .write_all(&bytes)?;
                }
                Output::Pictures {
                    facts,
                    tiles: bytes,
                    ..
                } => {
                    pictures.push(facts);
                    tiles.push(bytes);
                }
                Output::UnitDone { .. } | Output::Progress { .. } => {}
            }
            Ok(())
        };
        let source = support::source(&self.source);
        pipeline::run_chunk(
            &self.plan,
            "main",
            source,
            &mut || segments.next().into(),
            &mut take,
        )?;
        let planned = video.grid.frames;
        println!(
            "video {:?}: {committed:?} of {planned}, {retries} retries",
            started.elapsed()
        );
        Ok(committed)
    }

    fn audio(&self) -> Result<Vec<model::facts::AudioFacts>> {
        let mut all = Vec::new();
        for track in &self.plan.audio {
            let started = Instant::now();
            let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
            let mut open = || Ok(support::source(&self.source));
            let facts = pipeline::run_audio(&self.plan, track.index, &mut open, &mut |chunk| {
                files.entry(chunk.output).or_default().extend(chunk.bytes);
                Ok(())
            })?;
            println!("audio {:?}", started.elapsed());
            for one in &facts {
                println!(
                    "  {} {} samples {:?} -> {:?} gain {} limited {} silences {} clipped {}",
                    one.id,
                    one.samples,
                    one.source,
                    one.output,
                    one.gain_centi_db,
                    one.limited,
                    one.silences.len(),
                    one.clipped_samples
                );
                let (channels, sample_rate) = (one.channels, one.sample_rate);
                let kind = TrackKind::Audio {
                    channels,
                    sample_rate,
                };
                let edit = Some(u64::from(one.priming));
                let mut file = init(kind, sample_rate, &one.config, edit)?;
                file.extend(&files[&one.id]);
                self.write(&format!("{}.mp4", one.id), &file)?;
            }
            all.extend(facts);
        }
        Ok(all)
    }

    fn text(&self) -> Result<()> {
        for track in &self.plan.text {
            let input = TextInput::Source(support::source(&self.source));
            let (facts, file) = pipeline::run_text(&self.plan, track.index, input)?;
            println!("text {} cues, {} skipped", facts.cues, facts.skipped);
            self.write(&format!("{}.vtt", facts.id), &file)?;
        }
        Ok(())
    }

    fn images(&self) -> Result<()> {
        if self.plan.video.is_none() {
            return Ok(());
        }
        let source = support::source(&self.source);
        let (facts, files) = pipeline::run_images(&self.plan, &self.pictures, &self.tiles, source)?;
        println!(
            "images {} tiles, poster of frame {}",
            facts.tiles, facts.poster_frame
        );
        for (index, file) in files.iter().enumerate() {
            self.write(&format!("image-{index}.jpg"), &file.bytes)?;
        }
        Ok(())
    }
}

fn video_init(video: &VideoPlan, id: &str, config: &CodecConfig) -> Result<Vec<u8>> {
    let mut renditions = video.groups.iter().flat_map(|group| &group.renditions);
    let rendition = renditions
        .find(|rendition| rendition.id == id)
        .context("which rendition?")?;
    let (width, height) = (rendition.width, rendition.height);
    let color = Color::BT709;
    let kind = TrackKind::Video {
        width,
        height,
        color,
        hdr: model::hdr::HdrMetadata::default(),
    };
    let (timescale, ticks) = video.grid.timescale();
    let delay = rendition.codec.composition_delay_frames() * ticks;
    init(kind, timescale, config, Some(u64::from(delay)))
}

fn init(
    kind: TrackKind,
    timescale: u32,
    config: &CodecConfig,
    edit: Option<u64>,
) -> Result<Vec<u8>> {
    let record = hex::decode(&config.record)?;
    Ok(init_segment(&TrackInit {
        kind,
        timescale,
        language: "und".to_owned(),
        config: package::CodecConfig::from_record(&config.entry, &record)?,
        edit,
    })?)
}
