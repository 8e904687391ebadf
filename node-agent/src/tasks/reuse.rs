//! Output that is there already, and output that is kept. Found means: facts under the content key that
//! can be read and are as the plan wants them, every object that they name, read again and hashed, and
//! every claim of the facts true of those bytes. Facts without their bytes are no output, and what is
//! damaged is made anew by whoever finds it so.
//!
//! Facts are created if absent, and so decide: other facts for the same key, of output that is whole,
//! mean that equal inputs gave unequal bytes, which is an incident and never an overwrite.

use super::claims::{self, Claim};
use super::context::{Context, in_order};
use bytes::Bytes;
use futures::FutureExt;
use model::facts::{
    AudioFacts, AudioSegment, ImageFacts, ImageFile, PictureFacts, SegmentFacts, TextFacts,
};
use model::{Failure, FailureKind, layout};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::future::Future;

/// Facts of output that is kept under a content key.
pub(super) trait Held:
    Serialize + DeserializeOwned + PartialEq + Debug + Send + Sync
{
    /// The content key.
    fn key(&self) -> &str;

    /// Whether the objects that the facts name are whole and are what the facts say.
    fn is_whole(&self, context: &Context) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// Finds output; `planned` says whether facts are as the plan wants them. Those that are not are
/// damaged: equal keys mean equal plans.
pub(super) async fn find<T: Held>(
    context: &Context,
    key: &str,
    planned: impl Fn(&T) -> Claim,
) -> Result<Option<T>, Failure> {
    let Some(facts) = find_facts(context, key, planned).await? else {
        return Ok(None);
    };
    let facts: T = facts;
    Ok(facts.is_whole(context).await?.then_some(facts))
}

/// Finds facts alone; what they name is not looked at.
pub(super) async fn find_facts<T: Held>(
    context: &Context,
    key: &str,
    planned: impl Fn(&T) -> Claim,
) -> Result<Option<T>, Failure> {
    let facts: Option<T> = context.pieces.find_facts(key).await?;
    let is_found = |facts: &T| facts.key() == key && is_true(key, planned(facts));
    Ok(facts.filter(is_found))
}

/// Keeps the facts of output whose bytes are in storage, which must be as planned. Those that are there
/// and would not be found are damaged, and replaced.
pub(super) async fn keep<T: Held>(
    context: &Context,
    facts: &T,
    planned: impl Fn(&T) -> Claim,
) -> Result<(), Failure> {
    let key = facts.key();
    if context.pieces.put_facts(key, facts).await? {
        return Ok(());
    }
    let path = layout::facts(key);
    if let Some(there) = find(context, key, planned).await? {
        let message = format!("incident: {path} says {there:?}, this node made {facts:?}");
        return Err(Failure::new(FailureKind::Bug, "segments", message));
    }
    tracing::warn!(path, "damaged facts are replaced");
    context.pieces.put_json(&path, facts).await
}

/// An object that facts name, if it is whole.
pub(super) async fn object(
    context: &Context,
    (key, sha256): (&str, &str),
    extension: &str,
) -> Result<Option<Bytes>, Failure> {
    if claims::sha256(sha256).is_err() {
        return Ok(None);
    }
    let path = layout::bytes(key, sha256, extension);
    context.pieces.find_whole(&path, sha256).await
}

/// Whether facts are true; what is not is told, because it is made again.
fn is_true<T>(key: &str, claim: Claim<T>) -> bool {
    if let Err(problem) = &claim {
        tracing::warn!(
            key,
            problem,
            "facts are not true of their bytes or their plan"
        );
    }
    claim.is_ok()
}

impl Held for SegmentFacts {
    fn key(&self) -> &str {
        &self.key
    }

    async fn is_whole(&self, context: &Context) -> Result<bool, Failure> {
        let bytes = object(context, (&self.key, &self.sha256), "m4s").await?;
        Ok(bytes.is_some_and(|bytes| is_true(&self.key, claims::segment(self, &bytes))))
    }
}

impl Held for PictureFacts {
    fn key(&self) -> &str {
        &self.key
    }

    async fn is_whole(&self, context: &Context) -> Result<bool, Failure> {
        let bytes = if self.tiles.is_empty() {
            Some(Bytes::new())
        } else {
            object(context, (&self.key, &self.tiles_sha256), "tiles").await?
        };
        Ok(bytes.is_some_and(|tiles| is_true(&self.key, claims::pictures(self, tiles.len()))))
    }
}

async fn is_whole_sound(
    context: &Context,
    key: &str,
    (number, segment): (u64, &AudioSegment),
) -> Result<bool, Failure> {
    let Some(bytes) = object(context, (key, &segment.sha256), "m4s").await? else {
        return Ok(false);
    };
    let read = claims::sound_segment((segment.base_decode_time, number), &bytes);
    let same = read.and_then(|read| {
        let sha256 = segment.sha256.clone();
        if *segment == (AudioSegment { sha256, ..read }) {
            return Ok(());
        }
        Err(format!("segment {number} of sound is not what facts say"))
    });
    Ok(is_true(key, same))
}

impl Held for AudioFacts {
    fn key(&self) -> &str {
        &self.key
    }

    async fn is_whole(&self, context: &Context) -> Result<bool, Failure> {
        let key = &self.key;
        let whole = (1..).zip(&self.segments);
        let whole = whole.map(|segment| is_whole_sound(context, key, segment).boxed());
        let whole = in_order(whole).await?.into_iter().all(|whole| whole);
        Ok(whole && is_true(key, claims::sound(self)))
    }
}

impl Held for TextFacts {
    fn key(&self) -> &str {
        &self.key
    }

    async fn is_whole(&self, context: &Context) -> Result<bool, Failure> {
        let bytes = object(context, (&self.key, &self.sha256), "vtt").await?;
        Ok(bytes.is_some_and(|bytes| is_true(&self.key, claims::text(self, &bytes))))
    }
}

impl Held for ImageFacts {
    fn key(&self) -> &str {
        &self.key
    }

    async fn is_whole(&self, context: &Context) -> Result<bool, Failure> {
        for file in files(self) {
            let bytes = object(context, (&self.key, &file.sha256), "jpg").await?;
            let is_whole = |bytes: Bytes| is_true(&self.key, claims::picture(file, &bytes));
            if !bytes.is_some_and(is_whole) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Sheets and poster, in the order in which they are made.
pub(super) fn files(facts: &ImageFacts) -> impl Iterator<Item = &ImageFile> {
    facts.sheets.iter().chain(&facts.poster)
}
