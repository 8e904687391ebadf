//! The bytes of a segment are a function of source and plan: however the title is cut into chunks,
//! whatever order the segments are claimed in.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use model::Rational;
use model::rendition::EncoderFamily;
use pipeline::Output;
use support::{chunk, chunk_one_by_one, clip, plan, products, remap, rendition};

const MOVING: &str = "-f lavfi -i testsrc2=size=320x180:rate=";

fn ntsc() -> Rational {
    Rational::new(30_000, 1_001).unwrap()
}

/// Every cut of the plan's segments gives the same products.
fn same_for_all_cuts(name: &str, plan: &model::plan::Plan, path: &std::path::Path) {
    let segments: Vec<u32> = (0..plan.video.as_ref().unwrap().grid.segments()).collect();
    assert!(segments.len() >= 3, "{name}: too short to be cut");
    let whole = products(&chunk(plan, "main", path, &segments).unwrap());
    let middle = segments.len() / 2;
    let cuts: [Vec<&[u32]>; 3] = [
        segments.chunks(1).collect(),
        vec![&segments[middle..], &segments[..middle]],
        vec![&segments[..1], &segments[1..]],
    ];
    for cut in cuts {
        let mut parts = Vec::new();
        for part in &cut {
            parts.extend(chunk(plan, "main", path, part).unwrap());
        }
        assert_eq!(products(&parts), whole, "{name}: {cut:?}");
    }
    let one_by_one = chunk_one_by_one(plan, path, &segments);
    assert_eq!(products(&one_by_one), whole, "{name}: one by one");
    let every_second: Vec<u32> = segments.iter().copied().step_by(2).collect();
    let some = products(&chunk(plan, "main", path, &every_second).unwrap());
    assert!(
        some.iter().all(|product| whole.contains(product)),
        "{name}: gaps"
    );
}

#[test]
fn segments_do_not_depend_on_the_cut_with_b_frames() {
    let rate = Rational::whole(25);
    let clip = clip(
        "b.mp4",
        &format!("{MOVING}25:duration=4 -c:v libx264 -bf 3 -g 17 -pix_fmt yuv420p"),
    );
    let rungs = [
        rendition(EncoderFamily::X264, 320, 180, rate),
        rendition(EncoderFamily::X264, 160, 90, rate),
    ];
    let mut plan = plan(&clip.probe(), rate, 24, &rungs);
    plan.video.as_mut().unwrap().groups[0].keyframe_frames = 10;
    same_for_all_cuts("b-frames", &plan, &clip.path);
}

#[test]
fn segments_do_not_depend_on_the_cut_of_open_gops() {
    for (name, codec) in [
        (
            "open.mp4",
            "libx264 -x264-params open-gop=1:keyint=24:min-keyint=24:bframes=3:b-adapt=0",
        ),
        (
            "open.ts",
            "libx264 -x264-params open-gop=1:keyint=24:min-keyint=24:bframes=3:b-adapt=0",
        ),
        (
            "open.mkv",
            "libx265 -x265-params open-gop=1:keyint=24:min-keyint=24:bframes=4:log-level=error",
        ),
    ] {
        let clip = clip(
            name,
            &format!("{MOVING}30000/1001:duration=4 -pix_fmt yuv420p -c:v {codec}"),
        );
        let info = clip.probe();
        let frames = &info.video.as_ref().unwrap().frames;
        assert!(
            frames.access_points.len() >= 4,
            "{name}: {:?}",
            frames.access_points
        );
        let rungs = [rendition(EncoderFamily::X264, 160, 90, ntsc())];
        same_for_all_cuts(name, &plan(&info, ntsc(), 20, &rungs), &clip.path);
    }
}

#[test]
fn segments_do_not_depend_on_the_cut_of_intra_refresh() {
    let rate = Rational::whole(25);
    let clip = clip(
        "refresh.ts",
        &format!(
            "{MOVING}25:duration=8 -pix_fmt yuv420p -c:v libx264 -b:v 2M -x264-params \
             intra-refresh=1:keyint=20"
        ),
    );
    let info = clip.probe();
    let points = info.video.as_ref().unwrap().frames.access_points.len();
    assert!(points >= 8, "{points} recovery points are flagged");
    let rungs = [rendition(EncoderFamily::X264, 160, 90, rate)];
    same_for_all_cuts("refresh", &plan(&info, rate, 60, &rungs), &clip.path);
}

