//! A farm in which everything can be disturbed: two schedulers on one Redis and one storage, and four
//! nodes, with a way of the test's own between any two that talk.

use crate::part::{Part, processes};
use crate::plan::{Disturbance, NODES, SCHEDULERS, Spot, Trouble};
use crate::way::{End, Way, Weather};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::{Finished, Magpie, Place, Redis, magpie_path, wait_until};
use tokio::runtime::Runtime;

/// What a scheduler says when it serves.
const SERVES: &str = "api at http://";

/// Longest that one call may take; a farm in trouble may leave it without an answer.
const CALL_BOUND: Duration = Duration::from_secs(20);

/// A farm at rest has nothing to finish, so that its processes end at once.
const END_BOUND: Duration = Duration::from_secs(30);

/// Workers end when they find their agent gone.
const ORPHANS_BOUND: Duration = Duration::from_secs(20);

/// A farm. Its parts are started by the thread that calls, which must live as long as they.
pub(crate) struct Farm {
    schedulers: Vec<Part>,
    nodes: Vec<Part>,
    redis: Redis,
    node_ways: Vec<Way>,
    redis_ways: Vec<Way>,
    /// For people; nothing befalls them.
    doors: Vec<Way>,
    program: PathBuf,
    storage: PathBuf,
    /// The ways end with it.
    _runtime: Runtime,
}

impl Farm {
    /// Starts it in a place.
    pub(crate) fn start(place: &Place, redis: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let ways = |count: usize| -> Result<Vec<Way>> {
            (0..count).map(|_| Way::open(runtime.handle())).collect()
        };
        let mut farm = Self {
            schedulers: Vec::new(),
            nodes: Vec::new(),
            redis: Redis::start(redis, place)?,
            node_ways: ways(NODES)?,
            redis_ways: ways(SCHEDULERS)?,
            doors: ways(SCHEDULERS)?,
            program: own_program(place)?,
            storage: place.folder("storage")?,
            _runtime: runtime,
        };
        let sources = place.folder("sources")?.to_string_lossy().into_owned();
        for number in 0..SCHEDULERS {
            let part = farm.scheduler(place, number, &sources);
            farm.schedulers.push(part.may_end_before(SERVES));
        }
        for number in 0..NODES {
            let part = farm.node(place, number, &sources);
            farm.nodes.push(part);
        }
        Ok(farm)
    }

    fn scheduler(&self, place: &Place, number: usize, sources: &str) -> Part {
        let way = &self.redis_ways[number];
        way.lead_to(End::Socket(self.redis.socket()));
        let (storage, redis) = (
            self.storage.to_string_lossy(),
            format!("redis://{}", way.address()),
        );
        let mut words = vec!["scheduler", "--storage", &storage, "--redis", &redis];
        words.extend(["--source-root", sources, "--log", "info"]);
        words.extend(["--listen", "127.0.0.1:0", "--dashboard", "127.0.0.1:0"]);
        self.part_of(place, &format!("scheduler-{number}"), &words)
    }

    fn node(&self, place: &Place, number: usize, sources: &str) -> Part {
        let (id, way) = (format!("node-{number}"), &self.node_ways[number]);
        let url = format!("http://{}", way.address());
        let mut words = vec!["node", "--scheduler", &url, "--id", &id, "--slots", "1"];
        words.extend(["--source-root", sources, "--log", "info"]);
        self.part_of(place, &id, &words)
    }

    fn part_of(&self, place: &Place, name: &str, words: &[&str]) -> Part {
        let words = words.iter().map(|&word| word.to_owned()).collect();
        Part::new(place, name, &self.program, words)
    }

