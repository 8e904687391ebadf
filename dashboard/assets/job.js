// A job as a card: what it is, what it waits for, why it failed, and its tasks as strips of segments.
import { ago, clock, follow, hide, kind, make, plural, text } from "/assets/dom.js";

const STATES = { q: "queued", b: "waiting for other tasks", r: "running", s: "stolen", d: "done", f: "found again", x: "dead" };
// What the scheduler says of a job that will go on by itself.
export const FREE_SLOT = "a free slot";
const ENDED = ["published", "rejected", "failed", "cancelled"];
const ACTIVE = ["probing", "processing", "packaging"];

export const jobPath = (id) => `/api/jobs/${encodeURIComponent(id)}`;

// A button that asks before it does what cannot be undone, and is dead while the farm thinks.
export function button(name, act, question = "") {
  const made = make("button", "", name);
  made.type = "button";
  made.onclick = async () => {
    if (question && !confirm(question)) return;
    made.disabled = true;
    try { await act(); } finally { made.disabled = false; }
  };
  return made;
}

function actions(one, act) {
  const path = jobPath(one.job.id);
  const title = one.job.title;
  if (one.job.phase === "review") {
    return [button("Approve", () => act(`${path}/review`, { answer: "approve" })),
      button("Reject", () => act(`${path}/review`, { answer: "reject" }), `Reject ${title}? It is not published then.`)];
  }
  if (one.job.phase === "failed") return [button("Retry", () => act(`${path}/retry`, {}))];
  if (ACTIVE.includes(one.job.phase)) {
    const pause = one.job.paused ? button("Resume", () => act(`${path}/resume`, {})) : button("Pause", () => act(`${path}/pause`, {}));
    return [pause, button("Cancel", () => act(`${path}/cancel`, {}), `Cancel ${title}?`)];
  }
  if (one.job.phase === "published") {
    return [Object.assign(make("a", "button", "Watch"), { href: `/watch/${encodeURIComponent(title)}` })];
  }
  return [];
}

// A failure: class, place and message in sight, the evidence one step away.
export function failureBox(failure) {
  const box = make("div", "failure");
  const head = make("p", "", make("b", "", failure.kind), " in ", make("b", "", failure.place));
  box.append(head, make("p", "message", failure.message));
  if (failure.evidence) {
    box.append(make("details", "", make("summary", "", "Evidence"), make("pre", "", failure.evidence)));
  }
  return box;
}

function findings(verdict) {
  const box = make("div", `findings ${verdict.action}`);
  box.append(make("p", "", "Quality control: ", make("b", "", verdict.action), `, ${plural(verdict.checked, "check")} ran`));
  const list = make("ul");
  const seconds = ([num, den]) => num / den;
  // What has to be judged comes before what is only noted.
  const weight = { reject: 0, flag: 1, pass: 2 };
  for (const finding of [...verdict.findings].sort((one, other) => weight[one.action] - weight[other.action])) {
    const where = finding.start ? ` at ${clock(seconds(finding.start))}${finding.end ? ` to ${clock(seconds(finding.end))}` : ""}` : "";
    list.append(make("li", finding.action, make("b", "", finding.action), ` ${finding.check.replaceAll("_", " ")} in ${finding.track}${where}: ${finding.message}`));
  }
  // Remarks that pass are for whoever asks; what was flagged is what a person has to judge.
  box.append(verdict.action === "pass" ? make("details", "", make("summary", "", plural(list.children.length, "remark")), list) : list);
  return box;
}

function describe(one) {
  const plan = one.plan;
  const parts = [one.job.profile];
  if (plan) {
    parts.push(clock(plan.duration_seconds));
    if (plan.frames) parts.push(`${plan.frames} frames at ${plan.frame_rate}`);
    const codecs = new Map();
    for (const { codec, height } of plan.renditions) codecs.set(codec, [...(codecs.get(codec) || []), height]);
    for (const [codec, heights] of codecs) parts.push(`${codec} ${heights.join(", ")}p`);
    if (plan.audio.length) parts.push(plural(plan.audio.length, "sound output"));
    if (plan.text.length) parts.push(plural(plan.text.length, "text track"));
  }
  return parts.join(" · ");
}