#[test]
fn segments_do_not_depend_on_the_cut_of_a_map_with_repeats_and_drops() {
    let rate = Rational::whole(25);
    let clip = clip(
        "vfr.mp4",
        &format!("{MOVING}25:duration=4 -c:v libx264 -g 30 -pix_fmt yuv420p"),
    );
    let rungs = [rendition(EncoderFamily::X264, 160, 90, rate)];
    let mut plan = plan(&clip.probe(), rate, 16, &rungs);
    // Repeats across the border of segments, then drops, then a long still.
    let repeated = (0..40).flat_map(|frame| [frame, frame, frame]).take(50);
    let dropped = (17..80).step_by(2);
    remap(&mut plan, repeated.chain(dropped).chain([99; 20]));
    same_for_all_cuts("map", &plan, &clip.path);
}

#[test]
fn segments_do_not_depend_on_the_cut_of_interlaced_material() {
    let rate = Rational::whole(25);
    let clip = clip(
        "fields.ts",
        "-f lavfi -i testsrc2=size=320x180:rate=50:duration=4 -vf interlace=scan=bff,setfield=bff \
         -c:v mpeg2video -b:v 2M -bf 2 -g 12 -flags +ildct+ilme -top 0",
    );
    let info = clip.probe();
    let order = info.video.as_ref().unwrap().field_order;
    assert_eq!(order, model::source::FieldOrder::BottomFirst);
    let rungs = [rendition(EncoderFamily::X264, 160, 90, rate)];
    same_for_all_cuts("fields", &plan(&info, rate, 24, &rungs), &clip.path);
}

#[test]
fn every_family_makes_segments_that_do_not_depend_on_the_cut() {
    let rate = Rational::whole(25);
    let clip = clip(
        "small.mp4",
        &format!("{MOVING}25:duration=2 -c:v libx264 -pix_fmt yuv420p"),
    );
    let info = clip.probe();
    for family in [EncoderFamily::X265, EncoderFamily::Rav1e] {
        let rungs = [rendition(family, 160, 90, rate)];
        same_for_all_cuts(family.as_str(), &plan(&info, rate, 13, &rungs), &clip.path);
    }
}

#[test]
fn segments_of_an_hdr_title_do_not_depend_on_the_cut() {
    let rate = Rational::whole(25);
    let clip = clip(
        "hdr.mp4",
        &format!(
            "{MOVING}25:duration=2 -pix_fmt yuv420p10le -c:v libx265 -preset ultrafast \
             -x265-params log-level=error:keyint=17 -color_primaries bt2020 \
             -color_trc smpte2084 -colorspace bt2020nc"
        ),
    );
    let deep = model::rendition::Rendition {
        bit_depth: 10,
        ..rendition(EncoderFamily::X265, 160, 90, rate)
    };
    let rungs = [rendition(EncoderFamily::X264, 160, 90, rate), deep];
    let plan = plan(&clip.probe(), rate, 13, &rungs);
    assert!(plan.video.as_ref().unwrap().filters.tonemap.is_some());
    same_for_all_cuts("hdr", &plan, &clip.path);
}

#[test]
fn a_segment_that_leaves_the_buffer_low_is_made_again_with_less_quality() {
    let rate = Rational::whole(25);
    let clip = clip(
        "noise.mp4",
        "-f lavfi -i nullsrc=size=160x90:rate=25:duration=3,geq=random(1)*255:128:128 -c:v libx264 \
         -qp 20 -pix_fmt yuv420p",
    );
    let mut rung = rendition(EncoderFamily::X264, 160, 90, rate);
    rung.rate.maxrate_bps = 300_000;
    rung.rate.buffer_bits = 300_000;
    let plan = plan(&clip.probe(), rate, 25, &[rung]);
    let outputs = chunk(&plan, "main", &clip.path, &[0, 1, 2]).unwrap();
    let retries: Vec<u8> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Segment { facts, .. } => Some(facts.quality_retries),
            _ => None,
        })
        .collect();
    assert_eq!(retries, [1, 1, 1]);
    same_for_all_cuts("noise", &plan, &clip.path);
}

