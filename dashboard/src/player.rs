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
        .route("/watch/{title}", get(watch))
        .with_state(storage.clone());
    Router::new()
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
    match find(&storage, title).await {
        Ok(Some(entry)) => fresh(Json(entry)),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => unavailable(&error),
    }
}

/// The player page. What it lacks it says itself; the status says so to programs.
async fn watch(State(storage): State<Storage>, Path(title): Path<String>) -> Response {
    let status = match find(&storage, title).await {
        Ok(Some(_)) => StatusCode::OK,
        Ok(None) => StatusCode::NOT_FOUND,
        Err(error) => unavailable(&error).status(),
    };
    (status, assets::player_page()).into_response()
}

/// What the catalog has of a title; what cannot be one is not there.
async fn find(storage: &Storage, title: String) -> storage::Result<Option<CatalogEntry>> {
    let Ok(title) = TitleId::new(title) else {
        return Ok(None);
    };
    storage.find_json(&layout::catalog(&title)).await
}

/// The catalog points at versions, which caches keep for a year: the pointer itself is never kept.
fn fresh<T: serde::Serialize>(answer: Json<T>) -> Response {
    ([(CACHE_CONTROL, "no-cache")], answer).into_response()
}

fn unavailable(error: &storage::Error) -> Response {
    tracing::warn!(%error, "catalog could not be read");
    (StatusCode::BAD_GATEWAY, error.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::titles;
    use axum::body::Body;
    use axum::http::header::CONTENT_TYPE;
    use axum::http::{Request, StatusCode};
    use model::catalog::CatalogEntry;
    use model::{Rational, layout};
    use storage::Storage;
    use tower::ServiceExt;

    async fn published() -> Storage {
        let storage = Storage::open("memory:").unwrap();
        let entry = CatalogEntry {
            title: "film".parse().unwrap(),
            tenant: "acme".parse().unwrap(),
            version: 1,
            job: "j1".parse().unwrap(),
            path: "titles/film/v1".to_owned(),
            hls: "index.m3u8".to_owned(),
            dash: "index.mpd".to_owned(),
            duration: Rational::whole(60),
            published_at_ms: 0,
            revision: 1,
            history: Vec::new(),
            traceparent: String::new(),
        };
        let path = layout::catalog(&entry.title);
        storage.put_json(&path, &entry).await.unwrap();
        storage
    }

    #[tokio::test]
    async fn a_title_that_is_not_published_has_a_page_that_is_not_found() {
        let storage = published().await;
        for (path, status) in [
            ("/watch/film", StatusCode::OK),
            ("/watch/none", StatusCode::NOT_FOUND),
            ("/watch/No%20Title", StatusCode::NOT_FOUND),
            ("/watch/..%2fcatalog%2ffilm", StatusCode::NOT_FOUND),
        ] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let answer = titles(storage.clone()).oneshot(request).await.unwrap();
            assert_eq!(answer.status(), status, "{path}");
            // A person gets the player in each case, which says what it does not find.
            assert_eq!(answer.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
            let page = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
            let page = String::from_utf8(page.unwrap().to_vec()).unwrap();
            assert!(page.contains("/assets/player.js"), "{path}");
        }
        let player = include_str!("../assets/player.js");
        assert!(player.contains("There is no published title"));
    }
}
