#!/usr/bin/env python3
"""Seams: what segment borders cost, against one ffmpeg run with the same settings and key frames.

  MAGPIE=magpie FFMPEG=ffmpeg-with-libvmaf seams.py --work SCRATCH [--json FILE] [--with FILE ...]
      [--crf 19,23,27,31] [--uncapped] -- CLIP:SHORT_EDGE:MAXRATE_BPS[:source] ...

Each argument is one rung of one clip: the short edge and the cap of its profile. `:source` says
that the rung has the source's own size and 4:2:0 8-bit pictures, so that the source is the encoders'
input; for other rungs the input is taken from Magpie itself, from a rendition at CRF 0. `--with`
adds the rows of earlier runs before the conclusion.

  FFMPEG           measures; must have the filter libvmaf (default: ffmpeg)
  ENCODER_FFMPEG   encodes the single run; its libx264 must be Magpie's (default: ffmpeg)
  MAGPIE           the program under test (default: magpie)
  THREADS          of the measurement, and Magpie's slots (default: 2)

Exit status 1 when a bound of the acceptance line is missed. Needs Python 3.9 and nothing else.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from curves import bd_rate, mean, pooled  # noqa: E402

FFMPEG = os.environ.get("FFMPEG", "ffmpeg")
ENCODER = os.environ.get("ENCODER_FFMPEG", "ffmpeg")
MAGPIE = os.environ.get("MAGPIE", "magpie")
THREADS = os.environ.get("THREADS", "2")
# x264's message with its settings, some 700 bytes, which Magpie leaves out.
NO_SEI = ["-bsf:v", "filter_units=remove_types=6"]
NEAR = 5  # frames on each side of a border
MEAN_BOUND, FRAME_BOUND, RATE_BOUND = 0.3, 1.5, 1.0


def call(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr.decode(errors='replace')[-800:]}")
    return done.stdout


class Rung:
    """A rung of a clip, its pictures as raw 4:2:0 in a file, and what Magpie's plan says of it."""

    def __init__(self, argument, work):
        clip, edge, maxrate, *rest = argument.split(":")
        self.clip, self.edge, self.maxrate = Path(clip), int(edge), int(maxrate)
        self.is_source = rest == ["source"]
        self.name = f"{self.clip.stem}-{edge}p"
        self.work = work / self.name
        self.work.mkdir(parents=True, exist_ok=True)
        self.pictures = self.work / "pictures.yuv"

    def encode(self, crf_centi, maxrate):
        """Magpie's rendition: one file of all published segments, and its plan."""
        out = self.work / f"magpie-{crf_centi}-{maxrate}"
        profile = self.work / f"{out.name}.toml"
        profile.write_text(
            'base = "web"\n[video]\nrungs = '
            f"[{{ short_edge = {self.edge}, crf_centi = {crf_centi}, maxrate_bps = {maxrate} }}]\n"
        )
        shutil.rmtree(out, ignore_errors=True)
        call([MAGPIE, "run", self.clip, "--out", out, "--json", "--slots", THREADS,
              "--profile", profile, "--review", "approve"])
        (plan,) = out.glob("jobs/*/plan.json")
        (folder,) = [init.parent for init in out.glob("titles/*/v1/video/*/init.mp4")]
        joined = self.work / f"{out.name}.mp4"
        with joined.open("wb") as file:
            for part in [folder / "init.mp4", *sorted(folder.glob("0*.m4s"))]:
                file.write(part.read_bytes())
        self.read(json.loads(plan.read_text()))
        shutil.rmtree(out)
        return joined

    def read(self, plan):
        video = plan["video"]
        (group,) = video["groups"]
        (rendition,) = group["renditions"]
        self.rendition, self.size = rendition, f"{rendition['width']}x{rendition['height']}"
        self.rate = "/".join(str(part) for part in rendition["frame_rate"])
        self.fps = rendition["frame_rate"][0] / rendition["frame_rate"][1]
        self.frames = video["grid"]["frames"]
        self.segment_frames = video["grid"]["segment_frames"]
        self.keyframe_frames = group["keyframe_frames"]
        self.picture_bytes = rendition["width"] * rendition["height"] * 3 // 2
        step = range(0, self.segment_frames, self.keyframe_frames)
        keys = [s + k for s in range(0, self.frames, self.segment_frames) for k in step]
        self.keyframes = [frame for frame in keys if frame < self.frames]
        self.borders = list(range(self.segment_frames, self.frames, self.segment_frames))

    def make_pictures(self):
        source = self.encode(0, 200_000_000)
        source = self.clip if self.is_source else source
        call([FFMPEG, "-v", "error", "-y", "-i", source, "-map", "0:v:0",
              "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", self.pictures])
        found = self.pictures.stat().st_size
        if found != self.frames * self.picture_bytes:
            raise SystemExit(f"{self.name}: the pictures are not {self.frames} of {self.size}")

    def raw(self, first=0):
        """Options that read the pictures from one on."""
        return ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", self.size, "-framerate", self.rate,
                "-skip_initial_bytes", first * self.picture_bytes]


