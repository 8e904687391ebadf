//! The pages and the origin of a running farm: over plain HTTP as an adversary would ask, and in a
//! real browser as a person would look and click.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::{
    Browser, Clip, Farm, Place, Request, Response, at, lines_of_json, require, wait_until,
};

const BOUND: Duration = Duration::from_secs(120);
const MARKUP: &str = "<img src=x onerror=owned=1>";

/// Calls a command that must succeed; answers with its JSON lines.
fn call(farm: &Farm, arguments: &[&str]) -> Result<Vec<Value>> {
    let mut all = arguments.to_vec();
    all.push("--json");
    let finished = farm.call(&all)?.finish(BOUND)?;
    ensure!(finished.code == Some(0), "{arguments:?}: {finished:?}");
    lines_of_json(&finished.stdout)
}

fn submit(farm: &Farm, source: &Path, title: &str, profile: &str) -> Result<String> {
    let source = source.to_string_lossy();
    let arguments = ["submit", &*source, "--title", title, "--profile", profile];
    let submitted = call(farm, &arguments)?;
    Ok(at(&submitted[0], "/id")?
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

/// Makes a title and waits until it is published.
fn publish(farm: &Farm, clip: &Path, title: &str, profile: &str) -> Result<()> {
    let job = submit(farm, &farm.source(clip)?, title, profile)?;
    let watched = call(farm, &["watch", &job])?;
    ensure!(at(&watched[0], "/phase")? == "published", "{watched:?}");
    Ok(())
}

fn get(url: &str, path: &str) -> Result<Response> {
    Request::new("GET", url, path).send()
}

/// What the farm's feed says of one job.
fn seen(url: &str, job: &str) -> Result<(Value, Value)> {
    let farm = Request::new("GET", url, "/api/live").first_event()?;
    let farm: Value = serde_json::from_str(&farm)?;
    let jobs = at(&farm, "/jobs")?.as_array().context("jobs are a list")?;
    let found = jobs.iter().find(|one| one["job"]["id"] == job).cloned();
    Ok((farm.clone(), found.context("the feed names the job")?))
}

/// A profile of one's own in the place.
fn profile(place: &Place, text: &str) -> Result<PathBuf> {
    let path = place.join("own.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}

#[test]
fn the_farm_page_shows_a_job_while_it_runs_and_says_when_the_farm_is_gone() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let Some(chromium) = require("chromium") else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    let url = farm.dashboard()?;
    let source = farm.source(&Clip::seconds(60).size(1280, 720).make(&ffmpeg)?)?;
    let job = submit(&farm, &source, "long", "web")?;
    let mut browser = Browser::start(&chromium)?;
    browser.open(&url)?;
    // Without a node the page says what is missing, where a person looks first.
    let stuck = "document.getElementById('stuck').innerText";
    browser.wait_for(
        &format!("{stuck}.includes('long') && {stuck}.includes('none is connected')"),
        BOUND,
    )?;
    let node = farm.add_node(&["--slots", "2"])?;
    let card = format!("document.getElementById('job-{job}')");
    browser.wait_for(&format!("{card}.querySelector('.strip i.d + i.r')"), BOUND)?;
    browser.wait_for(
        &format!("document.getElementById('nodes').innerText.includes('{node}')"),
        BOUND,
    )?;
    browser.wait_for(
        &format!("{card}.querySelector('.strip i[title*=\"{node}\"]')"),
        BOUND,
    )?;
    browser.wait_for(
        "document.querySelector('.strip[aria-label*=running]')",
        BOUND,
    )?;

    let (feed, shown) = seen(&url, &job)?;
    assert_eq!(at(&feed, "/nodes/0/info/id")?, &node);
    assert_eq!(at(&feed, "/capacity/slots")?, 2);
    assert_eq!(at(&shown, "/job/title")?, "long");
    let tasks = at(&shown, "/tasks")?
        .as_array()
        .context("tasks are a list")?;
    let video = tasks.iter().find(|task| task["name"] == "video-h264");
    let video = video.context("the feed names the video task")?;
    let cells = video["cells"].as_str().unwrap_or_default();
    ensure!(cells.len() > 5 && cells.contains('r'), "{video}");
    ensure!(video["held"][0][0] == node.as_str(), "{video}");

    farm.scheduler().kill()?;
    let state = "document.getElementById('state').innerText";
    browser.wait_for(&format!("{state}.includes('not up to date')"), BOUND)
}

#[test]
fn published_files_come_with_the_headers_that_players_and_caches_need() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    farm.add_node(&["--slots", "2"])?;
    let url = farm.dashboard()?;
    publish(&farm, &Clip::seconds(2).make(&ffmpeg)?, "it", "preview")?;
    let root = farm.storage().join("titles/it/v1");
    let mut kinds = 0;
    for path in tests::hashes(&root)?.into_keys() {
        let kind = match path.rsplit('.').next() {
            Some("m3u8") => "application/vnd.apple.mpegurl",
            Some("mpd") => "application/dash+xml",
            Some("mp4") => "video/mp4",
            Some("m4s") => "video/iso.segment",
            Some("vtt") => "text/vtt; charset=utf-8",
            Some("jpg") => "image/jpeg",
            _ => continue,
        };
        kinds += 1;
        let found = get(&url, &format!("/titles/it/v1/{path}"))?;
        assert_eq!(
            (found.status, found.header("content-type")),
            (200, kind),
            "{path}"
        );
        // Manifests as well: nothing under a version changes, and the catalog is what moves on.
        assert_eq!(
            found.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert_eq!(found.header("access-control-allow-origin"), "*");
        assert_eq!(found.header("accept-ranges"), "bytes");
        ensure!(
            found.body == std::fs::read(root.join(&path))?,
            "{path} differs"
        );
    }
    ensure!(kinds > 8, "only {kinds} files");
    for path in [
        "/catalog",
        "/catalog/it",
        "/",
        "/published",
        "/watch/it",
        "/assets/farm.js",
    ] {
        let found = get(&url, path)?;
        assert_eq!(
            (found.status, found.header("cache-control")),
            (200, "no-cache"),
            "{path}"
        );
    }
    assert_eq!(get(&url, "/watch/none")?.status, 404);
    let missing = get(&url, "/titles/it/v2/index.m3u8")?;
    assert_eq!(
        (missing.status, missing.header("cache-control")),
        (404, "no-store")
    );
    assert_eq!(missing.header("access-control-allow-origin"), "*");
    ranges_are_served(&url, &root)
}

fn ranges_are_served(url: &str, root: &Path) -> Result<()> {
    let path = "/titles/it/v1/index.m3u8";
    let whole = std::fs::read(root.join("index.m3u8"))?;
    let size = whole.len();
    let ask = |range: &str| Request::new("GET", url, path).header("Range", range).send();
    let part = ask("bytes=1-7")?;
    assert_eq!((part.status, &part.body[..]), (206, &whole[1..8]));
    assert_eq!(part.header("content-range"), format!("bytes 1-7/{size}"));
    let tail = ask("bytes=-5")?;
    assert_eq!((tail.status, &tail.body[..]), (206, &whole[size - 5..]));
    let outside = ask(&format!("bytes={size}-"))?;
    assert_eq!(outside.status, 416);
    assert_eq!(outside.header("content-range"), format!("bytes */{size}"));

    let head = Request::new("HEAD", url, path).send()?;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), size.to_string());
    let asked = Request::new("OPTIONS", url, path)
        .header("Origin", "http://player.example")
        .header("Access-Control-Request-Headers", "range")
        .send()?;
    assert_eq!(asked.header("access-control-allow-origin"), "*");
    assert_eq!(asked.header("access-control-allow-headers"), "range");
    assert_eq!(
        Request::new("PUT", url, path).json("{}").send()?.status,
        405
    );
    Ok(())
}

#[test]
fn nothing_but_published_titles_leaves_storage() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    farm.add_node(&["--slots", "2"])?;
    let url = farm.dashboard()?;
    let job = submit(
        &farm,
        &farm.source(&Clip::seconds(2).make(&ffmpeg)?)?,
        "it",
        "preview",
    )?;
    call(&farm, &["watch", &job])?;
    let ticket = format!("jobs/{job}/ticket.json");
    ensure!(
        farm.storage().join(&ticket).exists(),
        "the ticket is elsewhere"
    );
    let version = farm.storage().join("titles/it/v1");
    std::fs::write(place.join("secret.json"), "{\"secret\":1}")?;
    symlink(place.join("secret.json"), version.join("link.json"))?;
    symlink(place.path(), version.join("folder"))?;
    symlink(
        farm.storage().join("jobs"),
        farm.storage().join("titles/jobs"),
    )?;
    let tricks = [
        format!("/{ticket}"),
        format!("/titles/../{ticket}"),
        format!("/titles/%2e%2e/{ticket}"),
        format!("/titles/%2E%2E%2F{ticket}"),
        format!("/titles/..%2f{ticket}"),
        format!("/titles/%252e%252e/{ticket}"),
        format!("/titles/it/v1/../../../{ticket}"),
        format!("/titles/..\\{ticket}"),
        format!("/titles/it/..;/../{ticket}"),
        format!("//{ticket}"),
        format!("/titles//{ticket}"),
        format!("/titles/{}", farm.storage().join(&ticket).display()),
        format!("/titles/jobs/{job}/ticket.json"),
        "/titles/it//v1/index.m3u8".to_owned(),
        "/titles/it/v1/index.m3u8%00.json".to_owned(),
        "/titles/it/v1/link.json".to_owned(),
        "/titles/it/v1/folder/secret.json".to_owned(),
        "/titles/it/v1/".to_owned(),
        "/titles/it/v1".to_owned(),
        "/titles/".to_owned(),
        "/catalog/..%2f..%2fsecret".to_owned(),
        "/catalog/../catalog/it.json".to_owned(),
    ];
    for path in tricks {
        let answer = get(&url, &path)?;
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(answer.status >= 400, "{path}: {} {text}", answer.status);
        ensure!(
            !text.contains("secret") && !text.contains("source"),
            "{path}: {text}"
        );
    }
    assert_eq!(get(&url, "/titles/it/v1/index.m3u8")?.status, 200);
    Ok(())
}