    /// Looks after every process, and leads the ways to where the schedulers are now.
    pub(crate) fn look(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.look()?;
        }
        for (number, scheduler) in self.schedulers.iter_mut().enumerate() {
            scheduler.look()?;
            let said = scheduler.said();
            let address = said.split_once(SERVES).map(|(_, rest)| rest);
            let address = address.and_then(|rest| rest.split_whitespace().next());
            if let Some(address) = address {
                let end = End::Address(address.parse().context("the address of a scheduler")?);
                self.doors[number].lead_to(end.clone());
                let ways = self.node_ways.iter().skip(number).step_by(SCHEDULERS);
                ways.for_each(|way| way.lead_to(end.clone()));
            }
        }
        Ok(())
    }

    /// Begins a disturbance.
    pub(crate) fn begin(&mut self, one: &Disturbance) -> Result<()> {
        let weather = match one.trouble {
            Trouble::Cut => Weather::Cut,
            Trouble::Stall => Weather::Stall,
            Trouble::LoseAnswers => Weather::Deaf,
            Trouble::Delay(each_ms) => Weather::Slow(Duration::from_millis(each_ms)),
            Trouble::Kill | Trouble::Restart | Trouble::Freeze => Weather::Calm,
        };
        match one.spot {
            Spot::NodeWay(_) | Spot::RedisWay(_) => self.way(one.spot).set(weather),
            Spot::Redis => match one.trouble {
                Trouble::Freeze => self.redis.freeze()?,
                _ => self.redis.kill()?,
            },
            Spot::Scheduler(_) | Spot::Node(_) => {
                let part = self.part(one.spot);
                match one.trouble {
                    Trouble::Freeze => part.freeze()?,
                    Trouble::Restart => part.restart()?,
                    _ => part.kill()?,
                }
            }
        }
        Ok(())
    }

    /// Ends it.
    pub(crate) fn end(&mut self, one: &Disturbance) -> Result<()> {
        match one.spot {
            Spot::NodeWay(_) | Spot::RedisWay(_) => {
                let way = self.way(one.spot);
                match one.trouble {
                    Trouble::LoseAnswers => way.lose(),
                    _ => way.set(Weather::Calm),
                }
            }
            Spot::Redis => match one.trouble {
                Trouble::Freeze => self.redis.thaw()?,
                _ => self.redis.restart()?,
            },
            Spot::Scheduler(_) | Spot::Node(_) => {
                let part = self.part(one.spot);
                match one.trouble {
                    Trouble::Freeze => part.thaw(),
                    Trouble::Restart => part.insist()?,
                    _ => part.come_back(),
                }
            }
        }
        Ok(())
    }

    fn part(&mut self, spot: Spot) -> &mut Part {
        match spot {
            Spot::Node(number) => &mut self.nodes[number],
            Spot::Scheduler(number) => &mut self.schedulers[number],
            Spot::Redis | Spot::NodeWay(_) | Spot::RedisWay(_) => unreachable!("no part: {spot:?}"),
        }
    }

    fn way(&self, spot: Spot) -> &Way {
        match spot {
            Spot::NodeWay(number) => &self.node_ways[number],
            Spot::RedisWay(number) => &self.redis_ways[number],
            Spot::Redis | Spot::Node(_) | Spot::Scheduler(_) => unreachable!("no way: {spot:?}"),
        }
    }

    /// Where people find the schedulers.
    pub(crate) fn doors(&self) -> Vec<String> {
        let url = |way: &Way| format!("http://{}", way.address());
        self.doors.iter().map(url).collect()
    }

    /// The program that every process of it runs.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Where its storage is.
    pub(crate) fn storage(&self) -> &Path {
        &self.storage
    }

    /// What coordinates it.
    pub(crate) fn redis(&self) -> &Redis {
        &self.redis
    }

    /// A call to one of its schedulers; `None` where it is not answered.
    pub(crate) fn ask(&self, scheduler: usize, arguments: &[&str]) -> Result<Option<Finished>> {
        let url = format!("http://{}", self.doors[scheduler].address());
        let call = Magpie::of(&self.program, arguments).env("MAGPIE_SCHEDULER", url);
        let finished = call.finish(CALL_BOUND).ok();
        Ok(finished.filter(|finished| finished.code == Some(0)))
    }

    /// Tells every process to end. Fails where one does not, or where something is left behind.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let parts = self.nodes.iter_mut().chain(&mut self.schedulers);
        for part in parts {
            part.end(END_BOUND)?;
        }
        let left = wait_until("the end of all workers", ORPHANS_BOUND, || {
            Ok(processes(&self.program)?.is_empty().then_some(()))
        });
        let orphans = processes(&self.program)?;
        left.with_context(|| format!("left behind: {orphans:?}"))
    }

    /// What its processes said last, for whoever looks after a failure.
    pub(crate) fn bury(&mut self) -> Result<()> {
        let parts = self.nodes.iter_mut().chain(&mut self.schedulers);
        for part in parts {
            part.bury()?;
        }
        Ok(())
    }
}

/// The program under a name in the place: so its processes, workers too, are told from those of others.
fn own_program(place: &Place) -> Result<PathBuf> {
    let own = place.path().canonicalize()?.join("magpie");
    let program = magpie_path()?;
    if std::fs::hard_link(&program, &own).is_err() {
        std::fs::copy(&program, &own).context("copy the program")?;
    }
    ensure!(own.is_file(), "there is a program");
    Ok(own)
}
