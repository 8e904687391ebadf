//! Connections to a scheduler.

mod dialer;

use crate::exit::usage;
use anyhow::Context;
use clap::Args;
use dialer::Dialer;
use proto::v1::farm_service_client::FarmServiceClient;
use std::path::PathBuf;
use std::time::Duration;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};

/// Where the scheduler is and how to be let in.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// URL of a scheduler, http://host:port, or those of its replicas with commas between them.
    #[arg(
        long,
        env = "MAGPIE_SCHEDULER",
        default_value = "http://127.0.0.1:7400",
        value_name = "URL"
    )]
    pub scheduler: String,
    /// File with the bearer token that the scheduler asks for.
    #[arg(long, env = "MAGPIE_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Adds the bearer token to every call.
#[derive(Debug, Clone, Default)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(
        &mut self,
        mut request: tonic::Request<()>,
    ) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

/// A client of the farm.
pub type Client = FarmServiceClient<InterceptedService<Channel, Bearer>>;

impl Connection {
    /// A channel that connects when it is first used and reconnects by itself, to the next replica where
    /// several are named.
    pub fn channel(&self) -> anyhow::Result<Channel> {
        let urls: Vec<&str> = self.scheduler.split(',').map(str::trim).collect();
        let dialer = Dialer::new(&urls)?;
        let first = urls.first().copied().unwrap_or_default();
        let endpoint = Endpoint::from_shared(first.to_owned()).map_err(|e| {
            usage(
                format!("scheduler URL {first:?}: {e}"),
                "write it as http://host:port",
            )
        })?;
        let endpoint = endpoint
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(15))
            .keep_alive_timeout(Duration::from_secs(10));
        if urls.len() == 1 {
            return Ok(endpoint.connect_lazy());
        }
        let endpoint = endpoint.connect_timeout(dialer.timeout());
        let connector = tower::service_fn(move |_: Uri| dialer.clone().dial());
        Ok(endpoint.connect_with_connector_lazy(connector))
    }

    /// The token, read from its file.
    pub fn token(&self) -> anyhow::Result<Option<String>> {
        self.token_file
            .as_ref()
            .map(|path| read_secret(path))
            .transpose()
    }

    /// A client of the farm.
    pub fn client(&self) -> anyhow::Result<Client> {
        let bearer = match self.token()? {
            Some(token) => Bearer(Some(
                format!("Bearer {token}")
                    .parse()
                    .context("the token has odd characters")?,
            )),
            None => Bearer::default(),
        };
        Ok(FarmServiceClient::with_interceptor(self.channel()?, bearer))
    }
}

/// Reads a secret from a file: its first line, without white space around it.
pub fn read_secret(path: &std::path::Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        usage(
            format!("{}: {e}", path.display()),
            "the file must be readable",
        )
    })?;
    match text.lines().next().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => Err(usage(
            format!("{} is empty", path.display()),
            "its first line is the secret",
        )),
    }
}

/// The message of a refused call, for people.
pub fn explain(status: &tonic::Status) -> anyhow::Error {
    match status.code() {
        // Without a cause on this side it is the answer of a scheduler that cannot reach its Redis.
        tonic::Code::Unavailable if std::error::Error::source(status).is_some() => usage(
            format!("the scheduler does not answer: {}", status.message()),
            "start one with `magpie scheduler`, or name it with --scheduler",
        ),
        tonic::Code::Unauthenticated => usage(
            "the scheduler wants a token",
            "name its file with --token-file",
        ),
        tonic::Code::InvalidArgument => usage(status.message(), "see `magpie help`"),
        _ => anyhow::anyhow!("{}", status.message()),
    }
}

#[cfg(test)]
mod tests {
    use super::Connection;

    #[test]
    fn a_url_that_no_scheduler_can_have_is_refused_before_it_is_dialled() {
        for urls in ["https://a:7400", "http://a:7400, https://b:7400", "a:7400"] {
            let connection = Connection {
                scheduler: urls.to_owned(),
                token_file: None,
            };
            let error = connection.channel().unwrap_err().to_string();
            assert!(error.contains("scheduler URL"), "{urls}: {error}");
        }
    }
}