#[test]
fn other_sites_neither_read_nor_steer_the_farm() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    let url = farm.dashboard()?;
    let job = submit(
        &farm,
        &farm.source(&Clip::seconds(2).make(&ffmpeg)?)?,
        "it",
        "preview",
    )?;
    for verb in ["cancel", "pause", "resume"] {
        let path = format!("/api/jobs/{job}/{verb}");
        let call = || Request::new("POST", &url, &path);
        let foreign = [
            call().header("Origin", "http://evil.example").json("{}"),
            call().header("Origin", "null").json("{}"),
            call().header("Sec-Fetch-Site", "cross-site").json("{}"),
            // Another port of the same machine is another program.
            call().header("Sec-Fetch-Site", "same-site").json("{}"),
            call().header("Origin", "http://127.0.0.1:1").json("{}"),
            call().header("Host", "evil.example").json("{}"),
            call().header("Content-Type", "text/plain"),
            call(),
        ];
        for request in foreign {
            let shown = format!("{request:?}");
            assert_eq!(request.send()?.status, 403, "{shown}");
        }
    }
    for path in ["/", "/api/live", &format!("/api/jobs/{job}")] {
        let rebound = Request::new("GET", &url, path).header("Host", "evil.example:80");
        assert_eq!(rebound.send()?.status, 403, "{path}");
        let own = Request::new("HEAD", &url, path).send()?;
        assert_eq!(own.header("access-control-allow-origin"), "", "{path}");
    }
    // Counts may be had from elsewhere.
    let metrics = Request::new("GET", &url, "/metrics").header("Host", "magpie.example:80");
    let metrics = metrics.send()?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(
        (metrics.status, metrics.header("content-type")),
        (200, kind)
    );
    let (_, shown) = seen(&url, &job)?;
    assert_eq!(at(&shown, "/job/phase")?, "probing");
    for (verb, phase, paused) in [
        ("pause", "probing", true),
        ("resume", "probing", false),
        ("cancel", "cancelled", false),
    ] {
        let path = format!("/api/jobs/{job}/{verb}");
        let own = Request::new("POST", &url, &path)
            .header("Origin", &url)
            .header("Sec-Fetch-Site", "same-origin");
        assert_eq!(own.json("{}").send()?.status, 200);
        let (_, shown) = seen(&url, &job)?;
        let state = (at(&shown, "/job/phase")?, at(&shown, "/job/paused")?);
        assert_eq!(state, (&phase.into(), &paused.into()), "{verb}");
    }
    Ok(())
}

