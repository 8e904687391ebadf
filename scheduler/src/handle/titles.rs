//! Titles: what is published, and going back.

use super::Handle;
use crate::{Result, publish};
use model::TitleId;
use model::catalog::CatalogEntry;
use tracing::info;

impl Handle {
    /// What a title has published.
    pub async fn title(&self, title: &TitleId) -> Result<CatalogEntry> {
        publish::title(self.farm.storage(), title).await
    }

    /// All published titles by name.
    pub async fn titles(&self) -> Result<Vec<CatalogEntry>> {
        publish::list(self.farm.storage()).await
    }

    /// Points the catalog to a version that was published before.
    pub async fn rollback(&self, title: &TitleId, version: u32) -> Result<CatalogEntry> {
        let now_ms = self.farm.store().now_ms().await?;
        let entry = publish::rollback(self.farm.storage(), title, version, now_ms).await?;
        info!(%title, version, "title was rolled back");
        Ok(entry)
    }
}
