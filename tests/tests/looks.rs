//! How the pages look in states that nobody hopes for: crowded, empty, without their store, without a
//! title. Where a farm of a test cannot have the state, the page is the real one and its feed is made
//! up; `pages.rs` has the pages of farms that work.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use tests::{Browser, Clip, Farm, Place, Redis, Request, at, lines_of_json, require};

const BOUND: Duration = Duration::from_secs(60);

/// A screen of a desk and one of a phone.
const WIDTHS: [u32; 2] = [1280, 390];

const TITLE: &str = "a-title-that-nobody-would-type-by-hand-but-a-machine-does-s01e01-0123456789-and-goes-on-for-long";

/// A feed with these parts and nothing else.
fn feed(parts: &Value) -> Value {
    let mut feed = json!({
        "now_ms": 1_000_000, "nodes": [], "jobs": [], "more_jobs": false, "dead": [], "more_dead": 0,
        "capacity": { "depth": { "jobs": 0, "chunks_queued": 0, "chunks_held": 0, "units_left": 0,
            "seconds_left": 0.0, "dead": 0 }, "nodes": 0, "slots": 0, "slots_busy": 0,
            "to_recover": 0 },
    });
    for (name, value) in parts.as_object().into_iter().flatten() {
        feed[name] = value.clone();
    }
    feed
}

fn job(id: u32, phase: &str, verdict: &Value) -> Value {
    let heights = ["240", "360"].map(|height| json!({ "codec": "h264", "height": height }));
    json!({
        "job": { "id": format!("j{id}"), "title": TITLE, "profile": "web", "phase": phase,
            "version": 1, "failure": null, "accepted_at_ms": 0, "units": 9, "units_done": 3 },
        "tasks": [], "waiting_for": "", "verdict": verdict,
        "plan": { "duration_seconds": 60.0, "frames": 1500, "frame_rate": "25", "audio": [],
            "text": [], "notes": [], "renditions": heights },
    })
}

fn node(id: u32) -> Value {
    let holds: Vec<String> = (0..64).map(|n| format!("j1/video-h264#{n}")).collect();
    json!({
        "info": { "id": format!("node-{id:02}"), "host": format!("{id}.{TITLE}.example"),
            "version": "0.1.0", "cores": 64, "memory_bytes": 1_u64 << 38, "gpus": [], "slots": 64,
            "unfit": "", "leaving": false },
        "seen_at_ms": 999_000, "draining": false, "holds": holds,
    })
}

/// Opens the farm page of a browser that is given these feeds instead of those of its farm.
fn open(farm: &mut Farm, browser: &mut Browser, feed: &Value) -> Result<()> {
    browser.prepare(&format!(
        "window.EventSource = class {{ constructor() {{ this.readyState = 1; setTimeout(() => \
         this.onmessage({{ data: JSON.stringify({feed}) }})); }} close() {{}} }};"
    ))?;
    browser.open(&farm.dashboard()?)?;
    browser.wait_for(
        "document.getElementById('state').innerText === 'live'",
        BOUND,
    )
}

fn shown(browser: &mut Browser, id: &str) -> Result<bool> {
    let shown = browser.value(&format!(
        "document.getElementById('{id}').checkVisibility()"
    ))?;
    Ok(shown == true)
}

fn stays_on_the_screen(browser: &mut Browser) -> Result<()> {
    for width in WIDTHS {
        browser.narrow(width)?;
        let root = "document.documentElement";
        let wide = browser.value(&format!("{root}.scrollWidth - {root}.clientWidth"))?;
        assert_eq!(wide, 0, "the page is wider than its screen of {width}");
    }
    Ok(())
}

