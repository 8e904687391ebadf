//! The command line as it is typed.

use crate::commands;
use clap::{Parser, Subcommand};

/// A self-hosted media farm: titles go in, checked and published renditions come out.
#[derive(Debug, Parser)]
#[command(
    name = "magpie",
    version,
    propagate_version = true,
    max_term_width = 110
)]
#[command(
    after_help = "Exit codes: 0 published or done, 1 rejected or failed, 2 usage, 3 waiting for review."
)]
pub struct Cli {
    /// What is logged to standard error, such as `info` or `scheduler=debug`; `warn` when absent, and
    /// for `magpie run`, which says at its end what went wrong, `error`.
    #[arg(long, global = true, env = "MAGPIE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// Print results as JSON, one value a line.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What is logged.
    pub fn log_filter(&self) -> &str {
        let default = match self.command {
            // Warnings are for operators, who look at logs; they would tear up its progress bars.
            Command::Run(_) => "error",
            _ => "warn",
        };
        self.log.as_deref().unwrap_or(default)
    }
}

/// Every command; each is a file of `commands/`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Process a file on this machine, with no service to install.
    Run(commands::run::Args),
    /// Serve what was published into a folder, with a page that plays it.
    Serve(commands::serve::Args),
    /// Run a scheduler: the farm's API, its dashboard and its decisions.
    Scheduler(commands::scheduler::Args),
    /// Run a node agent: it takes work from a scheduler and does it.
    Node(commands::node::Args),
    /// Give a title to the farm.
    Submit(commands::submit::Args),
    /// Follow a job to its end.
    Watch(commands::watch::Args),
    /// List jobs.
    Jobs(commands::jobs::Args),
    /// List nodes, or tell one to drain.
    Nodes(commands::nodes::Args),
    /// Say how many nodes of which kind meet the deadlines, and what that costs.
    PlanCapacity(commands::plan_capacity::Args),
    /// End a job.
    Cancel(commands::cancel::Args),
    /// Make a job more or less urgent.
    Urgency(commands::urgency::Args),
    /// Hold a job where it is.
    Pause(commands::pause::Args),
    /// Let a paused job go on.
    Resume(commands::pause::Args),
    /// Say what part of the farm each tenant gets.
    Tenants(commands::tenants::Args),
    /// Say what this machine can do and what it lacks.
    Doctor(commands::doctor::Args),
    /// Look at chunks that will not succeed without a person.
    Dlq(commands::dlq::Args),
    /// Decide about titles that quality control flagged.
    Review(commands::review::Args),
    /// List what is published, or roll a title back.
    Publish(commands::publish::Args),
    /// Compare the farm with its peers on your own material.
    Bench(commands::bench::Args),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
