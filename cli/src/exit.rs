//! How a command ends: the exit code and, on failure, the message with its hint.

use model::job::Phase;
use std::process::ExitCode;

/// Exit codes, part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; a title was published where one was asked for.
    Success,
    /// Rejected or failed.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
    /// Waits for a person's review.
    Review,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Review => 3,
        })
    }
}

impl Exit {
    /// What a job's phase means for the command that waited for it.
    pub fn of_phase(phase: Phase) -> Self {
        match phase {
            Phase::Published => Self::Success,
            Phase::Review => Self::Review,
            _ => Self::Failed,
        }
    }
}

/// An error that the person at the keyboard made or can mend: shown with its hint, exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    /// What is wrong.
    pub message: String,
    /// What would help.
    pub hint: String,
}

/// Shorthand for a usage error as `anyhow::Error`.
pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    UsageError {
        message: message.into(),
        hint: hint.into(),
    }
    .into()
}
