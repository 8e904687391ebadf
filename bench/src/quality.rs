//! Picture quality of an output against its source, by ffmpeg's own filters. VMAF is measured where the
//! installed ffmpeg has libvmaf, and said to be missing where not.

use anyhow::Context;
use serde::Serialize;
use std::path::Path;
use std::process::Command;

/// Quality of one rendition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Mean PSNR of luma over all frames, in decibels.
    pub psnr_y_db: f64,
    /// Mean VMAF, where it could be measured.
    pub vmaf: Option<f64>,
}

/// Whether the installed ffmpeg has libvmaf.
pub(crate) fn has_vmaf() -> bool {
    let filters = Command::new("ffmpeg")
        .args(["-hide_banner", "-filters"])
        .output();
    filters.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains(" libvmaf "))
}

/// Compares an output with the source scaled to its size.
pub(crate) fn compare(
    source: &Path,
    output: &Path,
    width: u32,
    height: u32,
) -> anyhow::Result<Quality> {
    let base = format!(
        "[0:v]settb=AVTB,setpts=N*1000,format=yuv420p[a];\
         [1:v]scale={width}:{height}:flags=lanczos,settb=AVTB,setpts=N*1000,format=yuv420p[b]"
    );
    let psnr = ffmpeg(source, output, &format!("{base};[a][b]psnr"))?;
    let psnr = psnr
        .rsplit("PSNR y:")
        .next()
        .and_then(|t| t.split_whitespace().next()?.parse().ok());
    let psnr_y_db = psnr.context("ffmpeg printed no PSNR")?;
    let vmaf = if has_vmaf() {
        let text = ffmpeg(source, output, &format!("{base};[a][b]libvmaf"))?;
        text.rsplit("VMAF score: ")
            .next()
            .and_then(|t| t.split_whitespace().next()?.parse().ok())
    } else {
        None
    };
    Ok(Quality { psnr_y_db, vmaf })
}

fn ffmpeg(source: &Path, output: &Path, filter: &str) -> anyhow::Result<String> {
    let run = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-i"])
        .arg(output)
        .arg("-i")
        .arg(source)
        .args(["-filter_complex", filter, "-f", "null", "-"])
        .output()?;
    let text = String::from_utf8_lossy(&run.stderr).into_owned();
    anyhow::ensure!(
        run.status.success(),
        "ffmpeg could not compare {}: {text}",
        output.display()
    );
    Ok(text)
}
