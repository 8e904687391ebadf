//! Whose a title is: the tenant's that has a ticket for it first, whether it is ever published or not. Two
//! tenants with one title would otherwise fill versions of each other's. A submission claims the title
//! before its ticket is written and gives it back when it is refused; a claim without a ticket that
//! nobody gave back, because its scheduler died, is void after a while.

use crate::{Error, Result};
use model::{JobId, TenantId, TitleId, layout};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use storage::Storage;

/// After this time, in milliseconds, a claim without a ticket is void: a submission that is alive has
/// written its ticket or given up long before.
const CLAIM_MAX_MS: u64 = 15 * 60_000;

/// `owners/<title>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    tenant: TenantId,
    /// Submissions whose tickets are being written, with the time of each in milliseconds since 1970;
    /// none at all once there was a ticket, which makes the title the tenant's for good.
    #[serde(default)]
    claims: Option<BTreeMap<JobId, u64>>,
}

impl Owner {
    fn for_good(tenant: &TenantId) -> Self {
        Self {
            tenant: tenant.clone(),
            claims: None,
        }
    }

    /// Whether all that claimed it gave it back.
    fn is_free(&self) -> bool {
        self.claims.as_ref().is_some_and(BTreeMap::is_empty)
    }
}

/// What a claim relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The title is the tenant's for good already.
    Kept,
    /// The claim itself, until it is kept or given back.
    Anew,
}

/// Fails with [`Error::NotYours`] when a title is another tenant's.
pub async fn check_owner(
    storage: &Storage,
    title: &TitleId,
    tenant: &TenantId,
    now_ms: u64,
) -> Result<()> {
    if is_published_by(storage, title, tenant).await? {
        return Ok(());
    }
    match storage.find_json::<Owner>(&layout::owner(title)).await? {
        Some(owner) if !is_void(storage, &owner, now_ms).await? => yours(title, tenant, &owner),
        _ => Ok(()),
    }
}

/// Claims a title for a job whose ticket is to be written; [`Error::NotYours`] when it is another
/// tenant's. May be repeated.
pub async fn claim(
    storage: &Storage,
    title: &TitleId,
    tenant: &TenantId,
    job: &JobId,
    now_ms: u64,
) -> Result<Claimed> {
    if is_published_by(storage, title, tenant).await? {
        return Ok(Claimed::Kept);
    }
    let path = layout::owner(title);
    let mut void = None;
    if let Some(owner) = storage.find_json::<Owner>(&path).await? {
        if owner == Owner::for_good(tenant) {
            return Ok(Claimed::Kept);
        }
        void = is_void(storage, &owner, now_ms).await?.then_some(owner);
    }
    let (tenant, job) = (tenant.clone(), job.clone());
    let mine = tenant.clone();
    let add = move |old: Option<Owner>| {
        let (tenant, job) = (mine.clone(), job.clone());
        let mut claims = match old {
            Some(owner) if void.as_ref() == Some(&owner) || owner.is_free() => BTreeMap::new(),
            Some(owner) if owner.tenant == tenant => owner.claims?,
            Some(_) => return None,
            None => BTreeMap::new(),
        };
        claims.insert(job, now_ms);
        let claims = Some(claims);
        Some(Owner { tenant, claims })
    };
    if let Some(owner) = storage.update_json(&path, add).await? {
        yours(title, &tenant, &owner)?;
    }
    Ok(Claimed::Anew)
}

/// Makes a title a tenant's for good, because there is a ticket of the tenant's for it;
/// [`Error::NotYours`] when it is another's. May be repeated.
pub async fn keep(storage: &Storage, title: &TitleId, tenant: &TenantId) -> Result<()> {
    if is_published_by(storage, title, tenant).await? {
        return Ok(());
    }
    let mine = tenant.clone();
    let take = move |old: Option<Owner>| match old {
        Some(owner) if !owner.is_free() && owner.tenant != mine => None,
        Some(Owner { claims: None, .. }) => None,
        _ => Some(Owner::for_good(&mine)),
    };
    let owner = storage.update_json(&layout::owner(title), take).await?;
    owner.map_or(Ok(()), |owner| yours(title, tenant, &owner))
}

