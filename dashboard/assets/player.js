// Plays a published title with hls.js, or with the browser's own HLS, and shows its sprite tiles above
// the seek bar. A title without pictures gets the same controls and no stage.
import { by, clock, hide, make, text } from "/assets/dom.js";

/* global Hls */
const [video, quality, sound, captions, seek, preview, stage] = ["video", "quality", "sound", "captions", "seek", "preview", "stage"].map(by);
const SEEK_SECONDS = 5;

function fail(message) {
  text(by("notice"), message);
  hide(by("notice"), false);
}

// Fills a menu; one with nothing to choose is not shown.
function menu(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, name]) => new Option(name, value, false, String(value) === String(chosen))));
  hide(select.parentElement, entries.length < 2);
}

const seconds = (stamp) => stamp.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);

async function tiles(url) {
  const answer = await fetch(url);
  if (!answer.ok) return [];
  const cues = (await answer.text()).matchAll(/([\d:.]+) --> ([\d:.]+)[^\n]*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/g);
  return [...cues].map(([, start, end, sheet, ...box]) => {
    const [x, y, w, h] = box.map(Number);
    return { start: seconds(start), end: seconds(end), sheet: new URL(sheet, answer.url).href, x, y, w, h };
  });
}

// The tile of a moment above the seek bar, kept inside of it.
function show(list, time) {
  const tile = list.find((one) => time < one.end) || list.at(-1);
  const width = tile ? tile.w : 64;
  const share = video.duration ? time / video.duration : 0;
  const left = Math.min(Math.max(share * seek.clientWidth - width / 2, 0), seek.clientWidth - width);
  Object.assign(preview.style, { left: `${left}px`, width: `${width}px`, height: tile ? `${tile.h}px` : "1.6rem",
    backgroundImage: tile ? `url("${tile.sheet}")` : "none", backgroundPosition: tile ? `-${tile.x}px -${tile.y}px` : "0 0" });
  text(preview.firstElementChild, clock(time));
  hide(preview, false);
}

function scrubber(tilesOf) {
  const pointed = (event) => {
    const box = seek.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * (video.duration || 0);
  };
  const leave = () => hide(preview, true);
  seek.addEventListener("pointermove", (event) => show(tilesOf(), pointed(event)));
  seek.addEventListener("pointerleave", leave);
  seek.addEventListener("blur", leave);
  seek.addEventListener("input", () => {
    video.currentTime = Number(seek.value);
    show(tilesOf(), Number(seek.value));
  });
}

function clockwork() {
  const now = () => {
    const length = Number.isFinite(video.duration) ? video.duration : 0;
    if (Number(seek.max) !== length) seek.max = length;
    seek.value = video.currentTime;
    const says = `${clock(video.currentTime)} / ${clock(length)}`;
    text(by("time"), says);
    seek.setAttribute("aria-valuetext", says);
  };
  for (const event of ["timeupdate", "durationchange", "seeking"]) video.addEventListener(event, now);
  const playing = () => text(by("play"), video.paused ? "Play" : "Pause");
  for (const event of ["play", "pause", "ended"]) video.addEventListener(event, playing);
  video.addEventListener("volumechange", () => {
    by("mute").setAttribute("aria-pressed", video.muted);
    text(by("mute"), video.muted ? "Unmute" : "Mute");
    by("volume").value = video.muted ? 0 : video.volume;
  });
  video.addEventListener("error", () => fail(`Playback stopped: ${video.error?.message || "the browser cannot play this title"}`));
}

function toggle() {
  if (!video.paused) return video.pause();
  video.play().catch((error) => { if (error.name !== "AbortError") fail(`Playback did not start: ${error.message}`); });
}
const mute = () => { video.muted = !video.muted; };
function full() {
  if (document.fullscreenElement) return document.exitFullscreen();
  // An iPhone fills its screen with the video alone.
  return stage.requestFullscreen ? stage.requestFullscreen() : video.webkitEnterFullscreen?.();
}
function turnCaptions() {
  if (captions.options.length < 2) return;
  captions.value = captions.value === "-1" ? captions.options[1].value : "-1";
  captions.dispatchEvent(new Event("change"));
}
const step = (change) => { video.currentTime = Math.min(Math.max(video.currentTime + change, 0), video.duration || 0); };

