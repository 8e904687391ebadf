//! What a person reads who has just set up a farm and uses it for the first time.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use tests::{Farm, Magpie, Place, free_address, lines_of_json, require};

const BOUND: Duration = Duration::from_secs(60);

#[test]
fn an_empty_list_is_a_sentence_for_people_and_nothing_for_machines() -> Result<()> {
    if require("redis-server").is_none() {
        return Ok(());
    }
    let place = Place::new()?;
    let farm = Farm::start(&place)?;
    let lists: [(&[&str], &str); 7] = [
        (
            &["jobs"],
            "there are no jobs; give the farm one with `magpie submit`",
        ),
        (&["jobs", "--phase", "published"], "no job fits"),
        (
            &["nodes"],
            "no node is connected; start one with `magpie node`",
        ),
        (&["dlq", "list"], "nothing is in the DLQ"),
        (&["publish", "list"], "nothing is published yet"),
        (&["review", "list"], "no title waits for a review"),
        (
            &["plan-capacity", "--node", "small:4:0.2"],
            "there is no work to plan for",
        ),
    ];
    for (words, sentence) in lists {
        let told = farm.call(words)?.finish(BOUND)?;
        ensure!(told.code == Some(0), "{words:?}: {told:?}");
        assert_eq!(told.stdout.lines().next(), Some(sentence), "{words:?}");
        let arguments: Vec<_> = words.iter().copied().chain(["--json"]).collect();
        let values = lines_of_json(&farm.call(&arguments)?.finish(BOUND)?.stdout)?;
        // What the farm has to do stands below the nodes, also where there are none; a plan is one value.
        let expected = usize::from(["nodes", "plan-capacity"].contains(&words[0]));
        assert_eq!(values.len(), expected, "{words:?}: {values:?}");
    }
    Ok(())
}

#[test]
fn the_doctor_says_versions_in_a_word_and_misses_no_gpu() -> Result<()> {
    let told = Magpie::new(["doctor"])?.finish(BOUND)?;
    let gpus = told.stdout.lines().find(|line| line.starts_with("gpus"));
    ensure!(
        gpus.is_some_and(|line| line.contains("none found: work runs on the CPU")),
        "{told:?}"
    );
    ensure!(!told.stdout.contains("Copyright"), "{told:?}");
    let longest = told.stdout.lines().map(str::len).max();
    ensure!(longest < Some(160), "{longest:?}: {told:?}");
    Ok(())
}

#[test]
fn a_run_tells_of_a_broken_source_once() -> Result<()> {
    let place = Place::new()?;
    let (source, out) = (place.join("bad.mov"), place.join("out"));
    std::fs::write(&source, "not a film")?;
    let (source, out) = (source.to_string_lossy(), out.to_string_lossy());
    let told = Magpie::new(["run", &*source, "--out", &*out])?.finish(BOUND)?;
    ensure!(told.code == Some(1), "{told:?}");
    assert!(told.stdout.contains("bad_input in probe"), "{told:?}");
    assert!(!told.stderr.contains("WARN"), "{}", told.stderr);
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_made_is_refused_with_the_option() -> Result<()> {
    let place = Place::new()?;
    let source = place.join("a.mov");
    std::fs::write(&source, "looked at later")?;
    // Nobody may make folders there, not even root.
    let source = source.to_string_lossy();
    let told = Magpie::new(["run", &*source, "--out", "/sys/magpie"])?.finish(BOUND)?;
    ensure!(told.code == Some(1), "{told:?}");
    for words in ["/sys/magpie", "--out"] {
        assert!(told.stderr.contains(words), "{words}: {}", told.stderr);
    }
    Ok(())
}

#[test]
fn a_node_says_for_which_scheduler_it_waits_and_that_it_may_read_nothing() -> Result<()> {
    let url = format!("http://{}", free_address()?);
    let mut node = Magpie::new(["node", "--scheduler", &*url])?.start()?;
    node.wait_for_line("can read no source", BOUND)?;
    node.wait_for_line(&format!("no scheduler answers at {url} yet"), BOUND)?;
    node.terminate()?;
    ensure!(node.wait(BOUND)?.success());
    Ok(())
}

#[test]
fn a_plan_says_what_meets_the_deadlines_and_which_cannot_be_met() -> Result<()> {
    if require("redis-server").is_none() {
        return Ok(());
    }
    let place = Place::new()?;
    let farm = Farm::start(&place)?;
    for (title, deadline) in [("soon", "2s"), ("later", "10h")] {
        let source = place.join("sources").join(format!("{title}.mov"));
        std::fs::write(&source, "no node looks at it")?;
        let source = source.to_string_lossy();
        let told = farm.call(&["submit", &source, "--deadline", deadline])?;
        ensure!(told.finish(BOUND)?.code == Some(0));
    }
    let ask = ["plan-capacity", "--new-job", "20h", "--node", "small:2:0.5"];
    let ask = [&ask[..], &["--node", "large:16:3"]].concat();
    let told = farm.call(&ask)?.finish(BOUND)?;
    // Half a minute at least with a slot for each of its segments.
    ensure!(told.code == Some(1), "{told:?}");
    assert!(
        told.stdout
            .contains("soon is late with any number of nodes"),
        "{told:?}"
    );
    let told = farm
        .call(&[&ask[..], &["--json"]].concat())?
        .finish(BOUND)?;
    let values = lines_of_json(&told.stdout)?;
    let plan = values.first().context("a plan")?;
    assert_eq!((&plan["jobs"], &plan["unplanned"]), (&2.into(), &2.into()));
    assert_eq!(plan["hopeless"][0]["title"], "soon");
    // Each is worth 20 hours of a slot, and the first is served first.
    let (small, large) = (&plan["fleets"][0], &plan["fleets"][1]);
    assert_eq!(
        (&small["kind"], &small["nodes"]),
        (&"small".into(), &3.into())
    );
    assert_eq!(
        (&large["kind"], &large["nodes"]),
        (&"large".into(), &1.into())
    );
    assert_eq!(small["tightest"]["title"], "later");
    let wrong = farm.call(&["plan-capacity", "--node", "small:0:1"])?;
    let wrong = wrong.finish(BOUND)?;
    ensure!(
        wrong.code == Some(2) && wrong.stderr.contains("SLOTS"),
        "{wrong:?}"
    );
    Ok(())
}
