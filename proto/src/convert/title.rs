//! Titles.

use crate::v1;
use model::catalog::CatalogEntry;

impl From<&CatalogEntry> for v1::Title {
    fn from(entry: &CatalogEntry) -> Self {
        Self {
            title: entry.title.to_string(),
            tenant: entry.tenant.to_string(),
            version: entry.version,
            job: entry.job.to_string(),
            path: entry.path.clone(),
            hls: entry.hls.clone(),
            dash: entry.dash.clone(),
            duration_seconds: entry.duration.as_f64(),
            published_at_ms: entry.published_at_ms,
            history: entry.history.clone(),
        }
    }
}
