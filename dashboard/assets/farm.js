// The farm as it is now, from the live feed. Everything that comes from outside is set as text, never as HTML.
const by = (id) => document.getElementById(id);
const make = (tag, text = "", kind = "") => Object.assign(document.createElement(tag), { textContent: text, className: kind });
const ago = (ms, now) => { const s = Math.max(0, Math.round((now - ms) / 1000)); return s < 60 ? `${s} s ago` : s < 3600 ? `${Math.floor(s / 60)} min ago` : `${Math.floor(s / 3600)} h ago`; };
const rest = (s) => s < 60 ? `${Math.round(s)} s` : s < 3600 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;

async function act(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) alert(await answer.text());
}
const button = (text, path, body) => Object.assign(make("button", text), { onclick: () => act(path, body) });

function figures(farm) {
  const busy = farm.nodes.reduce((sum, node) => sum + node.holds.length, 0);
  const slots = farm.nodes.reduce((sum, node) => sum + node.info.slots, 0);
  const all = [["jobs open", farm.capacity.depth.jobs], ["chunks queued", farm.capacity.depth.chunks_queued], ["chunks running", farm.capacity.depth.chunks_held],
    ["work left", rest(farm.capacity.depth.seconds_left / Math.max(1, slots))], ["slots busy", `${busy}/${slots}`], ["dead", farm.capacity.depth.dead]];
  by("figures").replaceChildren(...all.map(([name, value]) => { const box = make("div", "", "figure"); box.append(make("b", value), make("span", name)); return box; }));
}

function strip(task) {
  const box = make("div", "", "strip");
  const cells = Array.from({ length: Math.min(task.units, 600) }, () => ["", "queued"]);
  // A title of many hours has more segments than the strip has room for: several share a cell.
  const cell = (unit) => Math.floor(unit * cells.length / Math.max(1, task.units));
  const paint = (unit, kind, text) => { if (cells[cell(unit)]) cells[cell(unit)] = [kind, text]; };
  for (const chunk of task.chunks) {
    for (let unit = chunk.next; unit < chunk.end; unit++) if (task.state === "dead") paint(unit, "dead", `${unit}: dead`);
    const kind = task.state === "dead" ? "dead" : chunk.stolen_from ? "stolen" : "running";
    for (const unit of chunk.claimed) paint(unit, kind, `${unit}: ${chunk.lease ? chunk.lease.node : "queued"}`);
  }
  for (const [unit, record] of task.committed) paint(unit, record.reused ? "reused" : "done", `${unit}: ${record.node}, ${record.elapsed_ms} ms`);
  box.append(...cells.map(([kind, text]) => Object.assign(make("i", "", kind), { title: text })));
  return box;
}

function job(one, now) {
  const box = make("section");
  const head = make("div", "", "row");
  head.append(make("b", one.job.title), make("span", one.job.phase, `phase ${one.job.phase}`), make("span", one.job.id, "muted"), make("span", `accepted ${ago(one.job.accepted_at_ms, now)}`, "muted"));
  if (one.waiting_for) head.append(make("span", `waits for ${one.waiting_for}`, "muted"));
  const path = `/api/jobs/${encodeURIComponent(one.job.id)}`;
  if (one.job.phase === "review") head.append(button("Approve", `${path}/review`, { answer: "approve" }), button("Reject", `${path}/review`, { answer: "reject" }));
  if (one.job.phase === "failed") head.append(button("Retry", `${path}/retry`, {}));
  if (["probing", "processing", "packaging"].includes(one.job.phase)) head.append(button("Cancel", `${path}/cancel`, {}));
  if (one.job.phase === "published") head.append(Object.assign(make("a", "watch"), { href: `/watch/${encodeURIComponent(one.job.title)}` }));
  box.append(head);
  if (one.job.failure) box.append(make("p", `${one.job.failure.kind} in ${one.job.failure.place}: ${one.job.failure.message}`, "error"));
  for (const task of one.tasks) {
    const row = make("div", "", "task");
    row.append(make("small", task.id.split("/").pop()), strip(task), make("small", `${task.units_done}/${task.units} ${task.state}`));
    box.append(row);
  }
  return box;
}

function row(body, cells) {
  const line = body.insertRow();
  for (const [content, kind] of cells) { const td = line.insertCell(); td.className = kind || ""; td.append(content); }
}

function draw(farm) {
  figures(farm);
  by("jobs").replaceChildren(...(farm.jobs.length ? farm.jobs.map((one) => job(one, farm.now_ms)) : [make("p", "No jobs yet.", "muted")]));
  by("nodes").replaceChildren();
  for (const node of farm.nodes) {
    row(by("nodes"), [[node.info.id], [node.info.host], [node.info.cores, "number"], [node.info.gpus.join(", ") || "none"], [`${node.holds.length}/${node.info.slots}`, "number"],
      [`${node.draining ? "draining" : "taking work"}, seen ${ago(node.seen_at_ms, farm.now_ms)}`], [node.holds.join(" ")]]);
  }
  by("dead").replaceChildren();
  for (const chunk of farm.dead) {
    const last = chunk.failures.at(-1);
    row(by("dead"), [[chunk.chunk], [chunk.failures.length, "number"], [last ? `${last.failure.kind} on ${last.node}: ${last.failure.message}` : ""],
      [button("Retry", `/api/jobs/${encodeURIComponent(chunk.chunk.split("/")[0])}/retry`, {})]]);
  }
}

const feed = new EventSource("/api/live");
feed.onmessage = (event) => { by("state").textContent = "live"; draw(JSON.parse(event.data)); };
feed.onerror = () => { by("state").textContent = "the feed is interrupted, trying again…"; };
