//! What a submission must look like. Looks at the request alone: whether a source lies below an
//! allowed root, and whether the farm has room, is asked by the service that has these answers.

use crate::error::{Error, Result};
use model::job::Urgency;
use model::plan::Sidecar;
use model::profile::Profile;
use model::{TenantId, TitleId};
use sha2::{Digest, Sha256};

/// Longest URL; above what browsers and S3 accept.
const URL_BYTES_MAX: usize = 2_048;

/// Longest idempotency key: room for a UUID with a prefix, several times.
const KEY_BYTES_MAX: usize = 200;

/// Longest profile in TOML; the built-in ones are below 2 KiB.
const PROFILE_BYTES_MAX: usize = 64 << 10;

/// Most text files beside a source: more languages than any title has.
const SIDECARS_MAX: usize = 64;

/// Longest title made from a file's name, so that ids of tasks stay readable.
const SLUG_BYTES_MAX: usize = 64;

/// Bytes of the hash of a name in a title: two names of one farm hardly ever share it.
const NAME_HASH_BYTES: usize = 4;

/// The priority of a job that does not say one.
pub const PRIORITY_DEFAULT: u32 = 50;

/// Latest deadline: the end of the year 9999, beyond which times have no four digits.
const DEADLINE_MS_MAX: u64 = 253_402_300_799_999;

/// What a submitter asks for, as it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submission {
    /// May be empty.
    pub idempotency_key: String,
    /// `default` when empty.
    pub tenant: String,
    /// Made from the file's name when empty.
    pub title: String,
    /// Where the source is.
    pub source_url: String,
    /// Text tracks beside it.
    pub sidecars: Vec<Sidecar>,
    /// Name of a built-in profile, `web` when empty.
    pub profile: String,
    /// A profile of one's own, instead of the name.
    pub profile_toml: String,
    /// 0 (last) to 100 (first).
    pub priority: Option<u32>,
    /// When it should be published, in milliseconds since 1970; 0 for no time.
    pub deadline_ms: u64,
    /// Chunks of it that may be worked on at a time; 0 for any number.
    pub held_max: u32,
    /// Where state changes are posted; empty for nowhere.
    pub webhook_url: String,
    /// W3C traceparent, may be empty.
    pub traceparent: String,
}

/// A submission that was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// Whose it is.
    pub tenant: TenantId,
    /// The title.
    pub title: TitleId,
    /// The profile as it is now.
    pub profile: Profile,
    /// How urgent it is.
    pub urgency: Urgency,
    /// W3C traceparent, empty unless it was a valid one.
    pub traceparent: String,
}

/// Checks a submission; [`Error::Rejected`] names the field that is wrong.
pub fn admit(submission: &Submission) -> Result<Admitted> {
    check_url("source_url", &submission.source_url, &["file", "s3"])?;
    if submission.sidecars.len() > SIDECARS_MAX {
        return reject("sidecars", format!("more than {SIDECARS_MAX}"));
    }
    for sidecar in &submission.sidecars {
        check_url("sidecars.url", &sidecar.url, &["file", "s3"])?;
        if super::plan::sidecar_codec(&sidecar.url).is_none() {
            return reject(
                "sidecars.url",
                format!("{}: not .vtt, .srt, .ass or .ssa", sidecar.url),
            );
        }
        check_language(&sidecar.language)?;
    }
    if !submission.webhook_url.is_empty() {
        check_url("webhook_url", &submission.webhook_url, &["http", "https"])?;
    }
    let key = &submission.idempotency_key;
    if key.len() > KEY_BYTES_MAX || key.chars().any(char::is_control) {
        return reject(
            "idempotency_key",
            format!("must be at most {KEY_BYTES_MAX} plain bytes"),
        );
    }
    let priority = submission.priority.unwrap_or(PRIORITY_DEFAULT);
    let urgency = urgency(priority, submission.deadline_ms)?;
    let tenant = if submission.tenant.is_empty() {
        "default"
    } else {
        &submission.tenant
    };
    let title = match submission.title.as_str() {
        "" => title_of(&submission.source_url),
        title => title.to_owned(),
    };
    Ok(Admitted {
        tenant: TenantId::new(tenant).map_err(|e| rejected("tenant", e))?,
        title: TitleId::new(title).map_err(|e| rejected("title", e))?,
        profile: profile_of(submission)?,
        urgency,
        traceparent: valid_traceparent(&submission.traceparent),
    })
}