def x264_parameters(rendition, changes=()):
    """The parameters that Magpie's encoder room gives to x264, with changes; None takes one out."""
    rate = rendition["rate"]
    parameters = {
        "crf": f"{rate['quality_centi'] // 100}.{rate['quality_centi'] % 100:02}",
        "min-keyint": 100000,
        "vbv-maxrate": max(rate["maxrate_bps"] // 1000, 1),
        "vbv-bufsize": max(rate["buffer_bits"] // 1000, 1),
        "vbv-init": 0.7,
        "keyint": "infinite", "open-gop": 0, "force-cfr": 1, "stitchable": 1,
        "cpu-independent": 1, "nal-hrd": "none", "zones": "0,0,b=1.4",
    }
    parameters.update(changes)
    return ":".join(f"{key}={value}" for key, value in parameters.items() if value is not None)


def single_run(rung, out, changes=()):
    """One encoder for all pictures, with IDR pictures where Magpie has them."""
    keyframe = f"expr:not(mod(mod(n,{rung.segment_frames}),{rung.keyframe_frames}))"
    call([ENCODER, "-v", "error", "-y", *rung.raw(), "-i", rung.pictures, "-c:v", "libx264",
          "-preset", rung.rendition["preset"], "-threads", rung.rendition["threads"],
          "-flags", "+global_header+cgop", "-force_key_frames", keyframe,
          "-x264-params", x264_parameters(rung.rendition, changes), *NO_SEI, out])
    return out


def packets(file):
    """Bytes of each picture in decode order, and the places of the key frames."""
    probe = ["-v", "error", "-i", file, "-map", "0:v:0", "-c", "copy", "-f", "framecrc", "-"]
    rows = [line.split(b",") for line in call([FFMPEG, *probe]).splitlines() if line[:1] != b"#"]
    # A sixth column holds the flags where the packet is no key frame.
    keys = [i for i, row in enumerate(rows) if not any(b"F=0x0" in column for column in row)]
    return [int(row[4]) for row in rows], keys


def quality(rung, inputs, log):
    """VMAF and PSNR-Y of every frame against the pictures that the encoders were given."""
    # One time base, else the filter pairs frames by their rounded times; one set of colour
    # properties, else ffmpeg converts the side that is tagged into what it thinks the other is.
    pair = ("settb=1/1000,setpts=N*40,setparams=range=limited:colorspace=bt709:"
            "color_primaries=bt709:color_trc=bt709,format=yuv420p")
    graph = (f"[0:v:0]{pair}[d];[1:v:0]{pair}[r];[d][r]libvmaf=model=version=vmaf_v0.6.1:"
             f"feature=name=psnr:n_threads={THREADS}:log_fmt=json:log_path={log}")
    call([FFMPEG, "-v", "error", "-y", *inputs, *rung.raw(), "-i", rung.pictures,
          "-filter_complex", graph, "-f", "null", "-"])
    frames = [frame["metrics"] for frame in json.loads(Path(log).read_text())["frames"]]
    if len(frames) != rung.frames:
        raise SystemExit(f"{log}: {len(frames)} frames were paired, not {rung.frames}")
    return {"vmaf": [f["vmaf"] for f in frames], "psnr": [f["psnr_y"] for f in frames]}


def measure_file(rung, file):
    sizes, keys = packets(file)
    if keys != rung.keyframes or len(sizes) != rung.frames:
        raise SystemExit(f"{file}: {len(sizes)} frames, key frames {keys}, not {rung.keyframes}")
    return {"sizes": sizes, **quality(rung, ["-i", file], f"{file}.json")}


def compare(rung, ours, twin):
    """Ours minus the single run: everywhere, around the segment borders, around all key frames."""
    around = lambda places: sorted(
        {f for b in places for f in range(b - NEAR, b + NEAR + 1) if 0 <= f < rung.frames})
    row = {"bytes": sum(ours["sizes"]), "twin_bytes": sum(twin["sizes"])}
    row["key_bytes"], row["twin_key_bytes"] = (
        mean([side["sizes"][k] for k in rung.keyframes]) for side in (ours, twin))
    row["size_ratio"] = row["bytes"] / row["twin_bytes"]
    for metric in ("vmaf", "psnr"):
        row[metric], row[f"twin_{metric}"] = mean(ours[metric]), mean(twin[metric])
        difference = [a - b for a, b in zip(ours[metric], twin[metric])]
        row[f"{metric}_mean"] = mean(difference)
        for label, places in (("border", rung.borders), ("key", rung.keyframes[1:])):
            near = [(difference[f], f) for f in around(places)]
            row[f"{metric}_{label}_mean"] = mean([value for value, _ in near])
            row[f"{metric}_{label}_worst"], row[f"{metric}_{label}_worst_frame"] = min(near)
    return row


def run_rung(rung, crfs, maxrate):
    rung.make_pictures()
    rows = []
    for crf in crfs:
        ours = measure_file(rung, rung.encode(crf * 100, maxrate))
        twin = measure_file(rung, single_run(rung, rung.work / f"single-{crf}-{maxrate}.mp4"))
        row = {"rung": rung.name, "size": rung.size, "frames": rung.frames, "crf": crf,
               "kbps": sum(ours["sizes"]) * rung.fps / rung.frames / 125,
               "borders": len(rung.borders), "cap": rung.rendition["rate"]["maxrate_bps"],
               **compare(rung, ours, twin)}
        rows.append(row)
        print(table_row(row), flush=True)
    rung.pictures.unlink()
    return rows


HEAD = ("| rung | CRF | kb/s of cap | size | VMAF single | mean | border mean | border worst "
        "| key worst | PSNR border mean | worst |\n" + "| --- " * 2 + "| ---: " * 9 + "|")


def table_row(row):
    rate = f"{row['kbps']:.0f} of {row['cap'] // 1000}"
    values = [row["rung"], row["crf"], rate, f"{(row['size_ratio'] - 1) * 100:+.1f} %",
              f"{row['twin_vmaf']:.2f}"]
    values += [f"{row[key]:+.2f}" for key in (
        "vmaf_mean", "vmaf_border_mean", "vmaf_border_worst", "vmaf_key_worst",
        "psnr_border_mean", "psnr_border_worst")]
    return "| " + " | ".join(str(value) for value in values) + " |"


def conclude(rows):
    """BD-rates and the three bounds. The status is 1 when one is missed."""
    names = list(dict.fromkeys(row["rung"] for row in rows))
    results = {}
    print("\n| rung | BD-rate VMAF | BD-rate PSNR |\n| --- | ---: | ---: |")
    for name in names:
        mine = [row for row in rows if row["rung"] == name]
        results[name] = {metric: bd_rate(mine, metric) for metric in ("vmaf", "psnr")}
    results["mean of rungs"] = {metric: mean([r[metric] for r in results.values()])
                                for metric in ("vmaf", "psnr")}
    results["pooled"] = {metric: bd_rate(pooled(rows), metric) for metric in ("vmaf", "psnr")}
    for name, result in results.items():
        print(f"| {name} | {result['vmaf']:+.2f} % | {result['psnr']:+.2f} % |")
    border = mean([row["vmaf_border_mean"] for row in rows])
    worst = min(rows, key=lambda row: row["vmaf_border_worst"])
    bounds = [
        (abs(border) <= MEAN_BOUND, f"border mean {border:+.3f} VMAF, bound {MEAN_BOUND}"),
        (worst["vmaf_border_worst"] >= -FRAME_BOUND,
         f"worst border frame {worst['vmaf_border_worst']:+.2f} VMAF "
         f"({worst['rung']}, CRF {worst['crf']}), bound -{FRAME_BOUND}"),
        (max(abs(v) for v in results["pooled"].values()) <= RATE_BOUND,
         f"pooled BD-rate {results['pooled']['vmaf']:+.2f} % VMAF, "
         f"{results['pooled']['psnr']:+.2f} % PSNR, bound {RATE_BOUND} %"),
    ]
    for held, text in bounds:
        print(("held    " if held else "MISSED  ") + text)
    return results, int(not all(held for held, _ in bounds))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("rungs", nargs="*")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--with", type=Path, nargs="+", default=[], dest="earlier")
    parser.add_argument("--crf", default="19,23,27,31")
    parser.add_argument("--uncapped", action="store_true")
    arguments = parser.parse_args()
    crfs = [int(crf) for crf in arguments.crf.split(",")]
    rows = [row for file in arguments.earlier for row in json.loads(file.read_text())["rows"]]
    print("\n".join([HEAD, *map(table_row, rows)]), flush=True)
    for argument in arguments.rungs:
        rung = Rung(argument, arguments.work)
        rows += run_rung(rung, crfs, 200_000_000 if arguments.uncapped else rung.maxrate)
    results, status = conclude(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": rows, "bd_rate": results}, indent=1) + "\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