function strip(row, task) {
  const [name, cells, count] = row.children;
  text(name, task.name);
  const counted = {};
  for (const letter of task.cells) counted[letter] = (counted[letter] || 0) + 1;
  const folded = task.cells.length < task.units;
  while (cells.children.length > task.cells.length) cells.lastChild.remove();
  while (cells.children.length < task.cells.length) cells.append(make("i"));
  kind(cells, task.cells.length > 80 ? "strip dense" : "strip");
  const holder = new Map(task.held.flatMap(([node, units]) => units.map((unit) => [unit, node])));
  [...cells.children].forEach((cell, index) => {
    kind(cell, task.cells[index]);
    const unit = Math.floor(index * task.units / task.cells.length);
    const says = `${folded ? "from " : ""}${unit}: ${STATES[task.cells[index]]}${holder.has(unit) ? ` on ${holder.get(unit)}` : ""}`;
    if (cell.title !== says) cell.title = says;
  });
  const spoken = Object.entries(counted).map(([letter, n]) => `${n} ${STATES[letter]}`).join(", ");
  cells.setAttribute("aria-label", `${task.name}: ${spoken}`);
  const tried = task.attempts ? `, ${plural(task.attempts, "failed try", "failed tries")}` : "";
  text(count, `${task.units_done}/${task.units} ${task.state}${tried}`);
}

function newStrip() {
  const cells = make("div", "strip");
  cells.setAttribute("role", "img");
  return make("div", "task", make("small"), cells, make("small"));
}

export function newJob(one) {
  const box = make("article", "job");
  box.id = `job-${one.job.id}`;
  box.append(make("div", "head", make("h3", "", one.job.title), make("span"), make("span", "muted grow"), make("span", "actions")));
  box.append(make("p", "plan muted"), make("p", "waits"), make("div", "said"));
  const tasks = make("details", "tasks", make("summary"), make("div"));
  tasks.open = !ENDED.includes(one.job.phase) || one.job.phase === "failed";
  box.append(tasks);
  return box;
}

export function drawJob(box, one, { now, act }) {
  const [head, plan, waits, said, tasks] = box.children;
  const [, phase, accepted, buttons] = head.children;
  const state = one.job.paused ? `${one.job.phase}, paused` : one.job.phase;
  text(phase, state);
  kind(phase, `pill ${one.job.paused ? "review" : one.job.phase}`);
  text(accepted, `accepted ${ago(one.job.accepted_at_ms, now)}`);
  text(plan, describe(one));
  text(waits, `Waits for ${one.waiting_for}.`);
  kind(waits, one.waiting_for === FREE_SLOT ? "muted" : "waits");
  hide(waits, !one.waiting_for);
  const done = one.job.units ? `${one.job.units_done} of ${one.job.units} segments and steps done` : "";
  text(tasks.firstChild, [one.tasks.length ? plural(one.tasks.length, "task") : "", done, `job ${one.job.id}`].filter(Boolean).join(" · "));
  // Nothing to open: a job that ended long ago has lost its tasks.
  kind(tasks, one.tasks.length ? "tasks" : "tasks empty");
  tasks.firstChild.tabIndex = one.tasks.length ? 0 : -1;
  follow(tasks.lastChild, one.tasks, (task) => task.name, newStrip, strip);
  if (box.dataset.version === String(one.job.version) && box.dataset.state === state) return;
  // A card that ended folds its strips, once: whoever opens it again keeps it open.
  if (box.dataset.phase && box.dataset.phase !== one.job.phase && one.job.phase === "published") tasks.open = false;
  if (box.dataset.state !== state) buttons.replaceChildren(...actions(one, act));
  box.dataset.state = state;
  box.dataset.version = one.job.version;
  box.dataset.phase = one.job.phase;
  const failure = one.job.failure ? [failureBox(one.job.failure)] : [];
  const notes = (one.plan?.notes || []).map((note) => make("p", "muted", `Left out: ${note}`));
  const judged = one.verdict && one.verdict.findings.length ? [findings(one.verdict)] : [];
  said.replaceChildren(...failure, ...judged, ...notes);
}
