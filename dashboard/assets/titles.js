// The list of published titles, newest first.
import { by, clock, make } from "/assets/dom.js";

const link = (path, name, kind = "") => Object.assign(make("a", kind, name), { href: path });

function card(title) {
  const watch = `/watch/${encodeURIComponent(title.title)}`;
  const picture = make("img");
  Object.assign(picture, { src: `/${title.path}/images/poster.jpg`, alt: "", loading: "lazy" });
  // A title without pictures has no poster.
  picture.onerror = () => picture.replaceWith(make("span", "", "sound"));
  const poster = Object.assign(make("a", "poster", picture), { href: watch, tabIndex: -1 });
  poster.setAttribute("aria-hidden", "true");
  const published = new Date(title.published_at_ms).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return make("li", "", poster, link(watch, title.title, "title"),
    make("span", "muted", `${clock(title.duration[0] / title.duration[1])} · version ${title.version} · ${published}`),
    make("span", "manifests", link(`/${title.path}/${title.hls}`, "HLS"), link(`/${title.path}/${title.dash}`, "DASH")));
}

async function list() {
  const answer = await fetch("/catalog");
  if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
  const titles = await answer.json();
  titles.sort((one, other) => other.published_at_ms - one.published_at_ms);
  by("titles").replaceChildren(...titles.map(card));
  by("state").textContent = titles.length ? "" : "Nothing is published yet.";
}
list().catch((error) => {
  by("state").textContent = `The catalog could not be read: ${error.message}`;
  by("state").className = "notice";
});
