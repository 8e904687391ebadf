#!/usr/bin/env python3
"""How well a farm of N node processes, each on a core of its own, shares one title of unequal segments.

The makespan is the time from the first encode chunk that was taken to the last that was done, as the nodes
log it; the tail is the time from the first node that found nothing more to do to the end. Both are held
against the work of the same run: the processor time of all processes, and the time that the nodes held
chunks. With --alone the same title also goes through a farm of one node.
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
COMMITTED = re.compile(r"^(\S+) .*segment committed ")
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
    "360 segments, the longest last": (20, 1),
    "360 segments, the longest spread": (1, 20),
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
        settings = ["--scheduler", url, "--slots", "1", "--id", f"n{core}", "--log", "info,node_agent=debug", *roots]
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
    starts, ends, busy, chunks, segments, longest = [], [], 0.0, 0, 0, 0.0
    for core in range(nodes):
        taken, last, before = None, None, None
        for line in (work / f"n{core}.log").read_text().splitlines():
            if found := TAKEN.match(line):
                taken = before = seconds(found[1])
                starts.append(taken)
                chunks += 1
            elif found := COMMITTED.match(line):
                # It was begun when the one before was committed, or the chunk was taken.
                longest = max(longest, seconds(found[1]) - before)
                before = seconds(found[1])
                segments += 1
            elif (found := DONE.match(line)) and taken is not None:
                last = seconds(found[1])
                busy += last - taken
        if last is None:
            sys.exit(f"n{core} did nothing")
        ends.append(last)
    first = min(starts)
    return {
        "nodes": nodes,
        "makespan_s": round(max(ends) - first, 3),
        "tail_s": round(max(ends) - min(ends), 3),
        "longest_segment_s": round(longest, 3),
        "over_processor_time": round((max(ends) - first) * nodes / cpu, 4),
        "over_held_time": round((max(ends) - first) * nodes / busy, 4),
        "cpu_s": round(cpu, 2),
        "chunks": chunks,
        "segments": segments,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--magpie", default="target/release/magpie")
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="a folder that does not exist")
    parser.add_argument("--json", type=pathlib.Path, help="where the results go")
    parser.add_argument("--alone", action="store_true", help="with a farm of one node beside it")
    args = parser.parse_args()
    args.work = args.work.absolute()
    args.work.mkdir()
    magpie = str(pathlib.Path(args.magpie).absolute())
    results = []
    for number, (name, (passes, rounds)) in enumerate(TITLES.items()):
        source = args.work / f"title-{number}.mp4"
        make_title(source, passes, rounds)
        for run in range(args.runs):
            for nodes in (1, args.nodes) if args.alone else (args.nodes,):
                measures = farm(magpie, source, args.work / f"{number}-{run}-{nodes}", nodes)
                results.append({"title": name, **measures})
                print(json.dumps(results[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    os.umask(0o022)
    main()
