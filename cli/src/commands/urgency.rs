//! `magpie urgency`: make a job more or less urgent.

use crate::connect::{Connection, explain};
use crate::exit::{Exit, usage};
use crate::printer::Printer;
use crate::show;
use proto::v1::SetUrgencyRequest;
use std::time::{SystemTime, UNIX_EPOCH};

/// Arguments of `magpie urgency`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// The job.
    job: String,
    /// 0 (last) to 100 (first).
    #[arg(value_parser = clap::value_parser!(u32).range(0..=100))]
    priority: u32,
    /// When it should be published: `2h`, `3days` from now, or `2026-12-24T18:00:00Z`; none when absent.
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
}

/// Sets priority and deadline.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let request = SetUrgencyRequest {
        id: args.job,
        priority: args.priority,
        deadline_ms: deadline_ms(args.deadline.as_deref())?,
    };
    let answer = args.connection.client()?.set_urgency(request).await;
    show::job(printer, &answer.map_err(|s| explain(&s))?.into_inner())?;
    Ok(Exit::Success)
}

/// A deadline as the API has it: in milliseconds since 1970, 0 for none.
pub fn deadline_ms(text: Option<&str>) -> anyhow::Result<u64> {
    let Some(text) = text else {
        return Ok(0);
    };
    let at = match humantime::parse_rfc3339_weak(text) {
        Ok(at) => Some(at),
        Err(_) => humantime::parse_duration(text)
            .ok()
            .and_then(|time| SystemTime::now().checked_add(time)),
    };
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .ok_or_else(|| {
            usage(
                format!("{text:?} is not a time"),
                "say it like 2h, 3days or 2026-12-24T18:00:00Z",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::deadline_ms;

    #[test]
    fn a_deadline_is_a_time_or_a_time_from_now() {
        assert_eq!(deadline_ms(None).unwrap(), 0);
        let christmas = deadline_ms(Some("2026-12-24T18:00:00Z")).unwrap();
        assert_eq!(christmas, 1_798_135_200_000);
        let (one, two) = (deadline_ms(Some("1h")), deadline_ms(Some("2h")));
        let hour = two.unwrap() - one.unwrap();
        assert!((3_590_000..3_610_000).contains(&hour), "{hour}");
        for bad in ["", "soon", "1960-01-01T00:00:00Z", "-2h"] {
            assert!(deadline_ms(Some(bad)).is_err(), "{bad:?} was taken");
        }
    }
}
