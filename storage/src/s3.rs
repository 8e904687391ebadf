//! Buckets. Credentials, region and endpoint come from the usual AWS variables of the process.
//!
//! The library is told not to repeat requests: `node-agent` repeats what a task does and the
//! scheduler's driver what a decision does, and the tries of two owners would multiply. A request may
//! take 30 s and a connection 5 s, which are the library's own bounds.

use crate::{Error, Result};
use object_store::RetryConfig;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::path::Path;
use url::Url;

/// A place in a bucket, from an `s3` URL. The key is decoded: `%20` is a space.
pub(crate) fn place(url: &Url) -> Result<(&str, Path)> {
    let invalid = |reason: &str| Error::Url {
        url: url.to_string(),
        reason: reason.to_owned(),
    };
    let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
    let bucket = bucket.ok_or_else(|| invalid("no bucket"))?;
    if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
        return Err(invalid("is not s3://bucket/key"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("? and # are written %3F and %23 in a URL"));
    }
    let key = Path::from_url_path(url.path()).map_err(|e| invalid(&e.to_string()))?;
    Ok((bucket, key))
}

/// A client of a bucket. `settings` go before those of the environment and have the same names.
pub(crate) fn open(url: &Url, bucket: &str, settings: &[(&str, &str)]) -> Result<AmazonS3> {
    provide_tls();
    let invalid = |reason: String| Error::Url {
        url: url.to_string(),
        reason,
    };
    let mut builder = AmazonS3Builder::from_env();
    for (name, value) in settings {
        let key: AmazonS3ConfigKey = name
            .to_ascii_lowercase()
            .parse()
            .map_err(|_| invalid(format!("there is no setting {name}")))?;
        builder = builder.with_config(key, *value);
    }
    builder
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        })
        .build()
        .map_err(|e| invalid(e.to_string()))
}

/// Names the one TLS provider of the process, without which building a client panics.
fn provide_tls() {
    // Another part of the process may have named the same one before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests;
