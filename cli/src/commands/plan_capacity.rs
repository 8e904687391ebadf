//! `magpie plan-capacity`: how many nodes of which kind meet the deadlines, and what that costs. The schedule
//! is `scheduler::policy::fleet`'s; here are its questions and its words.

use crate::connect::{Client, Connection, explain};
use crate::exit::Exit;
use crate::printer::Printer;
use crate::show::duration;
use crate::table::{Side, Table};
use model::job::Phase;
use model::work::JobWork;
use proto::v1::{GetCapacityRequest, ListWorkRequest};
use scheduler::policy::fleet::{Assumed, Demand, Fleet, Hopeless};
use serde::Serialize;
use std::str::FromStr;

/// Jobs of a page.
const PAGE: u32 = 500;

/// Hopeless jobs that a person is told of by name.
const NAMED_MAX: usize = 10;

/// Most slots of a node; more than any host has.
const SLOTS_MAX: u32 = 65_536;

/// Arguments of `magpie plan-capacity`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// A kind of node that one may have: its name, its slots, and what one costs for an hour; may be
    /// given several times.
    #[arg(long = "node", value_name = "NAME:SLOTS:PRICE", required = true)]
    nodes: Vec<Kind>,
    /// In which time, such as `8h`, jobs shall be done that have no deadline; whenever when absent.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    within: Option<std::time::Duration>,
    /// Work of one slot, such as `45min`, that a job is taken for until its source was probed; nothing
    /// when absent.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    new_job: Option<std::time::Duration>,
}

/// A kind of node.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Kind {
    kind: String,
    slots: u32,
    price_per_hour: f64,
}

impl FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.rsplitn(3, ':');
        let (price, slots, name) = (parts.next(), parts.next(), parts.next());
        let (Some(price), Some(slots), Some(name)) = (price, slots, name) else {
            return Err("write it as NAME:SLOTS:PRICE, such as large:16:0.68".to_owned());
        };
        let slots = slots.parse().ok();
        let slots = slots.filter(|slots| (1..=SLOTS_MAX).contains(slots));
        let price = price.parse().ok();
        let price = price.filter(|price: &f64| price.is_finite() && *price >= 0.0);
        if name.is_empty() {
            return Err("the kind of node has no name".to_owned());
        }
        Ok(Self {
            kind: name.to_owned(),
            slots: slots.ok_or(format!("SLOTS is a number from 1 to {SLOTS_MAX}"))?,
            price_per_hour: price.ok_or("PRICE is a number, and not below 0")?,
        })
    }
}

/// The answer.
#[derive(Debug, Serialize)]
struct Plan {
    /// Jobs that take slots.
    jobs: usize,
    /// Jobs that are paused and left out.
    paused: usize,
    /// Jobs of which only the probe is known.
    unplanned: usize,
    fleets: Vec<Row>,
    hopeless: Vec<Late>,
}

/// What it takes of one kind of node.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    kind: Kind,
    nodes: u32,
    finish_seconds: f64,
    cost: f64,
    /// The job that ends with the least time before its deadline.
    tightest: Option<Tightest>,
}

#[derive(Debug, Serialize)]
struct Tightest {
    job: String,
    title: String,
    seconds_before_deadline: f64,
}

/// A job that no number of nodes finishes in time.
#[derive(Debug, Serialize)]
struct Late {
    job: String,
    title: String,
    least_seconds: f64,
    due_seconds: f64,
}

/// Reads what is left to do and says what would do it in time; fails when nothing would.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let mut client = args.connection.client()?;
    let (jobs, now_ms) = work_left(&mut client).await?;
    let assumed = Assumed {
        within: args.within.map(|within| within.as_secs_f64()),
        new_job_seconds: args.new_job.map_or(0.0, |work| work.as_secs_f64()),
    };
    let plan = plan(&jobs, now_ms, &args.nodes, &assumed);
    if printer.is_json() {
        printer.json(&plan)?;
    } else {
        for line in plan.lines() {
            printer.line(&line);
        }
    }
    if plan.unplanned > 0 && args.new_job.is_none() {
        printer.note(&format!(
            "{} jobs are not planned yet, and only their probes are counted; --new-job says what to take them for",
            plan.unplanned
        ));
    }
    let capacity = client.get_capacity(GetCapacityRequest {}).await;
    let left = capacity.map_err(|s| explain(&s))?.into_inner().to_recover;
    if left > 0 {
        printer.note(&format!(
            "recovering {left}: jobs in storage that may be missing here"
        ));
    }
    Ok(match plan.hopeless[..] {
        [] => Exit::Success,
        _ => Exit::Failed,
    })
}

