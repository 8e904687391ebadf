//! Published titles and the page that plays them: served by `magpie run --serve`, `magpie serve` and the
//! scheduler alike. It needs storage only.

use crate::{assets, origin};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use model::TitleId;
use model::catalog::CatalogEntry;
use model::layout;
use storage::Storage;

/// Pages: `/` lists the published titles, `/watch/<title>` plays one, `/titles/...` is the origin.
pub fn titles(storage: Storage) -> Router {
    playing(storage.clone()).route("/", get(|| async { assets::titles_page() }))
}

/// Everything of [`titles`] but the page at `/`.
pub(crate) fn playing(storage: Storage) -> Router {
    let catalog = Router::new()
        .route("/catalog", get(list))
        .route("/catalog/{title}", get(entry))
        .with_state(storage.clone());
    Router::new()
        .route("/watch/{title}", get(|| async { assets::player_page() }))
        .route("/published", get(|| async { assets::titles_page() }))
        .merge(assets::files())
        .merge(catalog)
        .merge(origin::router(storage))
}

async fn list(State(storage): State<Storage>) -> Response {
    let names = match storage.names(layout::CATALOG).await {
        Ok(names) => names,
        Err(error) => return unavailable(&error),
    };
    let mut entries = Vec::new();
    for name in names {
        match storage
            .find_json::<CatalogEntry>(&format!("{}/{name}", layout::CATALOG))
            .await
        {
            Ok(entry) => entries.extend(entry),
            Err(error) => tracing::warn!(%error, "catalog entry could not be read"),
        }
    }
    fresh(Json(entries))
}

async fn entry(State(storage): State<Storage>, Path(title): Path<String>) -> Response {
    let Ok(title) = TitleId::new(title) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match storage
        .find_json::<CatalogEntry>(&layout::catalog(&title))
        .await
    {
        Ok(Some(entry)) => fresh(Json(entry)),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => unavailable(&error),
    }
}

/// The catalog points at versions, which caches keep for a year: the pointer itself is never kept.
fn fresh<T: serde::Serialize>(answer: Json<T>) -> Response {
    ([(CACHE_CONTROL, "no-cache")], answer).into_response()
}

fn unavailable(error: &storage::Error) -> Response {
    tracing::warn!(%error, "catalog could not be read");
    (StatusCode::BAD_GATEWAY, error.to_string()).into_response()
}
