//! Wire messages as tables for people and as JSON for machines.

use crate::printer::Printer;
use crate::table::{Side, Table};
use proto::v1::{Capacity, DeadChunk, Job, Node, Tenant, Title};

/// A moment, as the time that passed since then.
pub fn ago(at_ms: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_ms = now.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
    duration(now_ms.saturating_sub(at_ms) / 1000) + " ago"
}

/// Seconds in the two greatest units.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// One job.
pub fn job(printer: Printer, job: &Job) -> anyhow::Result<()> {
    if printer.is_json() {
        return printer.json(job);
    }
    printer.line(&format!("{}  {}  {}", job.id, job.title, phase(job)));
    if let Some(failure) = &job.failure {
        printer.line(&format!(
            "{} in {}: {}",
            failure.kind, failure.place, failure.message
        ));
    }
    Ok(())
}

/// The phase for people.
fn phase(job: &Job) -> String {
    match job.paused {
        true => format!("{}, paused", job.phase),
        false => job.phase.clone(),
    }
}

/// Tenants whose part of the farm was set.
pub fn tenants(printer: Printer, tenants: &[Tenant]) -> anyhow::Result<()> {
    if printer.is_json() {
        return tenants.iter().try_for_each(|tenant| printer.json(tenant));
    }
    if tenants.is_empty() {
        printer.line("no tenant was set; all have weight 1");
        return Ok(());
    }
    let mut table = Table::new(&[
        ("tenant", Side::Left),
        ("weight", Side::Right),
        ("held at most", Side::Right),
    ]);
    for tenant in tenants {
        let most = match tenant.held_max {
            0 => "any".to_owned(),
            most => most.to_string(),
        };
        table.row([tenant.id.clone(), tenant.weight.to_string(), most]);
    }
    printer.line(&table.render());
    Ok(())
}

/// Many jobs, or for people the sentence that says what it means that there are none.
pub fn jobs(printer: Printer, jobs: &[Job], none: &str) -> anyhow::Result<()> {
    if printer.is_json() {
        return jobs.iter().try_for_each(|job| printer.json(job));
    }
    if jobs.is_empty() {
        printer.line(none);
        return Ok(());
    }
    let mut table = Table::new(&[
        ("job", Side::Left),
        ("title", Side::Left),
        ("profile", Side::Left),
        ("phase", Side::Left),
        ("done", Side::Right),
        ("accepted", Side::Right),
        ("failure", Side::Left),
    ]);
    for job in jobs {
        let failure = job
            .failure
            .as_ref()
            .map(|f| format!("{}: {}", f.kind, f.message));
        table.row([
            job.id.clone(),
            job.title.clone(),
            job.profile.clone(),
            phase(job),
            format!("{}/{}", job.units_done, job.units),
            ago(job.accepted_at_ms),
            failure.unwrap_or_default(),
        ]);
    }
    printer.line(&table.render());
    Ok(())
}

/// Nodes with what the farm has to do.
pub fn nodes(printer: Printer, nodes: &[Node], capacity: &Capacity) -> anyhow::Result<()> {
    if printer.is_json() {
        nodes.iter().try_for_each(|node| printer.json(node))?;
        return printer.json(capacity);
    }
    if nodes.is_empty() {
        printer.line("no node is connected; start one with `magpie node`");
    } else {
        printer.line(&node_table(nodes).render());
    }
    let paused = match capacity.chunks_paused {
        0 => String::new(),
        chunks => format!(", {chunks} paused"),
    };
    printer.line(&format!(
        "{} jobs, {} chunks queued{paused}, {} held, about {} of work left, {} dead",
        capacity.jobs,
        capacity.chunks_queued,
        capacity.chunks_held,
        duration(capacity.seconds_left as u64),
        capacity.dead,
    ));
    Ok(())
}

