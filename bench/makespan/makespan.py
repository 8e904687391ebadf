#!/usr/bin/env python3
"""How well a farm of N node processes, each on a core of its own, shares one title of unequal segments.

The same title goes through a farm of one node and a farm of N. The makespan is the time from the first
encode chunk that was taken to the last that was done, as the nodes log it; the tail is the time from the
first node that found nothing more to do to the end.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import time

TAKEN = re.compile(r"^(\S+) .*chunk taken chunk=\S+/video-\S+#")
DONE = re.compile(r"^(\S+) .*(?:chunk done|chunk let go) chunk=\S+/video-\S+#")
PROFILE = """name = "makespan"
base = "web"
segment_seconds = 2
[video]
rungs = [{ short_edge = 540, crf_centi = 2300, maxrate_bps = 6_000_000 }]
[qc]
freeze = { action = "pass", seconds = 20.0 }
"""
# Still, moving, and noisy pictures: from 0.2 to 5 times the mean. A pass through them has 18 segments.
SCENES = [
    ("smptehdbars=size=960x540:rate=25", "null", 12),
    ("testsrc2=size=960x540:rate=25", "null", 12),
    ("mandelbrot=size=960x540:rate=25", "null", 8),
    ("testsrc2=size=960x540:rate=25", "noise=alls=40:allf=t", 4),
]
# How long each scene is, in passes, and how often they follow each other.
TITLES = {
    "90 segments, the longest last": (5, 1),
    "180 segments, the longest last": (10, 1),
    "180 segments, the longest spread": (1, 10),
}


def make_title(path, passes, rounds):
    """A title in which one segment in nine takes four times the mean."""
    inputs, graph = [], ""
    for at, (scene, change, seconds) in enumerate(SCENES * rounds):
        inputs += ["-f", "lavfi", "-t", str(seconds * passes), "-i", scene]
        graph += f"[{at}:v]{change},format=yuv420p[s{at}];"
    count = len(SCENES) * rounds
    graph += "".join(f"[s{at}]" for at in range(count)) + f"concat=n={count}:v=1[out]"
    encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "20", "-g", "50"]
    command = ["ffmpeg", "-nostdin", "-y", "-loglevel", "error", *inputs]
    command += ["-filter_complex", graph, "-map", "[out]", *encoder, str(path)]
    subprocess.run(command, check=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)


def wait_for(port):
    for _ in range(200):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("the scheduler does not listen")


def farm(magpie, source, work, nodes):
    """Runs the title through a farm; gives what was measured."""
    work.mkdir(parents=True)
    (work / "profile.toml").write_text(PROFILE)
    port = free_port()
    roots = ["--source-root", str(source.parent)]
    places = ["--storage", str(work / "storage"), "--redis-folder", str(work / "redis")]
    ports = ["--listen", f"127.0.0.1:{port}", "--dashboard", f"127.0.0.1:{free_port()}"]
    with open(work / "scheduler.log", "w") as log:
        scheduler = subprocess.Popen([magpie, "scheduler", *roots, *places, *ports], stderr=log, stdout=log)
    wait_for(port)
    url = f"http://127.0.0.1:{port}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = []
    for core in range(nodes):
        settings = ["--scheduler", url, "--slots", "1", "--id", f"n{core}", "--log", "info", *roots]
        with open(work / f"n{core}.log", "w") as log:
            command = ["taskset", "-c", str(core), magpie, "node", *settings]
            running.append(subprocess.Popen(command, stderr=log, stdout=log))
    submit = [magpie, "submit", str(source), "--scheduler", url, "--title", "skewed", "--json"]
    submit += ["--profile", str(work / "profile.toml")]
    answer = json.loads(subprocess.run(submit, check=True, capture_output=True, text=True).stdout.splitlines()[0])
    job = answer["job"]["id"] if "job" in answer else answer["id"]
    watched = subprocess.run([magpie, "watch", job, "--scheduler", url], capture_output=True, text=True)
    if watched.returncode != 0:
        sys.exit(f"the job ended otherwise: {watched.stdout}{watched.stderr}")
    for node in running:
        stop(node)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    stop(scheduler)
    return measured(work, nodes, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measured(work, nodes, cpu):
    """What the logs and the stored segments say of a run."""
    starts, ends, busy, chunks = [], [], 0.0, 0
    for core in range(nodes):
        taken = None
        last = None
        for line in (work / f"n{core}.log").read_text().splitlines():
            if found := TAKEN.match(line):
                taken = seconds(found[1])
                starts.append(taken)
                chunks += 1
            elif (found := DONE.match(line)) and taken is not None:
                last = seconds(found[1])
                busy += last - taken
        if last is None:
            sys.exit(f"n{core} did nothing")
        ends.append(last)
    first = min(starts)
    stored = sorted(one.stat().st_mtime for one in (work / "storage").rglob("segments/**/*.m4s"))
    gaps = [after - before for before, after in zip([first, *stored], stored)]
    return {
        "nodes": nodes,
        "makespan_s": round(max(ends) - first, 3),
        "tail_s": round(max(ends) - min(ends), 3),
        "busy_share": round(busy / (nodes * (max(ends) - first)), 4),
        "cpu_s": round(cpu, 2),
        "chunks": chunks,
        "segments": len(stored),
        "longest_gap_s": round(max(gaps), 3),
        "mean_gap_s": round(sum(gaps) / len(gaps), 3),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--magpie", default="target/release/magpie")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="a folder that does not exist")
    parser.add_argument("--json", type=pathlib.Path, help="where the results go")
    args = parser.parse_args()
    args.work = args.work.absolute()
    args.work.mkdir()
    magpie = str(pathlib.Path(args.magpie).absolute())
    results = []
    for number, (name, (passes, rounds)) in enumerate(TITLES.items()):
        source = args.work / f"title-{number}.mp4"
        make_title(source, passes, rounds)
        for run in range(args.runs):
            alone, many = [
                farm(magpie, source, args.work / f"{number}-{run}-{nodes}", nodes)
                for nodes in (1, args.nodes)
            ]
            result = {
                "title": name,
                "makespan_over_work_of_one_node": round(many["makespan_s"] * args.nodes / alone["makespan_s"], 4),
                "makespan_over_own_processor_time": round(many["makespan_s"] * args.nodes / many["cpu_s"], 4),
                "tail_s": many["tail_s"],
                "longest_segment_s": alone["longest_gap_s"],
                "runs": [alone, many],
            }
            results.append(result)
            print(json.dumps(result), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    os.umask(0o022)
    main()
