//! `magpie node`: run a node agent.

use crate::connect::Connection;
use crate::exit::{Exit, usage};
use crate::farm::signals;
use crate::printer::Printer;
use clap::ValueEnum;
use model::NodeId;
use node_agent::{Agent, Cloud, Config, Event, Sandbox, SpotNotice};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use storage::SourceRoots;

/// How workers are confined and what of the processor they use; shared by `node` and `run`.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkerArgs {
    /// Chunks at the same time; from the cores and the memory when absent.
    #[arg(long, env = "MAGPIE_SLOTS", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub slots: Option<u32>,
    /// How workers are confined: `strict` refuses to work where a layer is missing.
    #[arg(long, env = "MAGPIE_SANDBOX", default_value = "strict")]
    pub sandbox: SandboxArg,
    /// Highest instruction set that workers may use; the output bytes do not depend on it.
    #[arg(long, env = "MAGPIE_CPU_LEVEL", default_value = "best")]
    pub cpu_level: CpuLevel,
}

/// `--sandbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SandboxArg {
    /// All layers, or no work.
    Strict,
    /// What the host offers.
    BestEffort,
}

/// `--cpu-level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CpuLevel {
    /// No vector instructions.
    None,
    /// Up to SSE4.2.
    #[value(name = "sse4.2")]
    Sse42,
    /// Up to AVX2.
    Avx2,
    /// All that the processor has.
    Best,
}

/// Arguments of `magpie node`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    worker: WorkerArgs,
    /// Name of the node; made from the host's name and the process id when absent.
    #[arg(long, env = "MAGPIE_NODE_ID")]
    id: Option<String>,
    /// Folder or `s3://bucket/prefix` below which sources may be read; may be given several times.
    #[arg(
        long = "source-root",
        env = "MAGPIE_SOURCES",
        value_delimiter = ',',
        value_name = "ROOT"
    )]
    source_roots: Vec<String>,
    /// Asks the metadata service of this cloud whether it takes the host away, and ends in time.
    #[arg(long, env = "MAGPIE_SPOT", value_name = "CLOUD")]
    spot: Option<SpotArg>,
    /// Where that service is, if not at its usual address.
    #[arg(long, env = "MAGPIE_SPOT_URL", value_name = "URL", requires = "spot")]
    spot_url: Option<String>,
}

/// `--spot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SpotArg {
    /// Amazon EC2.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Compute Engine.
    Gcp,
}

/// Works until it is told to end.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let id = match &args.id {
        Some(id) => NodeId::new(id.clone()),
        None => NodeId::new(default_id()),
    };
    let id = id.map_err(|e| usage(e.to_string(), "name the node with --id"))?;
    let roots = source_roots(&args.source_roots)?;
    let mut config = Config::new(id.clone(), roots);
    args.worker.apply(&mut config);
    let agent = Agent::new(config, args.connection.channel()?).with_token(args.connection.token()?);
    if args.source_roots.is_empty() {
        printer.note("without --source-root or MAGPIE_SOURCES this node can read no source");
    }
    let teller = Teller {
        printer,
        node: id.to_string(),
        scheduler: args.connection.scheduler.clone(),
        is_ready: AtomicBool::new(false),
    };
    let agent = agent.with_observer(Arc::new(move |event: Event| teller.tell(&event)));
    let shutdown = signals::drain_then_kill()?;
    if let Some(spot) = args.spot {
        let notice = SpotNotice::of(spot.cloud(), args.spot_url.as_deref())?;
        notice.heed(shutdown.clone()).await;
    }
    agent.run(shutdown).await?;
    Ok(Exit::Success)
}

impl SpotArg {
    fn cloud(self) -> Cloud {
        match self {
            Self::Aws => Cloud::Aws,
            Self::Azure => Cloud::Azure,
            Self::Gcp => Cloud::Gcp,
        }
    }
}

impl WorkerArgs {
    /// Sets what was asked for.
    pub fn apply(&self, config: &mut Config) {
        config.slots = self.slots.or(config.slots);
        config.sandbox = match self.sandbox {
            SandboxArg::Strict => Sandbox::Strict,
            SandboxArg::BestEffort => Sandbox::BestEffort,
        };
        config.limits.cpu_level = match self.cpu_level {
            CpuLevel::None => node_agent::CpuLevel::None,
            CpuLevel::Sse42 => node_agent::CpuLevel::Sse42,
            CpuLevel::Avx2 => node_agent::CpuLevel::Avx2,
            CpuLevel::Best => node_agent::CpuLevel::Best,
        };
    }
}

/// Checks the roots that were named.
pub fn source_roots(roots: &[String]) -> anyhow::Result<SourceRoots> {
    let roots = roots
        .iter()
        .map(String::as_str)
        .filter(|root| !root.is_empty());
    SourceRoots::new(roots).map_err(|e| {
        usage(
            format!("--source-root: {e}"),
            "name a folder that is there, or s3://bucket",
        )
    })
}

fn default_id() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let kept = host.trim().to_lowercase();
    let kept: String = kept
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let kept = kept.trim_start_matches('-');
    let host = if kept.is_empty() { "node" } else { kept };
    format!("{}-{}", &host[..host.len().min(64)], std::process::id())
}

/// Tells the person at the keyboard what the agent does.
struct Teller {
    printer: Printer,
    node: String,
    scheduler: String,
    is_ready: AtomicBool,
}

impl Teller {
    fn tell(&self, event: &Event) {
        match event {
            Event::Ready { slots } => {
                self.is_ready.store(true, Ordering::Relaxed);
                self.say(&format!("{} takes work in {slots} slots", self.node));
            }
            Event::Away if self.is_ready.load(Ordering::Relaxed) => {
                self.say("the scheduler does not answer; work goes on");
            }
            Event::Away => self.say(&format!(
                "no scheduler answers at {} yet; the node waits for it",
                self.scheduler
            )),
            Event::Back => self.say("the scheduler answers again"),
            Event::Ended {
                chunk,
                reason: Some(reason),
                ..
            } => self.say(&format!("{chunk} was let go: {reason}")),
            _ => {}
        }
    }

    fn say(&self, text: &str) {
        self.printer.note(text);
    }
}