function controls() {
  by("play").onclick = toggle;
  video.onclick = toggle;
  by("mute").onclick = mute;
  by("full").onclick = full;
  by("volume").oninput = () => { video.volume = Number(by("volume").value); video.muted = video.volume === 0; };
  const keys = { " ": toggle, k: toggle, m: mute, f: full, c: turnCaptions, ArrowLeft: () => step(-SEEK_SECONDS), ArrowRight: () => step(SEEK_SECONDS) };
  document.addEventListener("keydown", (event) => {
    // A key that a menu, a link or a button understands is theirs; the seek bar's arrows are ours.
    const own = event.target.closest("select, button, a, input:not(#seek)");
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || (own && !/^[mfc]$/.test(event.key)) || event.target.closest("select")) return;
    event.preventDefault();
    act();
  });
  hide(by("controls"), false);
}

const rate = (bits) => (bits >= 1e6 ? `${(bits / 1e6).toFixed(1)} Mb/s` : `${Math.round(bits / 1000)} kb/s`);
const levelName = (level) => (level.height ? `${level.height}p · ${rate(level.bitrate)}` : rate(level.bitrate));

// A track that is named by its language code gets the language's name as the viewer would write it.
function trackName({ name, lang }) {
  if (!lang || lang === "und" || (name && !new RegExp(`^${lang}\\b`).test(name))) return name || lang || "sound";
  try {
    const language = new Intl.DisplayNames(undefined, { type: "language" }).of(lang);
    return (name || lang).replace(lang, language);
  } catch {
    return name || lang;
  }
}

function soundName(track) {
  const channels = { 1: "mono", 2: "stereo", 6: "5.1", 8: "7.1" }[Number.parseInt(track.channels, 10)];
  const known = trackName(track).replace(/^und\b/, "sound");
  return channels && !known.includes(channels) ? `${known} · ${channels}` : known;
}

// Every rendition is listed once for each group of sound tracks, and hls.js would change stereo for 5.1
// with the rate. The page stays in one group until the viewer picks a track of another one.
function keepGroup(hls, wanted) {
  const groups = hls.levels.map((level) => level.audioGroups?.[0]);
  const group = groups.includes(wanted) ? wanted : groups[0];
  for (let i = groups.length - 1; i >= 0; i--) if (groups[i] !== group) hls.removeLevel(i);
  return group;
}

function soundMenu(hls, source) {
  let group;
  let name;
  hls.on(Hls.Events.MANIFEST_PARSED, () => {
    group = keepGroup(hls, group);
    const tracks = hls.allAudioTracks;
    const chosen = tracks.findIndex((track) => track.groupId === group && (!name || track.name === name));
    menu(sound, tracks.map((track, i) => [i, soundName(track)]), chosen);
  });
  hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, (_, { audioTracks }) => {
    const same = audioTracks.findIndex((track) => track.name === name);
    if (same >= 0 && hls.audioTrack !== same) hls.audioTrack = same;
  });
  sound.onchange = () => {
    const track = hls.allAudioTracks[Number(sound.value)];
    name = track.name;
    if (track.groupId === group) {
      hls.audioTrack = hls.audioTracks.findIndex((one) => one.name === name);
      return;
    }
    group = track.groupId;
    const paused = video.paused;
    hls.config.startPosition = video.currentTime;
    hls.loadSource(source);
    if (!paused) video.addEventListener("canplay", () => { if (video.paused) toggle(); }, { once: true });
  };
}

