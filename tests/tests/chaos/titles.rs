//! What the farm is given: a long title with a ladder, one with sound and text, and one that is broken. A
//! submission is repeated until a scheduler says that it has the job, under a key that makes it one job.

use crate::BOUND;
use crate::plan::Storm;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tests::{Clip, Magpie, Place, at};

/// Segments of one second make many units of a short clip; the slowest preset makes them work.
const PROFILE: &str = "\
name = \"chaos\"
base = \"web\"
segment_seconds = 1.0
keyframe_seconds = 1.0
[video]
rungs = [
    { short_edge = 144, crf_centi = 2600, maxrate_bps = 300_000 },
    { short_edge = 240, crf_centi = 2600, maxrate_bps = 600_000 },
    { short_edge = 360, crf_centi = 2600, maxrate_bps = 900_000 },
]
[video.presets]
x264 = \"veryslow\"
[qc]
freeze = { action = \"pass\", seconds = 5.0 }
";

const SUBTITLES: &str = "1\n00:00:00,500 --> 00:00:02,000\nGood evening.\n\n2\n00:00:04,000 --> 00:00:05,000\n<i>Who is there?</i>\n";

/// Longest that one call may take; the next try may find another scheduler.
const CALL_BOUND: Duration = Duration::from_secs(20);

/// A title to give to a farm.
pub(crate) struct Title {
    pub(crate) name: String,
    arguments: Vec<String>,
}

/// Makes the sources in a folder.
pub(crate) fn titles(place: &Place, storm: Storm, ffmpeg: &Path) -> Result<Vec<Title>> {
    let sources = place.folder("sources")?;
    let profile = place.join("chaos.toml");
    std::fs::write(&profile, PROFILE)?;
    let text = sources.join("lines.srt");
    std::fs::write(&text, SUBTITLES)?;

    let file = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
        let path = sources.join(name);
        std::fs::write(&path, bytes).with_context(|| format!("write {name}"))?;
        Ok(path)
    };
    let title = |name: &str, source: &Path, more: &[String]| {
        let words = [
            "submit",
            "--json",
            "--title",
            name,
            "--idempotency-key",
            name,
        ];
        let mut arguments = words.map(str::to_owned).to_vec();
        arguments.extend(["--profile".to_owned(), profile.to_string_lossy().into()]);
        arguments.extend(more.iter().cloned());
        arguments.push(source.to_string_lossy().into());
        let name = name.to_owned();
        Title { name, arguments }
    };
    let spoken = std::fs::read(Clip::seconds(6).size(426, 240).make(ffmpeg)?)?;
    // The index is at the end of the file.
    let broken = file("broken.mp4", &spoken[..spoken.len() / 2])?;
    let spoken = file("spoken.mp4", &spoken)?;
    let text = ["--subtitles".to_owned(), format!("{}:en", text.display())];
    let mut titles = vec![
        title("spoken", &spoken, &text),
        title("broken", &broken, &[]),
    ];
    for &seconds in storm.long_titles() {
        // Open GOPs and B-frames: chunks start at pictures that need their neighbours. Another length
        // makes another title, of which nothing is found made.
        let options = ["-x264-params", "open-gop=1:keyint=40:bframes=3"];
        let clip = Clip::seconds(seconds).size(640, 360);
        let clip = clip.frame_rate("30000/1001").silent().options(&options);
        let name = format!("long-{seconds}");
        let source = file(&format!("{name}.mp4"), &std::fs::read(clip.make(ffmpeg)?)?)?;
        titles.push(title(&name, &source, &[]));
    }
    Ok(titles)
}

/// Gives a title to a farm, at one scheduler after the other. Answers with the job and the number of tries.
pub(crate) fn submit(
    program: &Path,
    title: &Title,
    doors: &[String],
    first: usize,
) -> Result<(String, u32)> {
    let began = Instant::now();
    let mut tries = 0;
    loop {
        let door = &doors[(first + tries as usize) % doors.len()];
        tries += 1;
        let call = Magpie::of(program, &title.arguments).env("MAGPIE_SCHEDULER", door);
        let said = match call.finish(CALL_BOUND) {
            Ok(finished) if finished.code == Some(0) => {
                let json = finished.json()?;
                let id = at(&json, "/id")?.as_str().context("a job has an id")?;
                return Ok((id.to_owned(), tries));
            }
            Ok(finished) => finished.stderr,
            Err(error) => format!("{error:#}"),
        };
        ensure!(
            began.elapsed() < BOUND,
            "{} was not accepted in {tries} tries: {said}",
            title.name
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}
