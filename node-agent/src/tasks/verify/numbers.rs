//! Every line of the manifests against the segments: the version is described anew from the files as
//! they were read, and the texts must be equal. That finds a wrong duration, byte range, rate, codecs
//! parameter or timeline as well as a tag that should not be there.
//!
//! Equal texts can be asked for because a task is only given to nodes with the builds of its plan, so
//! that the version was packaged by the same writer.

use super::{Files, Read, wrong};
use crate::tasks::describe::{self, IMAGES, Sheet};
use model::Failure;
use model::catalog::PackageManifest;
use model::plan::{AudioOutput, AudioPlan, Plan, TextPlan, VideoPlan};
use model::rendition::Rendition;
use package::cmaf::write::TrackInit;
use package::manifest::{
    AudioTrack, INIT_FILE, Presentation, Segment, TEXT_FILE, THUMBNAILS_FILE, TextTrack, Track,
    VideoRendition, segment_file, sheet_file, text_segment_file,
};
use package::text;

/// Longest part of a line in a message.
const LINE_CHARS_MAX: usize = 160;

/// Checks all texts, and the table of the tracks.
pub(super) fn check(plan: &Plan, manifest: &PackageManifest, files: &Files) -> Result<(), Failure> {
    let mut presentation = describe::empty(plan);
    if let Some(video) = &plan.video {
        for rendition in video.groups.iter().flat_map(|group| &group.renditions) {
            let described = pictures(video, rendition, files)?;
            presentation.video.push(described);
        }
        let images = describe::thumbnails(plan, video, &sheets(files));
        presentation
            .images
            .extend(images.map_err(|problem| wrong(IMAGES, problem))?);
    }
    for track in &plan.audio {
        for output in &track.outputs {
            presentation
                .audio
                .push(sound(plan, (track, output), files)?);
        }
    }
    for text in &plan.text {
        let described = captions(plan, text, files)?;
        presentation.text.push(described);
    }
    for images in &presentation.images {
        let path = format!("{}/{THUMBNAILS_FILE}", images.path);
        same(&path, &text::thumbnails(images, plan.duration), files)?;
    }
    for (path, due) in describe::manifests(&presentation) {
        same(&path, &due, files)?;
    }
    table(plan, manifest, &presentation)
}

fn init<'a>(path: &str, files: &'a Files) -> Result<&'a TrackInit, Failure> {
    let path = format!("{path}/{INIT_FILE}");
    match files.get(&path) {
        Some(Read::Init(init)) => Ok(init),
        _ => Err(wrong(&path, "is missing")),
    }
}

fn codecs(path: &str, init: &TrackInit) -> Result<String, Failure> {
    init.config.codecs_string().map_err(|e| wrong(path, e))
}

/// What manifests say of the segments in a folder.
fn segments(path: &str, files: &Files) -> Vec<Segment> {
    let names = (1..).map(|number| format!("{path}/{}", segment_file(number)));
    let read = names.map_while(|name| match files.get(&name) {
        Some(Read::Segment(facts, size_bytes)) => Some(Segment {
            duration: facts.duration,
            size_bytes: *size_bytes,
            key_bytes: facts.first_sample_end,
        }),
        _ => None,
    });
    read.collect()
}

fn pictures(
    video: &VideoPlan,
    rendition: &Rendition,
    files: &Files,
) -> Result<VideoRendition, Failure> {
    let path = describe::video_path(rendition);
    let codecs = codecs(&path, init(&path, files)?)?;
    let segments = segments(&path, files);
    Ok(describe::pictures(video, rendition, codecs, segments))
}

fn sound(
    plan: &Plan,
    (track, output): (&AudioPlan, &AudioOutput),
    files: &Files,
) -> Result<AudioTrack, Failure> {
    let path = describe::sound_path(output);
    let init = init(&path, files)?;
    let delay = u32::try_from(init.edit.unwrap_or(0)).map_err(|e| wrong(&path, e))?;
    let of_sound = |segment| Segment {
        key_bytes: 0,
        ..segment
    };
    let segments = segments(&path, files).into_iter().map(of_sound).collect();
    let measured = (codecs(&path, init)?, delay);
    Ok(describe::sound(plan, (track, output), measured, segments))
}