fn node_table(nodes: &[Node]) -> Table {
    let mut table = Table::new(&[
        ("node", Side::Left),
        ("host", Side::Left),
        ("cores", Side::Right),
        ("memory", Side::Right),
        ("gpus", Side::Left),
        ("slots", Side::Right),
        ("state", Side::Left),
        ("seen", Side::Right),
        ("holds", Side::Left),
    ]);
    for node in nodes {
        let gpus = if node.gpus.is_empty() {
            "none".to_owned()
        } else {
            node.gpus.join(", ")
        };
        table.row([
            node.id.clone(),
            node.host.clone(),
            node.cores.to_string(),
            format!("{:.1} GiB", node.memory_bytes as f64 / f64::from(1 << 30)),
            gpus,
            format!("{}/{}", node.holds.len(), node.slots),
            state(node),
            ago(node.seen_at_ms),
            node.holds.join(" "),
        ]);
    }
    table
}

fn state(node: &Node) -> String {
    match (node.draining, node.unfit.as_str()) {
        (true, _) => "draining".to_owned(),
        (false, "") => "taking work".to_owned(),
        (false, reason) => format!("unfit: {reason}"),
    }
}

/// The DLQ.
pub fn dead_chunks(printer: Printer, chunks: &[DeadChunk]) -> anyhow::Result<()> {
    if printer.is_json() {
        return chunks.iter().try_for_each(|chunk| printer.json(chunk));
    }
    if chunks.is_empty() {
        printer.line("nothing is in the DLQ");
        return Ok(());
    }
    let mut table = Table::new(&[
        ("chunk", Side::Left),
        ("units", Side::Right),
        ("attempts", Side::Right),
        ("dead", Side::Right),
        ("last failure", Side::Left),
    ]);
    for chunk in chunks {
        let last = chunk
            .attempts
            .last()
            .and_then(|attempt| attempt.failure.as_ref());
        table.row([
            chunk.id.clone(),
            chunk.units.len().to_string(),
            chunk.attempts.len().to_string(),
            ago(chunk.dead_at_ms),
            last.map(|f| format!("{}: {}", f.kind, f.message))
                .unwrap_or_default(),
        ]);
    }
    printer.line(&table.render());
    Ok(())
}

/// One chunk of the DLQ with all its evidence.
pub fn dead_chunk(printer: Printer, chunk: &DeadChunk) -> anyhow::Result<()> {
    if printer.is_json() {
        return printer.json(chunk);
    }
    printer.line(&format!("{}: units {:?}", chunk.id, chunk.units));
    for attempt in &chunk.attempts {
        let Some(failure) = &attempt.failure else {
            continue;
        };
        printer.line(&format!(
            "{} on {}: {} in {}: {}",
            ago(attempt.at_ms),
            attempt.node,
            failure.kind,
            failure.place,
            failure.message
        ));
        for line in failure.evidence.lines() {
            printer.line(&format!("    {line}"));
        }
    }
    Ok(())
}

/// Published titles.
pub fn titles(printer: Printer, titles: &[Title]) -> anyhow::Result<()> {
    if printer.is_json() {
        return titles.iter().try_for_each(|title| printer.json(title));
    }
    if titles.is_empty() {
        printer.line("nothing is published yet");
        return Ok(());
    }
    let mut table = Table::new(&[
        ("title", Side::Left),
        ("version", Side::Right),
        ("length", Side::Right),
        ("published", Side::Right),
        ("before", Side::Left),
        ("path", Side::Left),
    ]);
    for title in titles {
        let history: Vec<String> = title.history.iter().map(|v| format!("v{v}")).collect();
        table.row([
            title.title.clone(),
            format!("v{}", title.version),
            duration(title.duration_seconds as u64),
            ago(title.published_at_ms),
            history.join(" "),
            title.path.clone(),
        ]);
    }
    printer.line(&table.render());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_takes_no_work_is_shown_with_the_reason() {
        let unfit = Node {
            unfit: "5 attempts failed".to_owned(),
            ..Node::default()
        };
        assert_eq!(state(&unfit), "unfit: 5 attempts failed");
        assert_eq!(state(&Node::default()), "taking work");
        let draining = Node {
            draining: true,
            ..unfit
        };
        assert_eq!(state(&draining), "draining");
    }
}
