//! The magpie command. Two roles are for the program itself only, a sandboxed worker and the private
//! redis-server. They are looked for before anything else happens, because a sandbox must be entered
//! before any thread is started.

#![allow(
    unreachable_pub,
    reason = "a binary has no callers; `pub` marks what a module offers to its siblings"
)]

mod args;
mod commands;
mod connect;
mod exit;
mod farm;
mod listing;
mod printer;
mod progress;
mod show;
mod summary;
mod table;

use args::{Cli, Command};
use clap::Parser;
use exit::{Exit, UsageError};
use farm::redis_child;
use printer::{Format, Printer};
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(role) if role == "worker" => return node_agent::worker::main(),
        Some(role) if role == redis_child::ROLE => return redis_child::become_server(),
        _ => {}
    }
    let cli = Cli::parse();
    let printer = Printer::new(if cli.json {
        Format::Json
    } else {
        Format::Human
    });
    let filter = tracing_subscriber::EnvFilter::try_new(cli.log_filter());
    let Ok(filter) = filter else {
        printer.error(&format!(
            "error: --log {:?} is not a filter",
            cli.log_filter()
        ));
        return Exit::Usage.into();
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.error(&format!("error: no runtime: {error}"));
            return Exit::Failed.into();
        }
    };
    match runtime.block_on(dispatch(cli.command, printer)) {
        Ok(exit) => exit.into(),
        Err(error) => report(printer, &error).into(),
    }
}

async fn dispatch(command: Command, printer: Printer) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => commands::run::run(args, printer).await,
        Command::Serve(args) => commands::serve::run(args, printer).await,
        Command::Scheduler(args) => commands::scheduler::run(args, printer).await,
        Command::Node(args) => commands::node::run(args, printer).await,
        Command::Submit(args) => commands::submit::run(args, printer).await,
        Command::Watch(args) => commands::watch::run(args, printer).await,
        Command::Jobs(args) => commands::jobs::run(args, printer).await,
        Command::Nodes(args) => commands::nodes::run(args, printer).await,
        Command::PlanCapacity(args) => commands::plan_capacity::run(args, printer).await,
        Command::Cancel(args) => commands::cancel::run(args, printer).await,
        Command::Urgency(args) => commands::urgency::run(args, printer).await,
        Command::Pause(args) => commands::pause::pause(args, printer).await,
        Command::Resume(args) => commands::pause::resume(args, printer).await,
        Command::Tenants(args) => commands::tenants::run(args, printer).await,
        Command::Doctor(args) => commands::doctor::run(args, printer).await,
        Command::Dlq(args) => commands::dlq::run(args, printer).await,
        Command::Review(args) => commands::review::run(args, printer).await,
        Command::Publish(args) => commands::publish::run(args, printer).await,
        Command::Bench(args) => commands::bench::run(args, printer),
    }
}

fn report(printer: Printer, error: &anyhow::Error) -> Exit {
    if let Some(usage) = error.downcast_ref::<UsageError>() {
        printer.error(&format!("error: {usage}\nhint: {}", usage.hint));
        return Exit::Usage;
    }
    printer.error(&format!("error: {error:#}"));
    Exit::Failed
}
