//! How a worker ended, in words that a person can act on.

use model::{Failure, FailureKind};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Why the agent killed a worker, where it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Killed {
    /// No progress for too long, in seconds.
    Stalled(u64),
    /// No end of its work, or of a segment, for too long, in seconds.
    Endless(u64),
    /// It broke the protocol.
    Protocol(String),
    /// The work is not wanted any more.
    Unwanted,
}

/// The failure of a worker that ended without a result.
pub(crate) fn failure(
    place: &str,
    killed: Option<Killed>,
    status: Option<ExitStatus>,
    evidence: &str,
) -> Failure {
    let (kind, message) = match killed {
        Some(Killed::Stalled(seconds)) => (
            FailureKind::NodeFault,
            format!("worker made no progress for {seconds} s and was killed"),
        ),
        Some(Killed::Endless(seconds)) => (
            FailureKind::NodeFault,
            format!("worker came to no end within {seconds} s and was killed"),
        ),
        Some(Killed::Protocol(reason)) => (
            FailureKind::NodeFault,
            format!("worker broke the protocol: {reason}"),
        ),
        Some(Killed::Unwanted) => (FailureKind::Cancelled, "the work was called off".to_owned()),
        None => (FailureKind::NodeFault, describe(status)),
    };
    Failure::new(kind, place, message).with_evidence(evidence)
}

fn describe(status: Option<ExitStatus>) -> String {
    let Some(status) = status else {
        return "worker ended and left no status".to_owned();
    };
    match (status.signal(), status.code()) {
        (Some(libc::SIGSEGV), _) => "worker crashed: segmentation fault (SIGSEGV)".to_owned(),
        (Some(libc::SIGBUS), _) => "worker crashed: bus error (SIGBUS)".to_owned(),
        (Some(libc::SIGILL), _) => "worker crashed: illegal instruction (SIGILL)".to_owned(),
        (Some(libc::SIGFPE), _) => "worker crashed: arithmetic error (SIGFPE)".to_owned(),
        (Some(libc::SIGABRT), _) => {
            "worker aborted (SIGABRT), as it does at its memory limit or at a broken invariant"
                .to_owned()
        }
        (Some(libc::SIGXCPU), _) => "worker reached its processor time limit (SIGXCPU)".to_owned(),
        (Some(libc::SIGKILL), _) => {
            "worker was killed from outside (SIGKILL), as the kernel does when the host is out of memory"
                .to_owned()
        }
        (Some(signal), _) => format!("worker ended by signal {signal}"),
        (None, Some(code)) => format!("worker exited with code {code} and no result"),
        (None, None) => "worker ended in an unknown way".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_die_is_the_nodes_fault_and_says_its_name() {
        for (signal, word) in [
            (11, "SIGSEGV"),
            (6, "SIGABRT"),
            (24, "SIGXCPU"),
            (9, "SIGKILL"),
        ] {
            let found = failure("probe", None, Some(ExitStatus::from_raw(signal)), "the end");
            assert_eq!(found.kind, FailureKind::NodeFault);
            assert!(found.message.contains(word), "{found}");
            assert_eq!(found.evidence, "the end");
        }
    }

    #[test]
    fn called_off_work_is_nobodys_fault() {
        let killed = ExitStatus::from_raw(9);
        let found = failure("probe", Some(Killed::Unwanted), Some(killed), "");
        assert_eq!(found.kind, FailureKind::Cancelled);
    }
}
