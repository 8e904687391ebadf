//! What coordination costs. `store` drives Magpie's store and a peer queue on one Redis, `share` looks at
//! the processor time of a real job, `backlog` fills the queue of a scheduler; `all` does the three. Each
//! writes its part of one JSON file, and of the tables beside it. A number means something only on a machine with
//! nothing else to do: the load of the machine stands beside each.

mod apalis;
mod backlog;
mod coordination;
mod farm;
mod load;
mod magpie;
mod process;
mod server;
mod share;
#[cfg(test)]
mod tests;
mod urgent;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What coordination costs.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// The file whose part is replaced; the tables are beside it.
    #[arg(
        long,
        global = true,
        default_value = "queue-bench.json",
        value_name = "FILE"
    )]
    json: PathBuf,
    /// Where servers and farms have their files: a disk, or syncing costs nothing.
    #[arg(long, global = true, default_value = ".", value_name = "FOLDER")]
    scratch: PathBuf,
    /// The program under test, for `share`, `backlog` and `all`.
    #[arg(
        long,
        global = true,
        default_value = "target/release/magpie",
        value_name = "PROGRAM"
    )]
    magpie: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The store and the peer by turns.
    Store(coordination::Options),
    /// A real job.
    Share(share::Options),
    /// A long queue.
    Backlog(backlog::Options),
    /// All of them.
    All {
        #[command(flatten)]
        store: coordination::Options,
        #[command(flatten)]
        share: share::Options,
        #[command(flatten)]
        backlog: backlog::Options,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let scratch = std::fs::canonicalize(&args.scratch)?;
    match &args.verb {
        Verb::Store(options) => run_store(&args, *options, &scratch).await,
        Verb::Share(options) => run_share(&args, options.clone(), &scratch).await,
        Verb::Backlog(options) => run_backlog(&args, *options, &scratch).await,
        Verb::All {
            store,
            share,
            backlog,
        } => {
            run_store(&args, *store, &scratch).await?;
            run_share(&args, share.clone(), &scratch).await?;
            run_backlog(&args, *backlog, &scratch).await
        }
    }
}

async fn run_store(args: &Args, options: coordination::Options, scratch: &Path) -> Result<()> {
    let found = coordination::measure(options, scratch).await?;
    keep(&args.json, "store", &found, &found.markdown())
}

async fn run_share(args: &Args, options: share::Options, scratch: &Path) -> Result<()> {
    let found = share::measure(options, &args.magpie, scratch).await?;
    keep(
        &args.json,
        "share",
        &found,
        &format!("\n{}\n", found.line()),
    )
}

async fn run_backlog(args: &Args, options: backlog::Options, scratch: &Path) -> Result<()> {
    let found = backlog::measure(options, &args.magpie, scratch).await?;
    keep(&args.json, "backlog", &found, &found.markdown())
}

/// Replaces a part of the file and of the tables beside it, and says which machine it is from.
fn keep(file: &Path, part: &str, found: &impl Serialize, tables: &str) -> Result<()> {
    let known = match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| file.display().to_string())?,
        Err(_) => Map::new(),
    };
    let mut parts: Map<String, Value> = known;
    let mut value = serde_json::to_value(found)?;
    value["machine"] = machine();
    value["tables"] = tables.into();
    parts.insert(part.to_owned(), value);
    let mut page = "# Results\n".to_owned();
    for (name, value) in &parts {
        let of = |key: &str| value["machine"][key].as_str().unwrap_or_default();
        page += &format!(
            "\n## {name}\n\n{}, {}, load {}.\n",
            of("cpu"),
            of("redis"),
            of("load")
        );
        page += value["tables"].as_str().unwrap_or_default();
    }
    let page_file = file.with_extension("md");
    std::fs::write(&page_file, page).with_context(|| page_file.display().to_string())?;
    let text = serde_json::to_string_pretty(&parts)?;
    std::fs::write(file, text + "\n").with_context(|| file.display().to_string())?;
    Ok(std::io::stdout().write_all(tables.as_bytes())?)
}

fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let redis = Command::new("redis-server").arg("--version").output();
    let redis = redis.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    let redis = redis.unwrap_or_default();
    let version = redis.split(' ').find_map(|word| word.strip_prefix("v="));
    json!({
        "cpu": cpu.unwrap_or_default().trim_start_matches(['\t', ' ', ':']),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "redis": format!("Redis {}", version.unwrap_or_default()),
        "load": process::load_average(),
    })
}

/// The median; not a number without values.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Tells a person how far it is.
fn say(text: &str) {
    // Nobody may listen.
    let _ = writeln!(std::io::stderr(), "{text}");
}
