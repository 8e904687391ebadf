//! Picture quality of an output against its source, by ffmpeg's own filters. VMAF is measured where that
//! ffmpeg has libvmaf, and said to be missing where not.

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

/// Whether this ffmpeg has libvmaf.
pub(crate) fn has_vmaf(program: &Path) -> bool {
    let filters = Command::new(program)
        .args(["-hide_banner", "-filters"])
        .output();
    filters.is_ok_and(|o| String::from_utf8_lossy(&o.stdout).contains(" libvmaf "))
}

/// Compares an output with the source scaled to its size, by this ffmpeg.
pub(crate) fn compare(
    program: &Path,
    source: &Path,
    output: &Path,
    width: u32,
    height: u32,
) -> anyhow::Result<Quality> {
    // One set of colour properties: else ffmpeg converts the side that is tagged into what it assumes
    // of the other. In 10 bits: else the source is dithered as ffmpeg would, which favours its output.
    let colors = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709";
    let base = format!(
        "[0:v]{colors},settb=AVTB,setpts=N*1000,format=yuv420p10[a];\
         [1:v]{colors},scale={width}:{height}:flags=lanczos,settb=AVTB,setpts=N*1000,format=yuv420p10[b]"
    );
    let psnr = ffmpeg(program, source, output, &format!("{base};[a][b]psnr"))?;
    let psnr = psnr
        .rsplit("PSNR y:")
        .next()
        .and_then(|t| t.split_whitespace().next()?.parse().ok());
    let psnr_y_db = psnr.context("ffmpeg printed no PSNR")?;
    let vmaf = if has_vmaf(program) {
        let text = ffmpeg(program, source, output, &format!("{base};[a][b]libvmaf"))?;
        text.rsplit("VMAF score: ")
            .next()
            .and_then(|t| t.split_whitespace().next()?.parse().ok())
    } else {
        None
    };
    Ok(Quality { psnr_y_db, vmaf })
}

fn ffmpeg(program: &Path, source: &Path, output: &Path, filter: &str) -> anyhow::Result<String> {
    let run = Command::new(program)
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
