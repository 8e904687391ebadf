//! What part of the farm tenants get while others wait too.

use super::Handle;
use crate::farm::Farm;
use crate::{Error, Result};
use model::{TenantId, layout};
use store::{Share, WEIGHT_MAX};
use tracing::{info, warn};

impl Handle {
    /// Sets a tenant's part.
    pub async fn set_tenant(&self, tenant: &TenantId, share: Share) -> Result<()> {
        if !(1..=WEIGHT_MAX).contains(&share.weight) {
            return Err(Error::Rejected {
                field: "weight",
                reason: format!("{} is not 1 to {WEIGHT_MAX}", share.weight),
            });
        }
        let path = layout::tenant(tenant);
        self.farm.storage().put_json(&path, &share).await?;
        self.farm.store().set_share(tenant, &share).await?;
        self.farm.work.notify_waiters();
        info!(%tenant, weight = share.weight, held_max = share.held_max, "tenant was set");
        Ok(())
    }

    /// Tenants whose part was set, by name.
    pub async fn tenants(&self) -> Result<Vec<(TenantId, Share)>> {
        stored(&self.farm).await
    }
}

async fn stored(farm: &Farm) -> Result<Vec<(TenantId, Share)>> {
    let mut tenants = Vec::new();
    for name in farm.storage().names(layout::TENANTS).await? {
        let id = name.strip_suffix(".json").unwrap_or(&name);
        let Ok(tenant) = TenantId::new(id) else {
            continue;
        };
        match farm.storage().find_json(&layout::tenant(&tenant)).await {
            Ok(share) => tenants.extend(share.map(|share| (tenant, share))),
            Err(error @ storage::Error::Corrupt { .. }) => {
                warn!(%tenant, %error, "what was set of the tenant cannot be read");
            }
            Err(error) => return Err(error.into()),
        }
    }
    tenants.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    Ok(tenants)
}

/// Gives the store the parts of all tenants, which one that was lost does not know.
pub(crate) async fn restore(farm: &Farm) -> Result<()> {
    for (tenant, share) in stored(farm).await? {
        farm.store().set_share(&tenant, &share).await?;
    }
    Ok(())
}
