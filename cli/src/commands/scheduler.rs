//! `magpie scheduler`: the farm's API, its dashboard and its decisions.

mod recover;

use crate::commands::node::source_roots;
use crate::connect::read_secret;
use crate::exit::{Exit, usage};
use crate::farm::listen::{Door, grpc_address, grpc_connections, http_address, serve_http};
use crate::farm::redis_child::RedisChild;
use crate::farm::signals;
use crate::farm::systemd::Notify;
use crate::printer::Printer;
use anyhow::Context;
use scheduler::webhook::Targets;
use scheduler::{Config, Limits, Scheduler, Secret};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use storage::Storage;
use store::redis::RedisStore;
use tokio_util::sync::CancellationToken;

/// Longest time in days for which ended jobs are listed, ten years.
const DAYS_MAX: i64 = 3_650;

/// Arguments of `magpie scheduler`.
#[derive(Debug, clap::Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    farm: FarmArgs,
    /// Folder or `s3://bucket/prefix` below which sources may be named; may be given several times.
    #[arg(
        long = "source-root",
        env = "MAGPIE_SOURCES",
        value_delimiter = ',',
        value_name = "ROOT"
    )]
    source_roots: Vec<String>,
    /// Where jobs and nodes connect (gRPC).
    #[arg(
        long,
        env = "MAGPIE_LISTEN",
        default_value = "127.0.0.1:7400",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    /// Where the dashboard is; it asks for no token, so it stays on loopback.
    #[arg(
        long,
        env = "MAGPIE_DASHBOARD",
        default_value = "127.0.0.1:7401",
        value_name = "ADDRESS"
    )]
    dashboard: SocketAddr,
    /// File with the bearer token that callers must show.
    #[arg(long, env = "MAGPIE_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// File with the secret that signs webhooks.
    #[arg(long, env = "MAGPIE_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    webhook_secret_file: Option<PathBuf>,
    /// Network inside yours that webhooks may reach, such as `10.0.0.0/8`; may be given several times.
    #[arg(
        long = "webhook-network",
        env = "MAGPIE_WEBHOOK_NETWORKS",
        value_delimiter = ',',
        value_name = "NETWORK"
    )]
    webhook_networks: Vec<String>,
    /// Jobs that may be open at a time; more are refused with `RESOURCE_EXHAUSTED` and a time to ask again.
    #[arg(
        long,
        env = "MAGPIE_JOBS_MAX",
        default_value_t = Limits::default().jobs_max,
        value_name = "JOBS",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    jobs_max: u64,
    /// Rebuild a lost or wiped Redis from storage before anything else.
    #[arg(long)]
    recover: bool,
}

/// What is done instead of serving.
#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Give a lost or wiped Redis back what storage knows, and end; schedulers may run beside it.
    Recover(recover::Args),
}

/// Which farm it is.
#[derive(Debug, clap::Args)]
struct FarmArgs {
    /// Folder or `s3://bucket/prefix` where tickets, segments and titles live; nodes see it too.
    #[arg(long, env = "MAGPIE_STORAGE", value_name = "URL", required = true)]
    storage: Option<String>,
    /// Redis that coordinates the farm; a private one is started when absent.
    #[arg(long, env = "MAGPIE_REDIS", value_name = "URL")]
    redis: Option<String>,
    /// Folder of the private Redis.
    #[arg(
        long,
        env = "MAGPIE_REDIS_FOLDER",
        default_value = "/var/lib/magpie/redis",
        value_name = "FOLDER"
    )]
    redis_folder: PathBuf,
    /// Name of this farm inside its Redis.
    #[arg(long, env = "MAGPIE_CELL", default_value = "main")]
    cell: String,
    /// Days for which a job that has ended is listed, with what was done for it; its report stays in storage.
    /// A failed one is listed until somebody acts on it.
    #[arg(
        long,
        env = "MAGPIE_KEEP_ENDED_DAYS",
        default_value_t = 30,
        value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX)
    )]
    keep_ended_days: u32,
}

impl FarmArgs {
    fn storage(&self) -> anyhow::Result<Storage> {
        let hint = "name a folder or s3://bucket/prefix with --storage";
        let url = self.storage.as_deref();
        let url = url.ok_or_else(|| usage("no storage is named", hint))?;
        Storage::open(url).map_err(|e| usage(e.to_string(), hint))
    }

    /// How long jobs that have ended are listed.
    fn keep_ended(&self) -> Duration {
        Duration::from_secs(u64::from(self.keep_ended_days) * 24 * 3_600)
    }

