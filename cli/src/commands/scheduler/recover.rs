//! `magpie scheduler recover`: one pass over what storage knows, for an operator whose Redis was lost. It
//! gives what is missing and changes nothing that is there, so it may be repeated, and schedulers may run
//! and recover beside it.

use super::FarmArgs;
use crate::exit::Exit;
use crate::farm::redis_child::RedisChild;
use crate::farm::signals;
use crate::printer::Printer;
use crate::table::{Side, Table};
use scheduler::{Config, Recovered, Scheduler, Survey};
use serde::Serialize;
use std::sync::Arc;
use storage::SourceRoots;
use tokio_util::sync::CancellationToken;

/// Arguments of `magpie scheduler recover`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    farm: FarmArgs,
    /// Do not count the segments that are in storage: a request for each rendition of each.
    #[arg(long)]
    quick: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Outcome {
    /// Of all tokens from now on.
    epoch: u32,
    #[serde(flatten)]
    recovered: Recovered,
    /// The open jobs; absent with `--quick`.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<Vec<Survey>>,
}

/// Recovers and says what was found.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let stop = signals::stop()?;
    let folder = &args.farm.redis_folder;
    let named = args.farm.redis.clone();
    let (url, private) = match named.or_else(|| RedisChild::of_running(folder)) {
        Some(url) => (url, None),
        None => {
            let child = RedisChild::start(folder).await?;
            (child.url(), Some(child))
        }
    };
    let outcome = recover(&args, &url, stop).await;
    if let Some(redis) = private {
        redis.stop().await;
    }
    let Some(outcome) = outcome? else {
        printer.error("stopped before everything was looked at; start it again");
        return Ok(Exit::Failed);
    };
    show(printer, &outcome)?;
    Ok(match outcome.recovered.unreadable {
        0 => Exit::Success,
        _ => Exit::Failed,
    })
}

/// `None` when told to stop before it was done.
async fn recover(
    args: &Args,
    url: &str,
    stop: CancellationToken,
) -> anyhow::Result<Option<Outcome>> {
    let storage = args.farm.storage()?;
    // Also where no job is missing: a Redis that lost its last second gives out tokens for a second time.
    let epoch = scheduler::raise_epoch(&storage).await?;
    let store = args.farm.store(url, epoch).await?;
    let lapses = store.lapses().await?;
    let mut config = Config::new(storage.clone(), Arc::new(store), SourceRoots::default());
    config.lapses = Some(lapses);
    config.keep_ended = args.farm.keep_ended();
    let scheduler = Scheduler::new(config)?;
    let Some(recovered) = scheduler.recovery(stop.clone()).await else {
        return Ok(None);
    };
    let handle = scheduler.handle();
    let open = match args.quick {
        true => None,
        false => tokio::select! {
            () = stop.cancelled() => return Ok(None),
            open = handle.survey() => Some(open?),
        },
    };
    Ok(Some(Outcome {
        // The recovery raised it once more where it found a job missing.
        epoch: scheduler::current_epoch(&storage).await?,
        recovered,
        open,
    }))
}

fn show(printer: Printer, outcome: &Outcome) -> anyhow::Result<()> {
    if printer.is_json() {
        return printer.json(outcome);
    }
    for table in tables(outcome) {
        printer.line(&table.render());
    }
    if outcome.recovered.unreadable > 0 {
        printer.note("tickets that cannot be read are named in the log above");
    }
    Ok(())
}

fn tables(outcome: &Outcome) -> Vec<Table> {
    let Recovered {
        submitted,
        known,
        ended,
        published,
        listed,
        unreadable,
    } = outcome.recovered;
    let mut jobs = Table::new(&[("jobs in storage", Side::Left), ("", Side::Right)]);
    let counts = [
        ("open, were missing and are back", submitted),
        ("open, were known", known),
        ("ended", ended),
        ("  of them published", published),
        ("  of them listed again", listed),
        ("unreadable", unreadable),
    ];
    for (what, count) in counts {
        jobs.row([what.to_owned(), count.to_string()]);
    }
    let Some(surveys) = outcome.open.as_ref().filter(|open| !open.is_empty()) else {
        return vec![jobs];
    };
    let mut open = Table::new(&[
        ("job", Side::Left),
        ("title", Side::Left),
        ("phase", Side::Left),
        ("tasks", Side::Right),
        ("segments", Side::Right),
        ("in storage", Side::Right),
    ]);
    for survey in surveys {
        open.row([
            survey.job.to_string(),
            survey.title.clone(),
            survey.phase.to_string(),
            survey.tasks.to_string(),
            survey.segments.to_string(),
            survey.segments_found.to_string(),
        ]);
    }
    vec![jobs, open]
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::job::Phase;

    fn outcome(open: Option<Vec<Survey>>) -> Outcome {
        Outcome {
            epoch: 3,
            recovered: Recovered {
                submitted: 1,
                known: 2,
                ended: 12,
                published: 10,
                listed: 11,
                unreadable: 0,
            },
            open,
        }
    }

    #[test]
    fn what_was_found_is_said_in_two_tables() {
        let survey = Survey {
            job: "j1".parse().unwrap(),
            title: "bunny".to_owned(),
            phase: Phase::Processing,
            tasks: 5,
            segments: 120,
            segments_found: 77,
        };
        let text: Vec<String> = tables(&outcome(Some(vec![survey])))
            .iter()
            .map(Table::render)
            .collect();
        assert_eq!(
            text[0],
            "jobs in storage\n\
             open, were missing and are back   1\n\
             open, were known                  2\n\
             ended                            12\n\
             \x20 of them published              10\n\
             \x20 of them listed again           11\n\
             unreadable                        0"
        );
        assert_eq!(
            text[1],
            "job  title  phase       tasks  segments  in storage\n\
             j1   bunny  processing      5       120          77"
        );
        assert_eq!(tables(&outcome(Some(Vec::new()))).len(), 1);
    }

    #[test]
    fn machines_read_one_value() {
        let value = serde_json::to_value(outcome(None)).unwrap();
        assert_eq!((&value["epoch"], &value["ended"]), (&3.into(), &12.into()));
        assert!(value.get("open").is_none());
    }
}
