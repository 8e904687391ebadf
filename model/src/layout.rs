//! Where things are in object storage. The only place that builds these paths.

use crate::{JobId, TaskId, TenantId, TitleId};

/// What was asked.
pub fn ticket(job: &JobId) -> String {
    format!("jobs/{job}/ticket.json")
}

/// What the probe found: a [`crate::plan::Probed`], written by the probe task on a node.
pub fn source_info(job: &JobId) -> String {
    format!("jobs/{job}/probe.json")
}

/// What was decided.
pub fn plan(job: &JobId) -> String {
    format!("jobs/{job}/plan.json")
}

/// Result of a task with one unit, written by the node before the commit: `Vec<AudioFacts>` for sound,
/// `TextFacts`, `ImageFacts`, `Verdict` for qc, `PackageManifest` for package and for verify.
pub fn task_result(task: &TaskId) -> String {
    format!("jobs/{}/tasks/{}.json", task.job, task.name)
}

/// Which version of its title a job fills: a [`crate::catalog::VersionFile`], written by the scheduler
/// before the package task is added.
pub fn job_version(job: &JobId) -> String {
    format!("jobs/{job}/version.json")
}

/// What a person changed of a job's urgency, and whether it is paused: a [`crate::job::Steering`].
pub fn steering(job: &JobId) -> String {
    format!("jobs/{job}/steering.json")
}

/// A person's answer to a flagged title: a [`crate::job::ReviewAnswer`].
pub fn review(job: &JobId) -> String {
    format!("jobs/{job}/review.json")
}

/// Whether a job that is ready is published or was cancelled; what is written first holds until it is
/// taken back. The file stays and counts its changes.
pub fn outcome(job: &JobId) -> String {
    format!("jobs/{job}/outcome.json")
}

/// What came of a job.
pub fn report(job: &JobId) -> String {
    format!("jobs/{job}/report.json")
}

/// Folder of all jobs.
pub const JOBS: &str = "jobs";

/// Folder of what was set of tenants.
pub const TENANTS: &str = "tenants";

/// A tenant's part of the farm.
pub fn tenant(tenant: &TenantId) -> String {
    format!("{TENANTS}/{tenant}.json")
}

/// The job of an idempotency key; `hash` is of tenant and key.
pub fn idempotency(tenant: &str, hash: &str) -> String {
    format!("idempotency/{tenant}/{hash}.json")
}

/// Facts of a piece of output.
pub fn facts(key: &str) -> String {
    format!("segments/{key}.json")
}

/// Bytes of a piece of output; `extension` is `m4s`, `tiles`, `vtt` or `jpg`.
pub fn bytes(key: &str, sha256: &str, extension: &str) -> String {
    format!("segments/{key}/{sha256}.{extension}")
}

/// Whose a title is: claimed by submissions whose tickets are being written, one tenant's for good once
/// there is a ticket, and free again when every claim was given back.
pub fn owner(title: &TitleId) -> String {
    format!("owners/{title}.json")
}

/// Folder of a version of a title.
pub fn version(title: &TitleId, version: u32) -> String {
    format!("titles/{title}/v{version}")
}

/// The file that reserves a version's number.
pub fn version_file(title: &TitleId, version: u32) -> String {
    format!("titles/{title}/v{version}/version.json")
}

/// Folder of the catalog.
pub const CATALOG: &str = "catalog";

/// Which version of a title is published.
pub fn catalog(title: &TitleId) -> String {
    format!("catalog/{title}.json")
}

/// The number that every rebuilt or failed-over store raises.
pub const EPOCH: &str = "epoch.json";
