// The farm as it is now, from the live feed.
import { ago, by, follow, hide, kind, make, plural, span, text } from "/assets/dom.js";
import { FREE_SLOT, button, drawJob, failureBox, jobPath, newJob } from "/assets/job.js";

const RETRY_MS = 5000;

function notice(message) {
  text(by("notice"), message);
  hide(by("notice"), !message);
}

function state(name, says) {
  text(by("state"), says);
  kind(by("state"), `pill ${name}`);
}

async function act(path, body) {
  notice("");
  try {
    const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    if (!answer.ok) notice(`Refused: ${(await answer.text()) || answer.statusText}`);
  } catch (error) {
    notice(`The farm did not answer: ${error.message}`);
  }
}

function figures({ capacity }) {
  const { depth, slots, slots_busy: busy, nodes } = capacity;
  const left = !depth.seconds_left ? "none" : slots ? `~${span(depth.seconds_left / slots)}` : "stands still";
  const all = [["Jobs open", depth.jobs], ["Chunks queued", depth.chunks_queued], ["Chunks running", depth.chunks_held],
    ["Units left", depth.units_left], ["Work left", left], ["Slots busy", `${busy} / ${slots}`], ["Nodes", nodes], ["Dead letters", depth.dead]];
  if (depth.chunks_paused) all.splice(2, 0, ["Chunks paused", depth.chunks_paused]);
  // Jobs that the scheduler still takes up from storage, and that are not on this page yet.
  if (capacity.to_recover) all.unshift(["Recovering", capacity.to_recover]);
  follow(by("figures"), all, ([name]) => name, ([name]) => make("div", "", make("dt", "", name), make("dd")), (box, [name, value]) => {
    text(box.lastChild, value);
    kind(box, name === "Dead letters" && value ? "bad" : "");
  });
}

// What does not go on by itself, and why.
function stuck(farm) {
  const list = [];
  for (const { job, waiting_for: waits } of farm.jobs) {
    const add = (why) => list.push({ key: job.id, href: `#job-${job.id}`, name: job.title, why });
    if (job.phase === "failed" && job.failure) add(`failed: ${job.failure.kind} in ${job.failure.place}`);
    else if (waits && waits !== FREE_SLOT) add(`waits for ${waits}`);
  }
  for (const node of farm.nodes) {
    if (node.draining || node.info.leaving) list.push({ key: node.info.id, href: "#nodes", name: node.info.id, why: `drains: finishes ${node.holds.length} and takes nothing new` });
    else if (node.info.unfit) list.push({ key: node.info.id, href: "#nodes", name: node.info.id, why: `unfit: ${node.info.unfit}` });
  }
  hide(by("stuck-section"), !list.length);
  follow(by("stuck"), list, (one) => one.key, (one) => make("li", "", Object.assign(make("a", "", one.name), { href: one.href }), make("span")),
    (item, one) => text(item.lastChild, one.why));
}

// `<job>/<task>#<chunk>` with the title that a person knows.
function chunkName(id, titles) {
  const [job, rest] = [id.slice(0, id.indexOf("/")), id.slice(id.indexOf("/") + 1)];
  return `${titles.get(job) || job} ${rest}`;
}

// What a node works on, one entry for each task: a node may hold dozens of chunks of one.
function works(holds, titles) {
  const tasks = new Map();
  for (const id of holds) {
    const name = chunkName(id, titles);
    const task = name.slice(0, name.lastIndexOf("#"));
    tasks.set(task, (tasks.get(task) || 0) + 1);
  }
  return [...tasks].map(([task, count]) => (count > 1 ? `${task} (${count} chunks)` : task)).join(", ");
}

const cell = (label, kindName = "") => { const td = make("td", kindName); td.dataset.label = label; return td; };

function newNode() {
  return make("tr", "", cell("Node", "name"), cell("State"), cell("Slots"), cell("Works on"), cell("Machine", "muted"));
}

