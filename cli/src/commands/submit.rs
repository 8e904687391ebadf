//! `magpie submit`: give a title to the farm.

use crate::commands::watch;
use crate::connect::{Connection, explain};
use crate::exit::{Exit, usage};
use crate::printer::Printer;
use crate::{show, summary};
use anyhow::Context;
use proto::v1::{Sidecar, SubmitJobRequest};
use std::path::{Path, PathBuf};

/// What is submitted; shared by `submit` and `run`.
#[derive(Debug, Clone, clap::Args)]
pub struct TitleArgs {
    /// Name of the title; made from the file's name when absent.
    #[arg(long)]
    pub title: Option<String>,
    /// Built-in profile (web, hevc, av1, preview) or a TOML file.
    #[arg(long, default_value = "web", value_name = "NAME|FILE")]
    pub profile: String,
    /// A subtitle file beside the source; may be given several times. Flags are `forced` and `sdh`.
    #[arg(long, value_name = "FILE[:LANGUAGE[:FLAG]]")]
    pub subtitles: Vec<String>,
}

/// Arguments of `magpie submit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    connection: Connection,
    /// File or `s3://` URL of the source; nodes must be able to read it.
    source: String,
    #[command(flatten)]
    title: TitleArgs,
    /// Whose it is.
    #[arg(long, default_value = "default")]
    tenant: String,
    /// 0 (last) to 100 (first).
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100))]
    priority: u32,
    /// When it should be published: `2h`, `3days` from now, or `2026-12-24T18:00:00Z`.
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    /// Chunks of it that may be worked on at a time; any number when absent.
    #[arg(long, value_name = "CHUNKS", value_parser = clap::value_parser!(u32).range(1..))]
    held_max: Option<u32>,
    /// The same key always gives the same job.
    #[arg(long, default_value = "", value_name = "KEY")]
    idempotency_key: String,
    /// Where state changes are posted.
    #[arg(long, default_value = "", value_name = "URL")]
    webhook: String,
    /// Follow the job to its end.
    #[arg(long)]
    wait: bool,
}

/// Submits the title.
pub async fn run(args: Args, printer: Printer) -> anyhow::Result<Exit> {
    let mut client = args.connection.client()?;
    let mut request = request(&args.source, &args.title)?;
    request.tenant = args.tenant;
    request.priority = args.priority;
    request.has_priority = true;
    request.deadline_ms = super::urgency::deadline_ms(args.deadline.as_deref())?;
    request.held_max = args.held_max.unwrap_or(0);
    request.idempotency_key = args.idempotency_key;
    request.webhook_url = args.webhook;
    let answer = client
        .submit_job(request)
        .await
        .map_err(|s| explain(&s))?
        .into_inner();
    let job = answer.job.context("the scheduler answered without a job")?;
    if answer.existed {
        printer.note("this key was submitted before; here is its job");
    }
    if !args.wait {
        show::job(printer, &job)?;
        return Ok(Exit::Success);
    }
    let detail = watch::follow(&mut client, &job.id, printer).await?;
    summary::print(printer, &detail, None)
}

/// The request for a source and its title.
pub fn request(source: &str, title: &TitleArgs) -> anyhow::Result<SubmitJobRequest> {
    let (profile, profile_toml) = match Path::new(&title.profile) {
        path if path.extension().is_some_and(|e| e == "toml") => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| usage(format!("{}: {e}", path.display()), "name a TOML file"))?;
            (String::new(), text)
        }
        _ => (title.profile.clone(), String::new()),
    };
    let sidecars: anyhow::Result<Vec<Sidecar>> =
        title.subtitles.iter().map(|text| sidecar(text)).collect();
    Ok(SubmitJobRequest {
        title: title.title.clone().unwrap_or_default(),
        source_url: source_url(source)?,
        sidecars: sidecars?,
        profile,
        profile_toml,
        ..Default::default()
    })
}

/// The URL of a source: an `s3` URL as it is, a file by its absolute path.
pub fn source_url(source: &str) -> anyhow::Result<String> {
    if source.starts_with("s3://") || source.starts_with("file://") {
        return Ok(source.to_owned());
    }
    let path = absolute(source)?;
    let url = url::Url::from_file_path(&path)
        .map_err(|()| usage(format!("{source} has no absolute path"), "name a file"))?;
    Ok(url.to_string())
}

/// The absolute path of a file that must be there.
pub fn absolute(source: &str) -> anyhow::Result<PathBuf> {
    std::fs::canonicalize(source)
        .map_err(|e| usage(format!("{source}: {e}"), "name a file that can be read"))
}

fn sidecar(text: &str) -> anyhow::Result<Sidecar> {
    let mut parts = text.split(':');
    let file = parts.next().unwrap_or_default();
    let language = parts.next().unwrap_or("und").to_owned();
    let (mut forced, mut hearing_impaired) = (false, false);
    for flag in parts {
        match flag {
            "forced" => forced = true,
            "sdh" => hearing_impaired = true,
            other => {
                return Err(usage(
                    format!("{other:?} is not a flag"),
                    "flags are forced and sdh",
                ));
            }
        }
    }
    Ok(Sidecar {
        url: source_url(file)?,
        language,
        forced,
        hearing_impaired,
    })
}
