// The list of published titles.
const state = document.getElementById("state");
const cell = (row, text, kind) => { const td = row.insertCell(); td.textContent = text; if (kind) td.className = kind; return td; };
const length = ([num, den]) => { const s = Math.round(num / den); return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`; };
fetch("/catalog").then(async (answer) => {
  if (!answer.ok) throw new Error(await answer.text());
  const titles = await answer.json();
  const body = document.getElementById("titles");
  for (const title of titles) {
    const row = body.insertRow();
    const link = document.createElement("a");
    link.href = `/watch/${title.title}`;
    link.textContent = title.title;
    cell(row, "").append(link);
    cell(row, title.version, "number");
    cell(row, length(title.duration), "number");
    cell(row, new Date(title.published_at_ms).toLocaleString());
    const manifests = cell(row, "");
    for (const [name, path] of [["HLS", title.hls], ["DASH", title.dash]]) {
      const manifest = document.createElement("a");
      manifest.href = `/${title.path}/${path}`;
      manifest.textContent = name;
      manifests.append(manifest, " ");
    }
  }
  state.textContent = titles.length ? "" : "Nothing is published yet.";
}).catch((error) => { state.textContent = `The catalog could not be read: ${error.message}`; state.className = "error"; });