#[test]
fn parts_come_before_their_unit_is_done_and_at_most_two_are_open() {
    let rate = Rational::whole(25);
    let clip = clip(
        "order.mp4",
        &format!("{MOVING}25:duration=3 -c:v libx264 -pix_fmt yuv420p"),
    );
    let rungs = [
        rendition(EncoderFamily::X264, 320, 180, rate),
        rendition(EncoderFamily::X264, 160, 90, rate),
    ];
    let plan = plan(&clip.probe(), rate, 10, &rungs);
    let (open, next_segment) = (std::cell::Cell::new(0_u32), std::cell::Cell::new(0));
    let mut parts = std::collections::BTreeMap::<u32, u32>::new();
    let mut done = Vec::new();
    let mut next = || {
        let segment = next_segment.get();
        next_segment.set(segment + 1);
        let segment = (segment < 8).then(|| {
            open.set(open.get() + 1);
            assert!(open.get() <= 2);
            segment
        });
        segment.into()
    };
    pipeline::run_chunk(&plan, "main", clip.source(), &mut next, &mut |output| {
        match output {
            Output::Segment { segment, facts, .. } => {
                assert_eq!(facts.base_decode_time, u64::from(segment) * 10 * 400);
                *parts.entry(segment).or_default() += 1;
            }
            Output::Pictures { segment, facts, .. } => {
                assert_eq!(
                    facts.frames.len() as u32,
                    plan.video.as_ref().unwrap().grid.segment(segment).len() as u32
                );
                *parts.entry(segment).or_default() += 1;
            }
            Output::UnitDone { segment, .. } => {
                assert_eq!(parts[&segment], 3, "segment {segment}");
                open.set(open.get() - 1);
                done.push(segment);
            }
            Output::Progress { .. } => {}
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(done, (0..8).collect::<Vec<_>>());
}

#[test]
fn segments_of_one_and_two_frames_work_in_every_family() {
    let rate = Rational::whole(25);
    let clip = clip(
        "short.mp4",
        &format!("{MOVING}25:duration=0.12 -c:v libx264 -pix_fmt yuv420p"),
    );
    let info = clip.probe();
    for family in [
        EncoderFamily::X264,
        EncoderFamily::X265,
        EncoderFamily::Rav1e,
    ] {
        let rungs = [rendition(family, 160, 90, rate)];
        for (segment_frames, expected) in [(1, vec![1, 1, 1]), (2, vec![2, 1])] {
            let plan = plan(&info, rate, segment_frames, &rungs);
            let segments: Vec<u32> = (0..).take(expected.len()).collect();
            let outputs = chunk(&plan, "main", &clip.path, &segments).unwrap();
            let (frames, configs): (Vec<_>, Vec<_>) = outputs
                .iter()
                .filter_map(|output| match output {
                    Output::Segment { facts, .. } => Some((facts.frames, facts.config.clone())),
                    _ => None,
                })
                .unzip();
            assert_eq!(frames, expected, "{family:?}");
            assert!(
                configs.iter().all(|config| *config == configs[0]),
                "{configs:?}"
            );
        }
    }
}

#[test]
fn every_segment_reads_back_as_one_closed_run_of_its_frames() {
    let clip = clip(
        "read.mp4",
        &format!("{MOVING}30000/1001:duration=3 -c:v libx264 -bf 3 -pix_fmt yuv420p"),
    );
    let rungs = [rendition(EncoderFamily::X264, 160, 90, ntsc())];
    let mut plan = plan(&clip.probe(), ntsc(), 40, &rungs);
    plan.video.as_mut().unwrap().groups[0].keyframe_frames = 20;
    for output in chunk(&plan, "main", &clip.path, &[0, 1, 2]).unwrap() {
        let Output::Segment { segment, bytes, .. } = output else {
            continue;
        };
        let fragment = package::cmaf::read::media_segment(&bytes).unwrap();
        assert_eq!(fragment.base_decode_time, u64::from(segment) * 40 * 1001);
        let (mut shown, mut sync) = (Vec::new(), Vec::new());
        for (index, sample) in (0_i64..).zip(&fragment.samples) {
            shown.push(index * 1001 + i64::from(sample.composition_offset));
            if sample.is_sync {
                sync.push(index);
            }
        }
        shown.sort_unstable();
        let delay = i64::from(rungs[0].codec.composition_delay_frames());
        let frames = plan.video.as_ref().unwrap().grid.segment(segment).len() as i64;
        assert_eq!(
            shown,
            (delay..delay + frames)
                .map(|frame| frame * 1001)
                .collect::<Vec<_>>()
        );
        assert_eq!(sync, (0..frames).step_by(20).collect::<Vec<_>>());
    }
}