#[test]
fn a_crowded_farm_fits_every_screen_and_says_what_it_leaves_out() -> Result<()> {
    let (Some(chromium), Some(_)) = (require("chromium"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    let mut browser = Browser::start(&chromium)?;
    let failure = json!({ "kind": "node_fault", "place": "video-h264 segment 3",
        "message": TITLE, "evidence": TITLE.repeat(20) });
    let dead = [
        json!({ "chunk": "j1/video-h264#1", "units": 2, "attempts": 4, "dead_at_ms": 0,
            "last": { "node": "node-01", "failure": failure } }),
        json!({ "chunk": "j2/probe#0", "units": 1, "attempts": 1, "dead_at_ms": 0, "last": null }),
    ];
    let parts = json!({
        "jobs": (0..30).map(|id| job(id, "processing", &json!(null))).collect::<Vec<_>>(),
        "nodes": (0..40).map(node).collect::<Vec<_>>(),
        "dead": dead, "more_jobs": true, "more_dead": 11,
    });
    open(&mut farm, &mut browser, &feed(&parts))?;
    stays_on_the_screen(&mut browser)?;
    let text = "document.body.innerText";
    for said in [
        "magpie jobs lists all",
        "And 11 more chunks",
        "video-h264 (64 chunks)",
        "h264 240, 360p",
        "not known",
    ] {
        browser.wait_for(&format!("{text}.includes('{said}')"), BOUND)?;
    }
    browser.narrow(WIDTHS[0])?;
    // A node's row is as high as its slots and not as its chunks, its name stays whole, and a cell is a
    // cell, without which the lines of the table break.
    let row = "document.getElementById('nodes').rows[0]";
    browser.wait_for(&format!("{row}.offsetHeight < 300"), BOUND)?;
    browser.wait_for(&format!("{row}.cells[0].offsetWidth > 120"), BOUND)?;
    let cells = "[...document.querySelectorAll('#dead td')]";
    let whole = format!("{cells}.every(td => getComputedStyle(td).display === 'table-cell')");
    browser.wait_for(&whole, BOUND)
}

#[test]
fn an_empty_farm_shows_no_empty_tables() -> Result<()> {
    let (Some(chromium), Some(_)) = (require("chromium"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    let mut browser = Browser::start(&chromium)?;
    open(&mut farm, &mut browser, &feed(&json!({})))?;
    stays_on_the_screen(&mut browser)?;
    for (id, there) in [
        ("legend", false),
        ("node-table", false),
        ("dead-table", false),
        ("more-jobs", false),
        ("more-dead", false),
        ("no-jobs", true),
        ("no-nodes", true),
        ("no-dead", true),
    ] {
        assert_eq!(shown(&mut browser, id)?, there, "{id}");
    }
    Ok(())
}

#[test]
fn what_a_person_has_to_judge_comes_first() -> Result<()> {
    let (Some(chromium), Some(_)) = (require("chromium"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    let mut browser = Browser::start(&chromium)?;
    let found = |check: &str, action: &str| {
        json!({ "check": check, "action": action, "track": "video", "start": [12, 1],
            "end": [45, 1], "message": "so it is" })
    };
    let findings = [
        found("missing_language", "pass"),
        found("black", "flag"),
        found("frame_mismatch", "reject"),
    ];
    let verdict = json!({ "action": "reject", "checked": 10, "findings": findings });
    let parts = json!({ "jobs": [job(1, "review", &verdict), job(2, "cancelled", &json!(null))] });
    open(&mut farm, &mut browser, &feed(&parts))?;
    stays_on_the_screen(&mut browser)?;
    let order =
        "[...document.querySelectorAll('#job-j1 .findings li')].map(li => li.className).join()";
    assert_eq!(browser.value(order)?, "reject,flag,pass");
    let names = "[...document.querySelectorAll('#job-j1 button')].map(b => b.textContent).join()";
    assert_eq!(browser.value(names)?, "Approve,Reject");
    // Everything that can be pressed is large enough for a finger (WCAG 2.5.8) and can be reached by
    // keyboard.
    let small = "[...document.querySelectorAll('button, a, summary')].filter(e => e.checkVisibility() \
                 && getComputedStyle(e).pointerEvents !== 'none') \
                 .filter(e => e.offsetHeight < 24 || e.tabIndex < 0).map(e => e.outerHTML).join()";
    assert_eq!(browser.value(small)?, "");
    // A job that lost its tasks offers none to look at.
    let summary = "document.querySelector('#job-j2 summary')";
    browser.wait_for(&format!("!{summary}.innerText.includes('task')"), BOUND)
}

#[test]
fn a_page_that_is_open_says_when_the_store_is_lost_and_comes_back() -> Result<()> {
    let (Some(chromium), Some(redis)) = (require("chromium"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut redis = Redis::start(&redis, &place)?;
    let mut farm = Farm::start_with(&place, &redis)?;
    let mut browser = Browser::start(&chromium)?;
    browser.open(&farm.dashboard()?)?;
    let state = "document.getElementById('state').innerText";
    browser.wait_for(&format!("{state} === 'live'"), BOUND)?;
    redis.kill()?;
    let lost = format!("{state}.includes('not up to date: store is unavailable')");
    browser.wait_for(&lost, BOUND)?;
    stays_on_the_screen(&mut browser)?;
    redis.restart()?;
    browser.wait_for(&format!("{state} === 'live'"), BOUND)
}

#[test]
fn a_title_that_is_not_there_leads_to_those_that_are() -> Result<()> {
    let (Some(chromium), Some(_)) = (require("chromium"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    let url = farm.dashboard()?;
    let mut browser = Browser::start(&chromium)?;
    for name in ["none", "NOT%20AN%20ID", TITLE] {
        browser.open(&format!("{url}/watch/{name}"))?;
        browser.wait_for(
            "document.getElementById('notice').innerText.includes('no published title')",
            BOUND,
        )?;
        stays_on_the_screen(&mut browser)?;
        assert!(!shown(&mut browser, "stage")?, "{name}");
        let heading = browser.value("document.querySelector('h1').innerText")?;
        assert_eq!(heading, "Nothing to play", "{name}");
        let leads = browser.value("document.querySelector('#elsewhere a').checkVisibility()")?;
        assert_eq!(leads, json!(true), "{name}");
    }
    Ok(())
}

#[test]
fn a_job_that_waits_for_a_person_is_not_pushed_off_the_page() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    let url = farm.dashboard()?;
    // A source without its language is flagged, and every test clip lacks one.
    let own = place.join("own.toml");
    std::fs::write(
        &own,
        "name = \"own\"\nbase = \"preview\"\n[qc]\nmissing_language = \"flag\"\n",
    )?;
    let source = farm.source(&Clip::seconds(2).make(&ffmpeg)?)?;
    let (source, own) = (source.to_string_lossy(), own.to_string_lossy());
    let submit = |farm: &Farm, title: &str| -> Result<String> {
        let arguments = [
            "submit",
            &*source,
            "--title",
            title,
            "--profile",
            &*own,
            "--json",
        ];
        let finished = farm.call(&arguments)?.finish(BOUND)?;
        ensure!(finished.code == Some(0), "{finished:?}");
        let said = lines_of_json(&finished.stdout)?;
        Ok(at(&said[0], "/id")?.as_str().unwrap_or_default().to_owned())
    };
    let first = submit(&farm, "first")?;
    let node = farm.add_node(&["--slots", "2"])?;
    // 3 is what a command says of a title that waits for a person.
    let watched = farm.call(&["watch", &first])?.finish(BOUND)?;
    ensure!(watched.code == Some(3), "{watched:?}");
    farm.node(&node)?.kill()?;
    for number in 0..31 {
        submit(&farm, &format!("later-{number}"))?;
    }
    let seen = Request::new("GET", &url, "/api/live").first_event()?;
    let seen: Value = serde_json::from_str(&seen)?;
    assert_eq!(at(&seen, "/jobs/0/job/id")?, &first);
    assert_eq!(seen["jobs"].as_array().map(Vec::len), Some(30));
    assert_eq!(at(&seen, "/more_jobs")?, true);
    Ok(())
}

#[test]
fn the_player_names_languages_and_finds_tiles_on_every_sheet() -> Result<()> {
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
    // Six tiles on sheets of four.
    let own = place.join("own.toml");
    std::fs::write(
        &own,
        "name = \"own\"\nbase = \"preview\"\n[images]\ncolumns = 2\nrows = 2\n",
    )?;
    let german = ["-metadata:s:a:0", "language=deu"];
    let clip = Clip::seconds(12).options(&german).make(&ffmpeg)?;
    let source = farm.source(&clip)?;
    let (source, own) = (source.to_string_lossy(), own.to_string_lossy());
    let arguments = [
        "submit",
        &*source,
        "--title",
        "it",
        "--profile",
        &*own,
        "--wait",
    ];
    let finished = farm.call(&arguments)?.finish(BOUND)?;
    ensure!(finished.code == Some(0), "{finished:?}");

    let mut browser = Browser::start(&chromium)?;
    browser.open(&format!("{url}/watch/it"))?;
    let sound = "document.getElementById('sound').options[0].text";
    browser.wait_for(&format!("{sound} === 'German · stereo'"), BOUND)?;
    for (share, sheet) in [(0.1, "00001"), (0.9, "00002")] {
        let box_of = "const box = document.getElementById('seek').getBoundingClientRect();";
        let point = format!("box.left + box.width * {share}");
        let moved = format!(
            "new PointerEvent('pointermove', {{ clientX: {point}, clientY: box.top + 5 }})"
        );
        let image = "document.getElementById('preview').style.backgroundImage";
        browser.wait_for(
            &format!(
                "(() => {{ {box_of} document.getElementById('seek').dispatchEvent({moved}); \
                 return {image}.includes('{sheet}.jpg'); }})()"
            ),
            BOUND,
        )?;
    }
    Ok(())
}
