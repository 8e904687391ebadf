//! Clips for tests, made by `ffmpeg` from its synthetic sources. Each is made once per machine and
//! kept in cargo's target folder, under a name that hashes all that decides its content.

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A clip to make: a moving test picture with a frame counter, and a tone.
#[derive(Debug, Clone)]
pub struct Clip {
    seconds: u32,
    size: (u32, u32),
    frame_rate: String,
    tone: bool,
    output: Vec<String>,
    extension: String,
}

impl Clip {
    /// A clip of so many seconds: 640x360, 25 frames a second, H.264 and AAC in MP4.
    pub fn seconds(seconds: u32) -> Self {
        let output = [
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-pix_fmt",
            "yuv420p",
        ];
        Self {
            seconds,
            size: (640, 360),
            frame_rate: "25".to_owned(),
            tone: true,
            output: output.map(str::to_owned).to_vec(),
            extension: "mp4".to_owned(),
        }
    }

    /// Another size.
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// Another frame rate, such as `30000/1001`.
    pub fn frame_rate(mut self, rate: &str) -> Self {
        rate.clone_into(&mut self.frame_rate);
        self
    }

    /// No sound.
    pub fn silent(mut self) -> Self {
        self.tone = false;
        self
    }

    /// Further output options of `ffmpeg`; the last of two that contradict each other holds.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.output
            .extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// Another container, by its file extension.
    pub fn extension(mut self, extension: &str) -> Self {
        extension.clone_into(&mut self.extension);
        self
    }

    /// Makes the clip, or finds it made. The file belongs to all tests: copy it before changing it.
    pub fn make(&self, ffmpeg: &Path) -> Result<PathBuf> {
        let arguments = self.arguments();
        let folder = cache_folder()?;
        let path = folder.join(self.file_name(&arguments));
        if path.exists() {
            return Ok(path);
        }
        // Written beside its place and renamed into it: two tests may make it at the same time.
        let unfinished = tempfile::Builder::new()
            .suffix(&format!(".{}", self.extension))
            .tempfile_in(&folder)
            .context("make a file for a clip")?;
        let result = Command::new(ffmpeg)
            .args(["-nostdin", "-v", "error", "-y"])
            .args(&arguments)
            .arg(unfinished.path())
            .stdin(Stdio::null())
            .output()
            .context("start ffmpeg")?;
        if !result.status.success() {
            bail!(
                "ffmpeg {arguments:?}: {}",
                String::from_utf8_lossy(&result.stderr)
            );
        }
        unfinished
            .persist(&path)
            .with_context(|| format!("name {}", path.display()))?;
        Ok(path)
    }

    fn arguments(&self) -> Vec<String> {
        let (width, height) = self.size;
        let picture = format!("testsrc2=size={width}x{height}:rate={}", self.frame_rate);
        let mut arguments = vec![
            "-f".to_owned(),
            "lavfi".to_owned(),
            "-i".to_owned(),
            picture,
        ];
        if self.tone {
            let tone = "sine=frequency=440:sample_rate=48000".to_owned();
            arguments.extend(["-f".to_owned(), "lavfi".to_owned(), "-i".to_owned(), tone]);
        }
        arguments.extend(["-t".to_owned(), self.seconds.to_string()]);
        // One thread, so that the same clip has the same bytes on every machine.
        arguments.extend(["-threads".to_owned(), "1".to_owned()]);
        arguments.extend(self.output.iter().cloned());
        arguments
    }

    fn file_name(&self, arguments: &[String]) -> String {
        let digest = Sha256::digest(arguments.join("\0"));
        format!("{}.{}", hex::encode(&digest[..8]), self.extension)
    }
}

/// Next to the test programs, so that `cargo clean` removes it.
fn cache_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("find this program")?;
    let profile = program
        .ancestors()
        .nth(2)
        .context("a test program is in target/<profile>/deps")?;
    let folder = profile.join("clips");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}
