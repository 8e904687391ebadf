//! HDR titles from a file to what players get: HEVC and AV1 stay HDR with all that the source says of its
//! light, H.264 is SDR; each says what it is. Read back by ffprobe, which knows nothing of Magpie.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tests::{Clip, Magpie, Place, require};

const BOUND: Duration = Duration::from_secs(300);

const MASTERING: &str = "log-level=error:master-display=G(13250,34500)B(7500,3000)R(34000,16000)\
                         WP(15635,16450)L(10000000,50):max-cll=900,400";

const PROFILE: &str = "name = \"hdr\"\nbase = \"preview\"\n[video]\ncodecs = {codecs}\n\
                       presets = { x264 = \"ultrafast\", x265 = \"ultrafast\", rav1e = 10 }\n";

/// The first stream of a rendition and the first picture of it, in ffprobe's words.
fn read_back(ffprobe: &Path, rendition: &Path) -> Result<(Value, Value)> {
    let output = Command::new(ffprobe)
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-show_streams",
            "-show_frames",
        ])
        .args(["-read_intervals", "%+#1"])
        .arg(rendition.join("media.m3u8"))
        .output()?;
    let said: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((said["streams"][0].clone(), said["frames"][0].clone()))
}

fn side_data(of: &Value, kind: &str) -> Option<Value> {
    let list = of["side_data_list"].as_array()?;
    let found = list.iter().find(|one| one["side_data_type"] == kind);
    found.cloned()
}

/// What each rendition says, and the playlist of all.
type Read = (Vec<(Value, Value)>, String);

/// Publishes a clip with a transfer; answers what each codec's rendition says, and the playlist of all.
fn publish(transfer: &str, parameters: &str, codecs: &[&str]) -> Result<Option<Read>> {
    let (Some(ffmpeg), Some(ffprobe)) = (require("ffmpeg"), require("ffprobe")) else {
        return Ok(None);
    };
    let place = Place::new()?;
    let clip = Clip::seconds(1)
        .silent()
        .frame_rate("12")
        .size(320, 180)
        .options(&[
            "-c:v",
            "libx265",
            "-pix_fmt",
            "yuv420p10le",
            "-x265-params",
            parameters,
            "-color_primaries",
            "bt2020",
            "-color_trc",
            transfer,
            "-colorspace",
            "bt2020nc",
        ]);
    let clip = clip.make(&ffmpeg)?;
    let profile = place.join("hdr.toml");
    std::fs::write(
        &profile,
        PROFILE.replace("{codecs}", &format!("{codecs:?}")),
    )?;
    let out = place.join("out");
    let run = Magpie::new([
        "run".as_ref(),
        clip.as_os_str(),
        "--title".as_ref(),
        "it".as_ref(),
        "--out".as_ref(),
        out.as_os_str(),
        "--profile".as_ref(),
        profile.as_os_str(),
        "--json".as_ref(),
        "--review".as_ref(),
        "approve".as_ref(),
    ])?;
    let run = run.finish(BOUND)?;
    ensure!(run.code == Some(0), "{run:?}");
    let version = out.join("titles/it/v1");
    let mut read = Vec::new();
    for codec in codecs {
        let rendition = version.join(format!("video/{codec}-180p"));
        read.push(read_back(&ffprobe, &rendition)?);
    }
    let all = std::fs::read_to_string(version.join("index.m3u8"))?;
    Ok(Some((read, all)))
}

fn look(stream: &Value) -> [&str; 4] {
    [
        "pix_fmt",
        "color_transfer",
        "color_primaries",
        "color_space",
    ]
    .map(|name| stream[name].as_str().unwrap_or_default())
}

const SDR: [&str; 4] = ["yuv420p", "bt709", "bt709", "bt709"];

#[test]
fn pq_stays_hdr_where_the_codec_carries_it() -> Result<()> {
    let Some((read, all)) = publish("smpte2084", MASTERING, &["h264", "hevc", "av1"])? else {
        return Ok(());
    };
    let [(h264, _), hevc, av1] = &read[..] else {
        panic!("three renditions");
    };
    assert_eq!(look(h264), SDR);
    assert_eq!(side_data(h264, "Mastering display metadata"), None);
    for (stream, frame) in [hevc, av1] {
        assert_eq!(
            look(stream),
            ["yuv420p10le", "smpte2084", "bt2020", "bt2020nc"]
        );
        // Of the container, and of the bitstream.
        for of in [stream, frame] {
            let display = side_data(of, "Mastering display metadata")
                .with_context(|| format!("no mastering display in {of}"))?;
            let light = side_data(of, "Content light level metadata")
                .with_context(|| format!("no light levels in {of}"))?;
            assert_eq!(
                (&light["max_content"], &light["max_average"]),
                (&900.into(), &400.into())
            );
            let near = |name: &str, wanted: f64| {
                let text = display[name].as_str().unwrap_or_default();
                let (num, den) = text.split_once('/').unwrap_or(("0", "1"));
                let found = num.parse::<f64>().unwrap_or(0.0) / den.parse::<f64>().unwrap_or(1.0);
                assert!(
                    (found - wanted).abs() <= 2e-4 * wanted.max(0.1),
                    "{name}: {found}"
                );
            };
            near("red_x", 0.68);
            near("green_y", 0.69);
            near("blue_x", 0.15);
            near("white_point_x", 0.3127);
            near("max_luminance", 1000.0);
            near("min_luminance", 0.005);
        }
    }
    let variants = |range: &str| {
        let variants = all
            .lines()
            .filter(|line| line.starts_with("#EXT-X-STREAM-INF"));
        variants.filter(|line| line.contains(range)).count()
    };
    assert_eq!(
        (variants("VIDEO-RANGE=SDR"), variants("VIDEO-RANGE=PQ")),
        (1, 2),
        "{all}"
    );
    Ok(())
}

#[test]
fn hlg_stays_hlg_and_needs_no_metadata() -> Result<()> {
    let Some((read, all)) = publish("arib-std-b67", "log-level=error", &["h264", "hevc"])? else {
        return Ok(());
    };
    assert_eq!(look(&read[0].0), SDR);
    for (stream, _) in &read[1..] {
        assert_eq!(
            look(stream),
            ["yuv420p10le", "arib-std-b67", "bt2020", "bt2020nc"]
        );
        assert_eq!(side_data(stream, "Mastering display metadata"), None);
    }
    ensure!(all.contains("VIDEO-RANGE=HLG"), "{all}");
    Ok(())
}