fn captions(plan: &Plan, planned: &TextPlan, files: &Files) -> Result<TextTrack, Failure> {
    let folder = describe::text_path(planned);
    let path = format!("{folder}/{TEXT_FILE}");
    let Some(Read::Text(whole)) = files.get(&path) else {
        return Err(wrong(&path, "is missing"));
    };
    let cues = text::parse(whole.as_bytes())
        .map_err(|e| wrong(&path, e))?
        .cues;
    let measured = (cues.as_slice(), whole.len() as u64);
    for (number, part) in (1..).zip(&describe::caption_segments(plan, &cues)) {
        same(
            &format!("{folder}/{}", text_segment_file(number)),
            part,
            files,
        )?;
    }
    Ok(describe::captions(plan, planned, measured))
}

fn sheets(files: &Files) -> Vec<Sheet> {
    let names = (1..).map(|number| format!("{IMAGES}/{}", sheet_file(number)));
    let read = names.map_while(|name| match files.get(&name) {
        Some(Read::Picture(sheet)) => Some(*sheet),
        _ => None,
    });
    read.collect()
}

/// Fails at the first line that is another one.
fn same(path: &str, due: &str, files: &Files) -> Result<(), Failure> {
    let Some(Read::Text(found)) = files.get(path) else {
        return Err(wrong(path, "is missing"));
    };
    if found == due {
        return Ok(());
    }
    let (mut found, mut due) = (found.lines(), due.lines());
    let mut number = 0;
    loop {
        number += 1;
        let (says, should) = (found.next(), due.next());
        if says != should || says.is_none() {
            let named = should.or(says).map_or("the end", element);
            let message = format!(
                "line {number} ({named}) says {}, the segments say {}",
                quoted(says),
                quoted(should)
            );
            return Err(wrong(path, message));
        }
    }
}

/// Tag of a playlist or element of an MPD that a line is about.
fn element(line: &str) -> &str {
    let line = line.trim_start();
    match line.strip_prefix(['#', '<']) {
        Some(tag) => {
            let ends = |letter: char| letter == ':' || letter == '>' || letter.is_whitespace();
            tag.split(ends).next().unwrap_or_default()
        }
        None => "name or text",
    }
}

fn quoted(line: Option<&str>) -> String {
    line.map_or("nothing".to_owned(), |line| {
        let cut: String = line.trim().chars().take(LINE_CHARS_MAX).collect();
        format!("{cut:?}")
    })
}

/// The table of the tracks, which the catalog shows.
fn table(plan: &Plan, manifest: &PackageManifest, due: &Presentation) -> Result<(), Failure> {
    let place = "list of tracks";
    if manifest.duration != plan.duration {
        return Err(wrong(place, format!("lasts {}", manifest.duration)));
    }
    let video = due.video.iter().map(|video| &video.track);
    let audio = due.audio.iter().map(|audio| &audio.track);
    let text = due.text.iter().map(|text| &text.track);
    let tracks: Vec<&Track> = video.chain(audio).chain(text).collect();
    if tracks.len() != manifest.tracks.len() {
        let found = manifest.tracks.len();
        return Err(wrong(
            place,
            format!("has {found}, planned are {}", tracks.len()),
        ));
    }
    for (said, track) in manifest.tracks.iter().zip(tracks) {
        let found = (&said.id, &said.codecs, said.average_bps, said.peak_bps);
        let measured = (
            &track.id,
            &track.codecs,
            track.average_bps(),
            track.peak_bps(),
        );
        if found != measured {
            let message = format!("says {found:?}, the segments say {measured:?}");
            return Err(wrong(place, message));
        }
    }
    Ok(())
}