function drawNode(row, node, farm, titles) {
  const [name, taking, slots, busy, machine] = row.children;
  const { info } = node;
  text(name, info.id);
  text(taking, `${node.draining || node.info.leaving ? "draining" : node.info.unfit ? "unfit" : "takes work"}, seen ${ago(node.seen_at_ms, farm.now_ms)}`);
  const boxes = Array.from({ length: Math.min(Math.max(info.slots, node.holds.length), 64) }, (_, i) => ({ i, held: node.holds[i] }));
  if (!slots.firstChild) slots.append(make("span", "slots"), make("span", "count"));
  follow(slots.firstChild, boxes, (box) => box.i, () => make("i"), (box, { held }) => kind(box, held ? "r" : "q"));
  text(slots.lastChild, `${node.holds.length} of ${info.slots}`);
  text(busy, works(node.holds, titles) || "nothing");
  const memory = `${Math.round(info.memory_bytes / 2 ** 30)} GiB`;
  text(machine, [info.host, `${info.cores} cores`, memory, info.gpus.join(", ") || "no GPU", `magpie ${info.version}`].join(" · "));
}

function newDead(chunk) {
  const job = chunk.chunk.slice(0, chunk.chunk.indexOf("/"));
  const retry = cell("");
  retry.append(button("Retry", () => act(`${jobPath(job)}/retry`, {})));
  const failure = cell("Last failure");
  failure.append(chunk.last ? failureBox(chunk.last.failure) : make("span", "muted", "not known"));
  return make("tr", "", cell("Chunk", "name"), failure, cell("Attempts", "number"), cell("Since"), retry);
}

function drawDead(row, chunk, farm, titles) {
  const [name, , attempts, since] = row.children;
  text(name, chunkName(chunk.chunk, titles));
  text(attempts, chunk.attempts);
  text(since, `${ago(chunk.dead_at_ms, farm.now_ms)}${chunk.last ? ` on ${chunk.last.node}` : ""}`);
}

function draw(farm) {
  const titles = new Map(farm.jobs.map(({ job }) => [job.id, job.title]));
  figures(farm);
  stuck(farm);
  follow(by("jobs"), farm.jobs, (one) => one.job.id, newJob, (box, one) => drawJob(box, one, { now: farm.now_ms, act }));
  hide(by("no-jobs"), farm.jobs.length > 0);
  hide(by("legend"), farm.jobs.length === 0);
  text(by("more-reviews-count"), plural(farm.more_reviews || 0, "more job waits", "more jobs wait"));
  hide(by("more-reviews"), !farm.more_reviews);
  hide(by("more-jobs"), !farm.more_jobs);
  follow(by("nodes"), farm.nodes, (node) => node.info.id, newNode, (row, node) => drawNode(row, node, farm, titles));
  hide(by("node-table"), farm.nodes.length === 0);
  hide(by("no-nodes"), farm.nodes.length > 0);
  follow(by("dead"), farm.dead, (chunk) => `${chunk.chunk} ${chunk.dead_at_ms}`, newDead, (row, chunk) => drawDead(row, chunk, farm, titles));
  hide(by("dead-table"), farm.dead.length === 0);
  hide(by("no-dead"), farm.dead.length > 0);
  text(by("more-dead-count"), plural(farm.more_dead || 0, "more chunk"));
  hide(by("more-dead"), !farm.more_dead);
}

let feed = null;
function watch() {
  feed = new EventSource("/api/live");
  feed.onmessage = (event) => {
    const farm = JSON.parse(event.data);
    if (farm.error) return state("failed", `not up to date: ${farm.error}`);
    state("published", "live");
    draw(farm);
  };
  feed.onerror = () => {
    state("failed", "not up to date: the scheduler does not answer, trying again…");
    // The browser tries again by itself after a lost connection, but not after a refusal.
    if (feed?.readyState === EventSource.CLOSED) setTimeout(() => { if (!document.hidden) rewatch(); }, RETRY_MS);
  };
}
function rewatch() {
  feed?.close();
  watch();
}
// Browsers keep six connections to a host: a page that nobody looks at gives its own back.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return rewatch();
  feed?.close();
  state("", "paused");
});
watch();