/// Checks how urgent a job shall be.
pub fn urgency(priority: u32, deadline_ms: u64) -> Result<Urgency> {
    let priority = match priority {
        priority @ 0..=100 => priority as u8,
        other => return reject("priority", format!("{other} is not 0 to 100")),
    };
    if deadline_ms > DEADLINE_MS_MAX {
        return reject(
            "deadline_ms",
            format!("{deadline_ms} is after the year 9999"),
        );
    }
    Ok(Urgency {
        priority,
        deadline_ms: Some(deadline_ms).filter(|at| *at > 0),
    })
}

fn rejected(field: &'static str, reason: impl ToString) -> Error {
    Error::Rejected {
        field,
        reason: reason.to_string(),
    }
}

fn reject<T>(field: &'static str, reason: impl ToString) -> Result<T> {
    Err(rejected(field, reason))
}

fn check_url(field: &'static str, text: &str, schemes: &[&str]) -> Result<()> {
    if text.is_empty() || text.len() > URL_BYTES_MAX {
        return reject(field, format!("must have 1 to {URL_BYTES_MAX} bytes"));
    }
    let url = url::Url::parse(text).map_err(|e| rejected(field, format!("{text}: {e}")))?;
    if !schemes.contains(&url.scheme()) {
        return reject(
            field,
            format!(
                "scheme {} is not one of {}",
                url.scheme(),
                schemes.join(", ")
            ),
        );
    }
    if !url.username().is_empty() || url.password().is_some() {
        return reject(
            field,
            "holds credentials, which would be stored with the job",
        );
    }
    Ok(())
}

/// BCP 47, as far as a wrong tag could do harm in a manifest.
fn check_language(tag: &str) -> Result<()> {
    let plain = tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if tag.len() > 35 || !plain {
        return reject(
            "sidecars.language",
            format!("{tag:?} is not a language tag"),
        );
    }
    Ok(())
}

fn profile_of(submission: &Submission) -> Result<Profile> {
    if submission.profile_toml.is_empty() {
        let name = if submission.profile.is_empty() {
            "web"
        } else {
            &submission.profile
        };
        return Profile::built_in(name).map_err(|e| rejected("profile", e));
    }
    if !submission.profile.is_empty() {
        return reject("profile", "is given as a name and as TOML");
    }
    if submission.profile_toml.len() > PROFILE_BYTES_MAX {
        return reject(
            "profile_toml",
            format!("more than {PROFILE_BYTES_MAX} bytes"),
        );
    }
    Profile::from_toml("custom", &submission.profile_toml).map_err(|e| rejected("profile_toml", e))
}

/// A title from the file's name: lower case, everything else than letters and digits is one dash.
/// Where that loses what tells names apart, because not all of it is ASCII or nothing is left, a hash of the whole name follows. One name always gives one title.
fn title_of(source_url: &str) -> String {
    let path = url::Url::parse(source_url)
        .map(|url| url.path().to_owned())
        .unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name
        .rsplit_once('.')
        .map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem });
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(stem).collect();
    if bytes.is_empty() {
        return "untitled".to_owned();
    }
    let slug = slug_of(&bytes, SLUG_BYTES_MAX);
    if bytes.is_ascii() && !slug.is_empty() {
        return slug;
    }
    let hash = hex::encode(&Sha256::digest(&bytes)[..NAME_HASH_BYTES]);
    let slug = slug_of(&bytes, SLUG_BYTES_MAX - hash.len() - 1);
    let readable = if slug.is_empty() { "title" } else { &slug };
    format!("{readable}-{hash}")
}

/// The letters and digits of ASCII of a name, at most `longest` bytes of them with their dashes.
fn slug_of(name: &[u8], longest: usize) -> String {
    let mut slug = String::new();
    for byte in name {
        if slug.len() >= longest {
            break;
        }
        if byte.is_ascii_alphanumeric() {
            slug.push(char::from(byte.to_ascii_lowercase()));
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// A traceparent that is not one is dropped: a trace is worth less than a job.
fn valid_traceparent(text: &str) -> String {
    let parts: Vec<&str> = text.split('-').collect();
    let hexadecimal = |part: &&str| part.bytes().all(|b| b.is_ascii_hexdigit());
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    if lengths == [2, 32, 16, 2] && parts.iter().all(hexadecimal) {
        text.to_owned()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests;