function choices(hls) {
  const on = (event, act) => hls.on(Hls.Events[event], (_, data) => act(data));
  // Another group of sound tracks brings renditions and captions anew: what was chosen stays chosen.
  on("MANIFEST_PARSED", () => {
    const levels = hls.levels.map((level, i) => [i, levelName(level)]);
    const chosen = quality.value || "-1";
    menu(quality, levels.length > 1 ? [[-1, "automatic"], ...levels] : [], chosen);
    if (chosen !== "-1") hls.loadLevel = Number(chosen);
  });
  on("SUBTITLE_TRACKS_UPDATED", () => {
    const tracks = hls.subtitleTracks.map((track, i) => [i, trackName(track)]);
    menu(captions, [[-1, "off"], ...tracks], captions.value || "-1");
  });
  const caption = () => {
    const wanted = Number(captions.value || "-1");
    if (hls.subtitleTrack !== wanted) hls.subtitleTrack = wanted;
    hls.subtitleDisplay = wanted !== -1;
  };
  // The browser reports the end of the old text tracks late, and hls.js then takes captions for turned off.
  on("LEVEL_SWITCHED", caption);
  captions.onchange = caption;
  quality.onchange = () => { hls.nextLevel = Number(quality.value); };
  on("LEVEL_SWITCHED", ({ level }) => text(by("state"), `Now at ${levelName(hls.levels[level])}.`));
  on("ERROR", (data) => {
    const url = data.frag?.url || data.url;
    const status = data.response?.code ? `, HTTP ${data.response.code}` : "";
    const what = `${data.details}${status}${url ? ` for ${new URL(url, location).pathname}` : ""}`;
    if (data.fatal) fail(`Playback stopped: ${what}`);
    else if (data.type === Hls.ErrorTypes.NETWORK_ERROR) text(by("state"), `Trying again after ${what}.`);
  });
}

async function entryOf(name) {
  const answer = await fetch(`/catalog/${encodeURIComponent(name)}`);
  if (answer.status === 404) throw new Error(`There is no published title ${name}.`);
  if (!answer.ok) throw new Error(`The catalog could not be read: ${(await answer.text()) || answer.statusText}`);
  return answer.json();
}

function links(root, entry) {
  for (const [name, path] of [["HLS", entry.hls], ["DASH", entry.dash]]) {
    const link = Object.assign(make("a", "", location.origin + root + path), { href: root + path });
    by("links").append(make("dt", "muted", name), make("dd", "", link));
  }
}

// Pictures bring a poster and tiles; their files are asked for only where there are pictures.
async function pictures(root, found) {
  stage.classList.toggle("sound-only", !found);
  hide(by("full"), !found);
  if (!found) return [];
  video.poster = `${root}images/poster.jpg`;
  return tiles(`${root}images/thumbnails.vtt`);
}

async function start() {
  const entry = await entryOf(decodeURIComponent(location.pathname.split("/").pop()));
  const root = `/${entry.path}/`;
  text(by("title"), entry.title);
  document.title = `${entry.title} · Magpie`;
  text(by("state"), `Version ${entry.version}, ${clock(entry.duration[0] / entry.duration[1])}.`);
  links(root, entry);
  let list = [];
  for (const select of [quality, sound, captions]) menu(select, [], -1);
  clockwork();
  controls();
  scrubber(() => list);
  if (Hls.isSupported()) {
    const hls = new Hls();
    // First: what is listed after it has been thinned out.
    soundMenu(hls, root + entry.hls);
    choices(hls);
    hls.on(Hls.Events.MANIFEST_PARSED, async (_, { levels }) => { list = await pictures(root, levels.some((level) => level.height || level.videoCodec)); });
    hls.loadSource(root + entry.hls);
    hls.attachMedia(video);
  } else if (video.canPlayType("application/vnd.apple.mpegurl")) {
    // The browser has its own menus then.
    video.controls = true;
    video.src = root + entry.hls;
    video.addEventListener("loadedmetadata", async () => { list = await pictures(root, video.videoWidth > 0); });
  } else {
    throw new Error("This browser can play neither HLS nor media from scripts.");
  }
}
start().catch((error) => {
  hide(stage, true);
  hide(document.querySelector(".keys"), true);
  text(by("title"), "Nothing to play");
  document.title = "Nothing to play · Magpie";
  hide(by("elsewhere"), false);
  fail(error.message);
});