#[test]
fn a_person_retries_and_approves_from_the_page_and_markup_stays_text() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let Some(chromium) = require("chromium") else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    farm.add_node(&["--slots", "2"])?;
    let broken = place.join("broken.mp4");
    std::fs::write(&broken, "not a film")?;
    let broken = farm.source(&broken)?;
    let first = submit(&farm, &broken, "broken", "preview")?;
    // A source without its language is flagged, and every test clip lacks one.
    let own =
        format!("name = \"{MARKUP}\"\nbase = \"preview\"\n[qc]\nmissing_language = \"flag\"\n");
    let own = profile(&place, &own)?;
    let clip = Clip::seconds(2).make(&ffmpeg)?;
    let second = submit(
        &farm,
        &farm.source(&clip)?,
        "flagged",
        &own.to_string_lossy(),
    )?;

    let mut browser = Browser::start(&chromium)?;
    browser.open(&farm.dashboard()?)?;
    let card = |job: &str| format!("document.getElementById('job-{job}')");
    let press = |job: &str, name: &str| {
        let buttons = format!("[...{}.querySelectorAll('button')]", card(job));
        format!("{buttons}.find(b => b.textContent === '{name}' && (b.click(), true))")
    };
    let dead = "document.getElementById('dead').innerText";
    browser.wait_for(
        &format!("{dead}.includes('broken probe#0') && {dead}.includes('bad_input')"),
        BOUND,
    )?;
    // Mended in place: the retry reads it anew.
    std::fs::copy(&clip, &broken)?;
    browser.wait_for(&press(&first, "Retry"), BOUND)?;
    browser.wait_for(
        &format!("{}.innerText.includes('published')", card(&first)),
        BOUND,
    )?;
    browser.wait_for(
        "document.getElementById('dead').children.length === 0",
        BOUND,
    )?;

    let flagged = card(&second);
    browser.wait_for(&format!("{flagged}.innerText.includes({MARKUP:?})"), BOUND)?;
    assert_eq!(browser.value("document.images.length")?, 0);
    assert_eq!(browser.value("typeof owned")?, "undefined");
    browser.wait_for(&press(&second, "Approve"), BOUND)?;
    browser.wait_for(
        &format!("{flagged}.querySelector('a[href=\"/watch/flagged\"]')"),
        BOUND,
    )?;
    for title in ["broken", "flagged"] {
        ensure!(
            !call(&farm, &["publish", "list", title])?.is_empty(),
            "{title}"
        );
    }
    Ok(())
}

