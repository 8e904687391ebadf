//! The bytes do not depend on the processor. The cap is process-wide, so each level runs in a process
//! of its own: this test starts itself again.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail, and its child talks to it by printing"
)]

mod support;

use model::Rational;
use model::rendition::EncoderFamily;
use pipeline::CpuLevel;
use std::path::Path;
use std::process::Command;

const LEVEL: &str = "PIPELINE_TEST_CPU_LEVEL";
const CLIP: &str = "PIPELINE_TEST_CLIP";

/// What the child prints before its result.
const MARK: &str = "products: ";

fn products(path: &Path) -> String {
    let info = pipeline::probe(support::source(path)).unwrap();
    let rate = Rational::whole(25);
    let rungs = [
        support::rendition(EncoderFamily::X264, 160, 90, rate),
        support::rendition(EncoderFamily::X264, 96, 54, rate),
    ];
    let plan = support::plan(&info, rate, 13, &rungs);
    let video = support::products(&support::chunk(&plan, "main", path, &[0, 1]).unwrap());
    let mut open = || Ok(support::source(path));
    let audio = pipeline::run_audio(&plan, 0, &mut open, &mut |_| Ok(())).unwrap();
    format!("{video:?} {audio:?}")
}

#[test]
fn bytes_do_not_depend_on_the_processor() {
    let levels = [
        ("sse42", CpuLevel::Sse42),
        ("avx2", CpuLevel::Avx2),
        ("best", CpuLevel::Best),
    ];
    if let Ok(name) = std::env::var(LEVEL) {
        let level = levels.iter().find(|(known, _)| *known == name).unwrap().1;
        assert!(pipeline::cap_cpu(level));
        assert!(!pipeline::cap_cpu(CpuLevel::Best), "the first cap holds");
        println!(
            "{MARK}{}",
            products(Path::new(&std::env::var(CLIP).unwrap()))
        );
        return;
    }
    // 10-bit 4:2:2 with another sample rate: every picture operation and the resampler run.
    let clip = support::clip(
        "clip.mkv",
        "-f lavfi -i testsrc2=size=322x182:rate=25:duration=1 -f lavfi -i sine=d=1:r=44100 \
         -pix_fmt yuv422p10le -c:v mpeg2video -pix_fmt yuv422p -top 1 -flags +ildct -c:a flac",
    );
    let mut results = Vec::new();
    for (name, level) in levels {
        if !level.is_available() {
            println!("skipped: this processor has no {name}");
            continue;
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "bytes_do_not_depend_on_the_processor",
                "--nocapture",
            ])
            .env(LEVEL, name)
            .env(CLIP, &clip.path)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let result = text
            .split_once(MARK)
            .map(|(_, rest)| rest.lines().next().unwrap().to_owned());
        results.push(result.unwrap_or_else(|| panic!("{name}: {text}")));
    }
    assert!(results.len() >= 2, "at least two levels are compared");
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
}