/// Takes the claim of a job back that has got no ticket.
pub async fn give_back(storage: &Storage, title: &TitleId, job: &JobId) -> Result<()> {
    let job = job.clone();
    let remove = move |old: Option<Owner>| {
        let mut owner = old?;
        owner.claims.as_mut()?.remove(&job)?;
        Some(owner)
    };
    storage.update_json(&layout::owner(title), remove).await?;
    Ok(())
}

/// Whether nobody relies on what is written of an owner: every claim is old and has no ticket.
async fn is_void(storage: &Storage, owner: &Owner, now_ms: u64) -> Result<bool> {
    let Some(claims) = &owner.claims else {
        return Ok(false);
    };
    for (job, at_ms) in claims {
        let is_late = now_ms.saturating_sub(*at_ms) > CLAIM_MAX_MS;
        if !is_late || storage.exists(&layout::ticket(job)).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the catalog says that a title is the tenant's. A title may have been published before owners
/// were written down.
async fn is_published_by(storage: &Storage, title: &TitleId, tenant: &TenantId) -> Result<bool> {
    match super::title(storage, title).await {
        Err(Error::NotFound { .. }) => Ok(false),
        entry => yours(title, tenant, &Owner::for_good(&entry?.tenant)).map(|()| true),
    }
}

fn yours(title: &TitleId, tenant: &TenantId, owner: &Owner) -> Result<()> {
    if owner.tenant == *tenant {
        return Ok(());
    }
    Err(Error::NotYours {
        title: title.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    async fn claims(storage: &Storage, tenant: &str, job: &str, now_ms: u64) -> bool {
        let tenant = TenantId::new(tenant).unwrap();
        let job = JobId::new(job).unwrap();
        let title = TitleId::new("bunny").unwrap();
        let checked = check_owner(storage, &title, &tenant, now_ms).await;
        let claimed = claim(storage, &title, &tenant, &job, now_ms).await;
        assert_eq!(checked.is_ok(), claimed.is_ok(), "{checked:?} {claimed:?}");
        claimed.is_ok()
    }

    async fn gives_back(storage: &Storage, job: &str) {
        let title = TitleId::new("bunny").unwrap();
        let job = JobId::new(job).unwrap();
        give_back(storage, &title, &job).await.unwrap();
    }

    #[tokio::test]
    async fn a_title_is_free_again_when_all_that_claimed_it_gave_it_back() {
        let storage = Storage::open("memory:").unwrap();
        assert!(claims(&storage, "a", "j1", NOW_MS).await);
        assert!(claims(&storage, "a", "j2", NOW_MS).await);
        gives_back(&storage, "j1").await;
        assert!(
            !claims(&storage, "b", "j3", NOW_MS).await,
            "j2 relies on it"
        );
        gives_back(&storage, "j2").await;
        assert!(claims(&storage, "b", "j3", NOW_MS).await);
        assert!(!claims(&storage, "a", "j1", NOW_MS).await);
    }

    #[tokio::test]
    async fn a_title_with_a_ticket_is_its_tenants_for_good() {
        let storage = Storage::open("memory:").unwrap();
        let (title, tenant) = (TitleId::new("bunny").unwrap(), TenantId::new("a").unwrap());
        assert!(claims(&storage, "a", "j1", NOW_MS).await);
        keep(&storage, &title, &tenant).await.unwrap();
        gives_back(&storage, "j1").await;
        let late_ms = NOW_MS + 2 * CLAIM_MAX_MS;
        assert!(!claims(&storage, "b", "j2", late_ms).await);
        let other = TenantId::new("b").unwrap();
        assert!(keep(&storage, &title, &other).await.is_err());
    }

    #[tokio::test]
    async fn a_claim_that_nobody_gave_back_is_void_after_a_while_unless_it_has_a_ticket() {
        let storage = Storage::open("memory:").unwrap();
        assert!(claims(&storage, "a", "j1", NOW_MS).await);
        let late_ms = NOW_MS + CLAIM_MAX_MS;
        assert!(!claims(&storage, "b", "j2", late_ms).await);
        assert!(claims(&storage, "b", "j2", late_ms + 1).await);
        let ticket = layout::ticket(&JobId::new("j2").unwrap());
        storage.put(&ticket, "{}".into()).await.unwrap();
        assert!(!claims(&storage, "a", "j3", late_ms + 2 * CLAIM_MAX_MS).await);
    }
}