    /// The store in this Redis, whose new tokens have at least this epoch.
    async fn store(&self, url: &str, epoch: u32) -> anyhow::Result<RedisStore> {
        let store = RedisStore::open(url, &self.cell, epoch).await;
        store.map_err(|e| {
            usage(
                e.to_string(),
                "name a reachable Redis with --redis, or none to start a private one",
            )
        })
    }
}

/// Serves until it is told to end.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    if let Some(Action::Recover(args)) = args.action {
        return recover::run(args, printer).await;
    }
    let stop = signals::stop()?;
    let storage = args.farm.storage()?;
    if args.source_roots.is_empty() {
        printer.note("without --source-root or MAGPIE_SOURCES every source is refused");
    }
    let private = match &args.farm.redis {
        Some(_) => None,
        None => Some(RedisChild::start(&args.farm.redis_folder).await?),
    };
    let result = serve(&args, printer, storage, private.as_ref(), &stop).await;
    if let Some(redis) = private {
        redis.stop().await;
    }
    result.map(|()| Exit::Success)
}

async fn serve(
    args: &Args,
    printer: Printer,
    storage: Storage,
    private: Option<&RedisChild>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let url = match (&args.farm.redis, private) {
        (Some(url), _) => url.clone(),
        (None, Some(child)) => child.url(),
        (None, None) => anyhow::bail!("no Redis"),
    };
    let epoch = match args.recover {
        true => scheduler::raise_epoch(&storage).await?,
        false => scheduler::current_epoch(&storage).await?,
    };
    let store = args.farm.store(&url, epoch).await?;
    let mut config = config(args, storage.clone(), store.clone())?;
    config.lapses = Some(store.lapses().await?);
    let scheduler = Scheduler::new(config)?;
    let door = if args.token_file.is_some() {
        Door::Guarded
    } else {
        Door::Open
    };
    let api = grpc_address(args.listen, door).await?;
    // The dashboard can approve and cancel; it has no token check, so it never leaves this machine.
    let pages = http_address(args.dashboard).await?;
    anyhow::ensure!(
        args.dashboard.ip().is_loopback(),
        "--dashboard must be a loopback address"
    );
    let router = scheduler.services().await?;
    printer.note(&format!("api at http://{}", api.local_addr()?));
    printer.note(&format!("dashboard at http://{}", pages.local_addr()?));
    let page = dashboard::farm(scheduler.handle(), storage);
    // Cheap where nothing is missing, and the only way back for a job whose ticket outlived the store.
    let recovery = scheduler.recovery(stop.clone());
    let recoveries = scheduler.recoveries(stop.clone());
    let recovery = async {
        if let Some(recovered) = recovery.await.filter(|recovered| recovered.submitted > 0) {
            let jobs = recovered.submitted;
            printer.note(&format!("{jobs} jobs were taken up from storage"));
        }
        recoveries.await;
    };
    let _notify = Notify::ready(stop.clone());
    let (api, pages, (), ()) = tokio::join!(
        router.serve_with_incoming_shutdown(grpc_connections(api), stop.clone().cancelled_owned()),
        serve_http(pages, page, stop.clone()),
        scheduler.run(stop.clone()),
        recovery,
    );
    api.context("the api ended")?;
    pages.context("the dashboard ended")
}

fn config(args: &Args, storage: Storage, store: RedisStore) -> anyhow::Result<Config> {
    let mut config = Config::new(storage, Arc::new(store), source_roots(&args.source_roots)?);
    config.limits.jobs_max = args.jobs_max;
    config.keep_ended = args.farm.keep_ended();
    config.token = args
        .token_file
        .as_deref()
        .map(read_secret)
        .transpose()?
        .map(Secret::new);
    config.webhook_secret = args
        .webhook_secret_file
        .as_deref()
        .map(read_secret)
        .transpose()?
        .map(Secret::new);
    let networks = args.webhook_networks.iter().map(String::as_str);
    config.webhook_targets = Targets::new(networks)
        .map_err(|e| usage(e.to_string(), "write it as 10.0.0.0/8 or fd00::/8"))?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::Parser;
    use std::time::Duration;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(words: &[&str]) -> Result<Duration, clap::Error> {
        let line = ["scheduler", "--storage", "memory:"].iter().chain(words);
        Line::try_parse_from(line).map(|line| line.args.farm.keep_ended())
    }

    #[test]
    fn ended_jobs_are_kept_for_a_month_or_the_days_that_are_said() {
        let day = Duration::from_secs(86_400);
        assert_eq!(parse(&[]).unwrap(), 30 * day);
        assert_eq!(parse(&["--keep-ended-days", "7"]).unwrap(), 7 * day);
        for wrong in ["0", "-1", "4000", "month"] {
            let option = format!("--keep-ended-days={wrong}");
            assert!(parse(&[&option]).is_err(), "{wrong}");
        }
    }
}