/// Every open job, and the time by the farm's clock.
async fn work_left(client: &mut Client) -> anyhow::Result<(Vec<JobWork>, u64)> {
    let (mut jobs, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListWorkRequest {
            page_size: PAGE,
            page_token,
        };
        let page = client.list_work(request).await.map_err(|s| explain(&s))?;
        let page = page.into_inner();
        for job in page.jobs {
            jobs.push(JobWork::try_from(job)?);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok((jobs, page.now_ms));
        }
    }
}

fn plan(jobs: &[JobWork], now_ms: u64, kinds: &[Kind], assumed: &Assumed) -> Plan {
    let demand = Demand::new(jobs, now_ms, assumed);
    let count = |is: fn(&JobWork) -> bool| jobs.iter().filter(|job| is(job)).count();
    Plan {
        jobs: demand.jobs(),
        paused: count(|job| job.of.paused),
        unplanned: count(|job| job.of.phase == Phase::Probing && !job.of.paused),
        fleets: kinds
            .iter()
            .map(|kind| row(kind, &demand.least(kind.slots)))
            .collect(),
        hopeless: demand.hopeless().iter().map(late).collect(),
    }
}

fn row(kind: &Kind, fleet: &Fleet<'_>) -> Row {
    let hours = fleet.finish_seconds / 3600.0;
    Row {
        kind: kind.clone(),
        nodes: fleet.nodes,
        finish_seconds: fleet.finish_seconds,
        cost: f64::from(fleet.nodes) * kind.price_per_hour * hours,
        tightest: fleet.tightest.as_ref().map(|(work, seconds)| Tightest {
            job: work.of.job.to_string(),
            title: work.of.title.to_string(),
            // What rounding leaves below 0 is no lateness.
            seconds_before_deadline: seconds.max(0.0),
        }),
    }
}

fn late(hopeless: &Hopeless<'_>) -> Late {
    Late {
        job: hopeless.work.of.job.to_string(),
        title: hopeless.work.of.title.to_string(),
        least_seconds: hopeless.least_seconds,
        due_seconds: hopeless.due_seconds,
    }
}

impl Plan {
    /// The answer for people.
    fn lines(&self) -> Vec<String> {
        if self.jobs == 0 {
            return vec!["there is no work to plan for".to_owned()];
        }
        let mut lines = vec![self.table().render()];
        let cheapest = self.fleets.iter();
        let cheapest = cheapest.min_by(|one, other| one.cost.total_cmp(&other.cost));
        if let Some(cheapest) = cheapest.filter(|_| self.fleets.len() > 1) {
            lines.push(format!("cheapest: {}", cheapest.kind.kind));
        }
        lines.extend(self.hopeless.iter().take(NAMED_MAX).map(Late::line));
        if let more @ 1.. = self.hopeless.len().saturating_sub(NAMED_MAX) {
            lines.push(format!(
                "{more} more jobs are late with any number of nodes"
            ));
        }
        if self.paused > 0 {
            lines.push(format!(
                "left out, because they are paused: {}",
                self.paused
            ));
        }
        lines
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            ("kind", Side::Left),
            ("slots", Side::Right),
            ("price/h", Side::Right),
            ("nodes", Side::Right),
            ("done in", Side::Right),
            ("cost", Side::Right),
            ("tightest job", Side::Left),
            ("before its deadline", Side::Right),
        ]);
        for row in &self.fleets {
            let (job, before) = match &row.tightest {
                Some(one) => (
                    format!("{} {}", one.job, one.title),
                    whole(one.seconds_before_deadline.floor()),
                ),
                None => ("no deadline to meet".to_owned(), String::new()),
            };
            table.row([
                row.kind.kind.clone(),
                row.kind.slots.to_string(),
                row.kind.price_per_hour.to_string(),
                row.nodes.to_string(),
                whole(row.finish_seconds.ceil()),
                format!("{:.2}", row.cost),
                job,
                before,
            ]);
        }
        table
    }
}

impl Late {
    fn line(&self) -> String {
        let due = match self.due_seconds {
            due if due < 0.0 => format!("was due {} ago", whole((-due).floor())),
            due => format!("is due in {}", whole(due.floor())),
        };
        format!(
            "{} {} is late with any number of nodes: it takes {} at least and {due}",
            self.job,
            self.title,
            whole(self.least_seconds.ceil())
        )
    }
}

/// Whole seconds for people.
fn whole(seconds: f64) -> String {
    duration(seconds as u64)
}

#[cfg(test)]
mod tests;