#[test]
fn the_sound_that_a_viewer_picks_stays_when_the_rung_changes() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let Some(chromium) = require("chromium") else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    farm.add_node(&["--slots", "2"])?;
    let url = farm.dashboard()?;
    // 5.1 gives two groups of sound tracks, and each rung is listed for both.
    let clip = Clip::seconds(24).options(&["-ac", "6"]).make(&ffmpeg)?;
    publish(&farm, &clip, "surround", "web")?;
    let mut browser = Browser::start(&chromium)?;
    browser.open(&format!("{url}/watch/surround"))?;
    let (sound, quality) = (
        "document.getElementById('sound')",
        "document.getElementById('quality')",
    );
    browser.wait_for(
        &format!("{sound}.options.length === 2 && {quality}.options.length === 3"),
        BOUND,
    )?;
    browser.value("document.getElementById('play').click()")?;
    browser.wait_for("video.currentTime > 1", BOUND)?;
    pick(&mut browser, "sound", "5.1")?;
    let fetched = |what: &str| {
        format!(
            "performance.getEntriesByType('resource').filter(e => e.name.includes('{what}') && e.name.endsWith('.m4s')).length"
        )
    };
    browser.wait_for(
        &format!("{} > 0 && video.currentTime > 2", fetched("aac6")),
        BOUND,
    )?;
    // A rung is changed after the fragment that plays: one must play again.
    let moment = browser.value("video.currentTime")?;
    browser.wait_for(&format!("video.currentTime > {moment} + 0.5"), BOUND)?;
    let stereo = browser.value(&fetched("aac2"))?;
    for rung in ["240p", "360p"] {
        pick(&mut browser, "quality", rung)?;
        let state = "document.getElementById('state').innerText";
        let height = rung.trim_end_matches('p');
        browser.wait_for(
            &format!("{state}.includes('{rung}') && video.videoHeight == {height}"),
            BOUND,
        )?;
    }
    assert_eq!(
        browser.value(&fetched("aac2"))?,
        stereo,
        "stereo came back with the rung"
    );
    assert_eq!(
        browser.value(&format!("{sound}.selectedOptions[0].text.includes('5.1')"))?,
        true
    );
    assert_eq!(
        browser.value("document.getElementById('notice').hidden")?,
        true
    );
    Ok(())
}

/// Picks the entry of a menu whose name has a text.
fn pick(browser: &mut Browser, menu: &str, text: &str) -> Result<()> {
    let entry = format!("[...{menu}.options].find(o => o.text.includes('{text}'))");
    browser.wait_for(&format!("{menu}.value = {entry}.value"), BOUND)?;
    browser.value(&format!("{menu}.dispatchEvent(new Event('change'))"))?;
    wait_until("the menu to hold", BOUND, || {
        Ok((browser.value(&format!("{entry}.selected"))? == true).then_some(()))
    })
}
