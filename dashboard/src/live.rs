//! The farm page: what the farm is doing, what is stuck and why, and the few things that a person may
//! want done. One task looks at the farm and all open pages share what it saw, so a hundred
//! watchers cost as much as one.

use crate::snapshot::Looker;
use crate::{assets, player};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use model::JobId;
use model::job::ReviewAnswer;
use scheduler::Handle;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use storage::Storage;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;

/// Distance of two looks while a page is open.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Page {
    handle: Handle,
    seen: Arc<watch::Sender<Arc<str>>>,
}

/// Pages: `/` is the farm, `/published` and `/watch/<title>` are the published titles.
///
/// Must be called inside a runtime: it starts the task that looks at the farm.
pub fn farm(handle: Handle, storage: Storage) -> Router {
    let (seen, _) = watch::channel(Arc::from("{}"));
    let page = Page {
        handle,
        seen: Arc::new(seen),
    };
    tokio::spawn(look(page.clone()));
    let live = Router::new()
        .route("/", get(|| async { assets::farm_page() }))
        .route("/api/live", get(feed))
        .route("/api/jobs/{job}", get(job))
        .route("/api/jobs/{job}/review", post(review))
        .route("/api/jobs/{job}/retry", post(retry))
        .route("/api/jobs/{job}/cancel", post(cancel))
        .route("/api/jobs/{job}/pause", post(pause))
        .route("/api/jobs/{job}/resume", post(resume))
        .with_state(page.clone());
    // Counts alone, for monitoring on other hosts.
    let counts = Router::new()
        .route("/metrics", get(metrics))
        .with_state(page);
    let live = live.layer(from_fn(only_loopback));
    player::playing(storage).merge(live).merge(counts)
}

/// Looks at the farm while anybody watches; ends when nobody can watch any more.
async fn look(page: Page) {
    let mut interval = tokio::time::interval(LOOK_EVERY);
    // A farm that answers slowly must not be asked faster for it.
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The page in this task's own hands keeps one sender alive beside those of the router.
    let senders = Arc::downgrade(&page.seen);
    let mut looker = Looker::new(page.handle.clone());
    drop(page);
    loop {
        interval.tick().await;
        let Some(seen) = senders.upgrade() else {
            return;
        };
        if seen.receiver_count() == 0 {
            continue;
        }
        let text = match looker.look().await {
            Ok(snapshot) => serde_json::to_string(&snapshot).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, "the farm could not be looked at");
                // An old picture that looks live would be worse than none.
                serde_json::json!({ "error": error.to_string() }).to_string()
            }
        };
        seen.send_replace(text.into());
    }
}

async fn feed(
    State(page): State<Page>,
) -> Sse<impl tokio_stream::Stream<Item = Result<Event, Infallible>>> {
    // The first value may be old or empty: the next look is at most a second away.
    let changes = WatchStream::from_changes(page.seen.subscribe());
    let events = changes.map(|text| Ok(Event::default().data(text)));
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn metrics(State(page): State<Page>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], page.handle.metrics().await)
}

#[derive(Deserialize)]
struct Answer {
    answer: ReviewAnswer,
    #[serde(default)]
    comment: String,
}

async fn job(State(page): State<Page>, Path(id): Path<String>) -> Response {
    let Ok(id) = JobId::new(id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match page.handle.detail(&id).await {
        Ok(detail) => Json(detail).into_response(),
        Err(error) => refuse(&error),
    }
}

async fn review(
    State(page): State<Page>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(answer): Json<Answer>,
) -> Response {
    let Some(id) = own_page(&headers, id) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    done(
        page.handle
            .review(&id, answer.answer, &answer.comment)
            .await,
    )
}

async fn retry(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(id) = own_page(&headers, id) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    done(page.handle.retry(&id).await)
}

async fn cancel(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(id) = own_page(&headers, id) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    done(page.handle.cancel(&id).await)
}

async fn pause(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(id) = own_page(&headers, id) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    done(page.handle.set_paused(&id, true).await)
}

async fn resume(State(page): State<Page>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(id) = own_page(&headers, id) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    done(page.handle.set_paused(&id, false).await)
}

/// Refuses requests under a name that is not this machine's: a page elsewhere may have let its own name
/// point here (DNS rebinding), and then reads and steers what only this machine's people may.
async fn only_loopback(request: Request, next: Next) -> Response {
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if host.is_some_and(is_loopback) {
        return next.run(request).await;
    }
    (
        StatusCode::FORBIDDEN,
        "the dashboard answers under loopback names only",
    )
        .into_response()
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost"
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The job, if the request does not come from another site's page: the farm page on a loopback address
/// must not be steered by whatever else the browser has open.
fn own_page(headers: &HeaderMap, id: String) -> Option<JobId> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host")?;
    if let Some(origin) = text("origin")
        && origin.split("://").nth(1) != Some(host)
    {
        return None;
    }
    // What the browser itself says of the request; no script can write it.
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return None;
    }
    // A simple cross-site form cannot send this type, so its absence is refused too.
    text("content-type").filter(|kind| kind.starts_with("application/json"))?;
    JobId::new(id).ok()
}

fn done<T: Serialize>(result: scheduler::Result<T>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &scheduler::Error) -> Response {
    (StatusCode::CONFLICT, error.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(origin: Option<&str>, kind: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "127.0.0.1:7401".parse().unwrap());
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_this_machines_own_names_are_answered() {
        for host in [
            "127.0.0.1:7401",
            "localhost",
            "localhost:7401",
            "[::1]:7401",
            "127.9.9.9",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "evil.example:7401",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "[::2]:1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn another_sites_page_cannot_steer_the_farm() {
        let id = || "j1".to_owned();
        let json = "application/json";
        assert!(own_page(&headers(Some("http://127.0.0.1:7401"), json), id()).is_some());
        assert!(own_page(&headers(None, json), id()).is_some());
        assert!(own_page(&headers(Some("http://evil.example"), json), id()).is_none());
        assert!(own_page(&headers(None, "text/plain"), id()).is_none());
        for (site, known) in [
            ("same-origin", true),
            ("same-site", false),
            ("cross-site", false),
        ] {
            let mut headers = headers(None, json);
            headers.insert("sec-fetch-site", site.parse().unwrap());
            assert_eq!(own_page(&headers, id()).is_some(), known, "{site}");
        }
    }
}
