#!/usr/bin/env python3
"""Which part of restarting an encoder costs what: the restarts made by the ffmpeg command line.

  seams.py's environment; experiments.py --work SCRATCH [--crf 23,31] [--only NAME;NAME] -- RUNG ...
      with RUNG as for seams.py

Each variant encodes every GOP (or segment) by an encoder of its own, as Magpie does, and changes
one thing. It is compared with the single run. `same` counts the pictures whose size is that of Magpie's
own encode: all of them in `restart`, or the variants do not speak of Magpie.
"""
import argparse
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import seams
from curves import bd_rate, mean, pooled

FIRST_AS_LATER = {"zones": "0,0,b=1.4"}
NO_ZONE = {"zones": None}
FULLER = {"vbv-init": 0.9}
NO_VBV = {"vbv-maxrate": None, "vbv-bufsize": None, "vbv-init": None}


@dataclass
class Variant:
    """Pictures before and after that the encoder sees and whose packets are dropped."""

    name: str
    by_segment: bool = False
    before: int = 0
    after: int = 0
    changes: dict = field(default_factory=dict)
    both: dict = field(default_factory=dict)


VARIANTS = [
    Variant("restart"),
    Variant("restart, VBV off in both", both=NO_VBV),
    Variant("restart, vbv-init 0.9", changes=FULLER),
    Variant("restart, mbtree off in both", both={"mbtree": 0}),
    Variant("segment", by_segment=True),
    Variant("first", changes=FIRST_AS_LATER),
    Variant("after 40", after=40),
    Variant("first + after 40", after=40, changes=FIRST_AS_LATER),
    Variant("first + after 25", after=25, changes=FIRST_AS_LATER),
    Variant("first + after 10", after=10, changes=FIRST_AS_LATER),
    Variant("first + after 40, vbv-init 0.9", after=40, changes={**FIRST_AS_LATER, **FULLER}),
    Variant("segment, first + after 40", by_segment=True, after=40, changes=FIRST_AS_LATER),
    Variant("segment, first + after 40, vbv-init 0.9", by_segment=True, after=40,
            changes={**FIRST_AS_LATER, **FULLER}),
    Variant("before 50 + after 40", before=50, after=40),
]


def encode_unit(rung, start, end, variant, out):
    """The packets' sizes and the decoded pictures of one unit."""
    first, last = max(start - variant.before, 0), min(end + variant.after, rung.frames)
    inside = [key - first for key in rung.keyframes if first < key < last]
    number = "+".join(f"eq(n,{key})" for key in inside)
    keys = ["-force_key_frames", f"expr:{number}"] if inside else []
    changes = {**NO_ZONE, **variant.both, **variant.changes}
    seams.call([seams.ENCODER, "-v", "error", "-y", *rung.raw(first), "-i", rung.pictures,
                "-frames:v", last - first, "-c:v", "libx264", "-preset", rung.rendition["preset"],
                "-threads", rung.rendition["threads"], "-flags", "+global_header+cgop", *keys,
                "-x264-params", seams.x264_parameters(rung.rendition, changes), *seams.NO_SEI,
                out])
    sizes, found = seams.packets(out)
    if found != [0, *inside] or len(sizes) != last - first:
        raise SystemExit(f"{variant.name}: {len(sizes)} pictures, key frames {found}")
    pictures = subprocess.run(
        [seams.FFMPEG, "-v", "error", "-i", out, "-fps_mode", "passthrough", "-f", "rawvideo",
         "-pix_fmt", "yuv420p", "-"], check=True, capture_output=True).stdout
    skip, count = start - first, end - start
    picture = rung.picture_bytes
    return sizes[skip:skip + count], pictures[skip * picture:(skip + count) * picture]


def measure_variant(rung, variant):
    starts = list(range(0, rung.frames, rung.segment_frames))
    starts = starts if variant.by_segment else rung.keyframes
    decoded = rung.work / "variant.yuv"
    sizes = []
    with decoded.open("wb") as file:
        for start, end in zip(starts, [*starts[1:], rung.frames]):
            more, pictures = encode_unit(rung, start, end, variant, rung.work / "unit.mp4")
            sizes += more
            file.write(pictures)
    inputs = [*rung.raw(), "-i", decoded]
    result = {"sizes": sizes, **seams.quality(rung, inputs, rung.work / "variant.json")}
    decoded.unlink()
    return result


def run(rung, crf, variants):
    magpie, _ = seams.packets(rung.encode(crf * 100, rung.maxrate))
    twins, rows = {}, []
    for variant in variants:
        key = str(sorted(variant.both))
        if key not in twins:
            changes = {**NO_ZONE, **variant.both}
            file = seams.single_run(rung, rung.work / "twin.mp4", changes)
            twins[key] = seams.measure_file(rung, file)
        ours = measure_variant(rung, variant)
        same = sum(a == b for a, b in zip(ours["sizes"], magpie))
        rows.append({"variant": variant.name, "rung": rung.name, "crf": crf, "same": same,
                     "frames": rung.frames, **seams.compare(rung, ours, twins[key])})
        show(variant.name, rows[-1:])
    return rows


def show(label, rows):
    average = {key: mean([row[key] for row in rows]) for key in (
        "vmaf_mean", "vmaf_border_mean", "vmaf_key_mean", "psnr_border_mean", "size_ratio")}
    worst = {key: min(row[key] for row in rows)
             for key in ("vmaf_border_worst", "vmaf_key_worst", "psnr_border_worst")}
    where = f"{rows[0]['rung']} {rows[0]['crf']}" if len(rows) == 1 else f"{len(rows)} encodes"
    values = [label, where, f"{sum(r['same'] for r in rows)}/{sum(r['frames'] for r in rows)}",
              f"{(average['size_ratio'] - 1) * 100:+.1f} %"]
    values += [f"{value:+.2f}" for value in (
        average["vmaf_mean"], average["vmaf_border_mean"], worst["vmaf_border_worst"],
        average["vmaf_key_mean"], worst["vmaf_key_worst"],
        average["psnr_border_mean"], worst["psnr_border_worst"])]
    if len({row["crf"] for row in rows}) > 1:
        values += [f"{bd_rate(pooled(rows), metric):+.2f} %" for metric in ("vmaf", "psnr")]
    print("| " + " | ".join(values) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("rungs", nargs="+")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--crf", default="23,31")
    parser.add_argument("--only")
    arguments = parser.parse_args()
    chosen = arguments.only.split(";") if arguments.only else None
    variants = [v for v in VARIANTS if chosen is None or v.name in chosen]
    rows = []
    for argument in arguments.rungs:
        rung = seams.Rung(argument, arguments.work)
        rung.make_pictures()
        for crf in arguments.crf.split(","):
            rows += run(rung, int(crf), variants)
        rung.pictures.unlink()
    print("\n| variant | encodes | same as Magpie | size | mean | border mean | border worst "
          "| key mean | key worst | PSNR border mean | worst | BD VMAF | BD PSNR |")
    print("| --- | --- " + "| ---: " * 11 + "|")
    for variant in variants:
        show(variant.name, [row for row in rows if row["variant"] == variant.name])


if __name__ == "__main__":
    main()
