//! Whose a title is: the tenant's that named it first, whether it was ever published or not. Two tenants
//! with one title would otherwise fill versions of each other's.

use crate::{Error, Result};
use model::{TenantId, TitleId, layout};
use serde::{Deserialize, Serialize};
use storage::Storage;

/// `owners/<title>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    tenant: TenantId,
}

/// Makes a title a tenant's for good; [`Error::NotYours`] when it is another's. May be repeated.
pub async fn own(storage: &Storage, title: &TitleId, tenant: &TenantId) -> Result<()> {
    // A title may have been published before owners were written down.
    let published = match super::title(storage, title).await {
        Err(Error::NotFound { .. }) => None,
        entry => Some(entry?.tenant),
    };
    let owner = match published {
        Some(tenant) => tenant,
        None => {
            let path = layout::owner(title);
            let tenant = tenant.clone();
            storage.put_json_if_absent(&path, &Owner { tenant }).await?;
            storage.get_json::<Owner>(&path).await?.tenant
        }
    };
    if owner == *tenant {
        return Ok(());
    }
    Err(Error::NotYours {
        title: title.to_string(),
    })
}
