// Plays a published title with hls.js and shows its sprite tiles on the seek bar.
const by = (id) => document.getElementById(id);
const [video, quality, sound, captions, state, seek, preview] =
  ["video", "quality", "sound", "captions", "state", "seek", "preview"].map(by);
const name = decodeURIComponent(location.pathname.split("/").pop());
const options = (select, entries, chosen) => select.replaceChildren(...entries.map(([value, text]) => new Option(text, value, false, value === chosen)));
const seconds = (stamp) => stamp.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);

async function tiles(url) {
  const answer = await fetch(url);
  if (!answer.ok) return [];
  return [...(await answer.text()).matchAll(/([\d:.]+) --> ([\d:.]+)[^\n]*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/g)].map((m) => (
    { start: seconds(m[1]), end: seconds(m[2]), sheet: new URL(m[3], answer.url).href, x: m[4], y: m[5], w: m[6], h: m[7] }));
}

function scrubber(list) {
  const at = (event) => Math.min(Math.max(event.offsetX / seek.clientWidth, 0), 1) * (video.duration || 0);
  seek.addEventListener("mousemove", (event) => {
    const time = at(event);
    const tile = list.find((one) => time < one.end) || list.at(-1);
    if (!tile) return;
    Object.assign(preview.style, { display: "block", left: `${Math.max(0, event.offsetX - 64)}px`, width: `${tile.w}px`, height: `${tile.h}px`,
      backgroundImage: `url("${tile.sheet}")`, backgroundPosition: `-${tile.x}px -${tile.y}px` });
  });
  seek.addEventListener("mouseleave", () => { preview.style.display = "none"; });
  seek.addEventListener("input", () => { video.currentTime = (seek.value / 1000) * (video.duration || 0); });
  video.addEventListener("timeupdate", () => { if (video.duration) seek.value = (video.currentTime / video.duration) * 1000; });
}

function choices(hls) {
  hls.on(Hls.Events.MANIFEST_PARSED, () => {
    options(quality, [["-1", "automatic"], ...hls.levels.map((level, i) => [String(i), `${level.width}×${level.height} · ${Math.round(level.bitrate / 1000)} kb/s`])], "-1");
  });
  hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => options(sound, hls.audioTracks.map((track, i) => [String(i), track.name]), String(hls.audioTrack)));
  hls.on(Hls.Events.SUBTITLE_TRACKS_UPDATED, () => options(captions, [["-1", "off"], ...hls.subtitleTracks.map((track, i) => [String(i), track.name])], "-1"));
  quality.onchange = () => { hls.currentLevel = Number(quality.value); };
  sound.onchange = () => { hls.audioTrack = Number(sound.value); };
  captions.onchange = () => { hls.subtitleTrack = Number(captions.value); hls.subtitleDisplay = captions.value !== "-1"; };
  hls.on(Hls.Events.LEVEL_SWITCHED, (_, { level }) => { state.textContent = `playing ${hls.levels[level].height}p`; });
  hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) { state.textContent = `playback stopped: ${data.details}`; state.className = "error"; } });
}

async function start() {
  const answer = await fetch(`/catalog/${encodeURIComponent(name)}`);
  if (!answer.ok) throw new Error(answer.status === 404 ? "there is no such published title" : await answer.text());
  const entry = await answer.json();
  const root = `/${entry.path}/`;
  document.title = by("title").textContent = `${entry.title} · version ${entry.version}`;
  for (const path of [entry.hls, entry.dash]) {
    const link = Object.assign(document.createElement("a"), { href: root + path, textContent: location.origin + root + path });
    by("links").append(link);
  }
  scrubber(await tiles(`${root}images/thumbnails.vtt`));
  video.poster = `${root}images/poster.jpg`;
  if (Hls.isSupported()) {
    const hls = new Hls();
    choices(hls);
    hls.loadSource(root + entry.hls);
    hls.attachMedia(video);
  } else {
    video.src = root + entry.hls;
  }
}
start().catch((error) => { state.textContent = error.message; state.className = "error"; });
