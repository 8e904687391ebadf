//! The built-in origin: published files over HTTP with the headers that players and caches need.
//! Only `titles/` is served; tickets, plans and private segments never are.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    RANGE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::ops::Range;
use storage::Storage;

/// A version never changes once it is published, so caches may keep its files for a year.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Serves `titles/...` of a storage.
pub(crate) fn router(storage: Storage) -> Router {
    Router::new()
        .route("/titles/{*path}", get(serve).options(preflight))
        .with_state(storage)
}

async fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "range"),
        (
            axum::http::header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, HEAD, OPTIONS",
        ),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

async fn serve(
    State(storage): State<Storage>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    if path
        .split('/')
        .any(|part| part.is_empty() || part.starts_with('.'))
    {
        return absent(StatusCode::NOT_FOUND);
    }
    let path = format!("titles/{path}");
    if leads_away(&storage, &path).await {
        return absent(StatusCode::NOT_FOUND);
    }
    let size = match storage.size(&path).await {
        Ok(size) => size,
        Err(error) => return refuse(&error),
    };
    let asked = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let (status, range) = match asked.map(|text| parse_range(text, size)) {
        None | Some(Asked::Whole) => (StatusCode::OK, 0..size),
        Some(Asked::Part(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Asked::Outside) => {
            let mut response = absent(StatusCode::RANGE_NOT_SATISFIABLE);
            insert(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
            return response;
        }
    };
    let body = if method == Method::HEAD || range.is_empty() {
        Ok(Default::default())
    } else {
        storage.get_range(&path, range.clone()).await
    };
    match body {
        Ok(bytes) => {
            let mut response = (status, bytes).into_response();
            describe(&mut response, &path, &range, size, status);
            response
        }
        Err(error) => refuse(&error),
    }
}

fn describe(
    response: &mut Response,
    path: &str,
    range: &Range<u64>,
    size: u64,
    status: StatusCode,
) {
    insert(response, CONTENT_TYPE, content_type(path));
    insert(response, CACHE_CONTROL, IMMUTABLE);
    insert(response, ACCEPT_RANGES, "bytes");
    insert(response, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    insert(
        response,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        "content-length, content-range",
    );
    insert(
        response,
        CONTENT_LENGTH,
        &(range.end - range.start).to_string(),
    );
    if status == StatusCode::PARTIAL_CONTENT {
        let last = range.end.saturating_sub(1);
        insert(
            response,
            CONTENT_RANGE,
            &format!("bytes {}-{last}/{size}", range.start),
        );
    }
}

fn insert(response: &mut Response, name: axum::http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn refuse(error: &storage::Error) -> Response {
    match error {
        storage::Error::NotFound { .. } => absent(StatusCode::NOT_FOUND),
        error => {
            tracing::warn!(%error, "origin could not read");
            absent(StatusCode::BAD_GATEWAY)
        }
    }
}

/// Whether a link that was put into a folder by hand leads out of the published titles.
async fn leads_away(storage: &Storage, path: &str) -> bool {
    let Some(root) = storage.local_root() else {
        return false;
    };
    let titles = tokio::fs::canonicalize(root.join("titles")).await;
    let file = tokio::fs::canonicalize(root.join(path)).await;
    match (titles, file) {
        (Ok(titles), Ok(file)) if !file.starts_with(&titles) => {
            let into = file.display();
            tracing::debug!(path, %into, "a link that leads out of the titles is not followed");
            true
        }
        // What is not there is refused by whoever reads it.
        _ => false,
    }
}

/// An answer without content. It is not kept, because the next version may bring the file, and a player
/// on another site may read it, because it must tell a missing file from a dead network.
fn absent(status: StatusCode) -> Response {
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (status, headers).into_response()
}

/// MIME types that players insist on (RFC 8216 section 4, ISO/IEC 23009-1 annex C).
fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "m3u8" => "application/vnd.apple.mpegurl",
        "mpd" => "application/dash+xml",
        "mp4" => "video/mp4",
        "m4s" => "video/iso.segment",
        "vtt" => "text/vtt; charset=utf-8",
        "jpg" => "image/jpeg",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part(Range<u64>),
    Outside,
}

/// Reads a `Range` header (RFC 9110 section 14). Several ranges or another unit are answered with the
/// whole file, which the RFC allows.
fn parse_range(text: &str, size: u64) -> Asked {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .filter(|spec| !spec.contains(','))
        .and_then(|spec| spec.split_once('-'))
    else {
        return Asked::Whole;
    };
    let range = match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.trim().is_empty() => first..size,
        (Err(_), Ok(count)) if first.trim().is_empty() => size.saturating_sub(count)..size,
        _ => return Asked::Whole,
    };
    if range.start >= range.end {
        Asked::Outside
    } else {
        Asked::Part(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        assert_eq!(parse_range("bytes=0-0", 10), Asked::Part(0..1));
        assert_eq!(parse_range("bytes=5-", 10), Asked::Part(5..10));
        assert_eq!(parse_range("bytes=-3", 10), Asked::Part(7..10));
        assert_eq!(parse_range("bytes=2-99", 10), Asked::Part(2..10));
        assert_eq!(parse_range("bytes=10-", 10), Asked::Outside);
        assert_eq!(parse_range("bytes=0-1,4-5", 10), Asked::Whole);
        assert_eq!(parse_range("lines=0-1", 10), Asked::Whole);
        assert_eq!(parse_range("bytes=5-2", 10), Asked::Whole);
    }

    async fn ask(path: &str, range: Option<&str>) -> Response {
        let storage = Storage::open("memory:").unwrap();
        let body = bytes::Bytes::from_static(b"0123456789");
        storage
            .put("titles/t/v1/a.m4s", body.clone())
            .await
            .unwrap();
        storage.put("jobs/j/ticket.json", body).await.unwrap();
        let mut request = Request::builder().uri(path);
        if let Some(range) = range {
            request = request.header(RANGE, range);
        }
        let request = request.body(Body::empty()).unwrap();
        router(storage).oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_part_of_a_segment_is_served_with_its_place() {
        let response = ask("/titles/t/v1/a.m4s", Some("bytes=2-4")).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(response.headers()[CONTENT_RANGE], "bytes 2-4/10");
        assert_eq!(response.headers()[CONTENT_TYPE], "video/iso.segment");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let body = axum::body::to_bytes(response.into_body(), 100)
            .await
            .unwrap();
        assert_eq!(&body[..], b"234");
    }

    #[tokio::test]
    async fn nothing_but_titles_is_served() {
        for path in [
            "/jobs/j/ticket.json",
            "/titles/../jobs/j/ticket.json",
            "/titles/t/v1/none",
        ] {
            assert_eq!(
                ask(path, None).await.status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
        let whole = ask("/titles/t/v1/a.m4s", None).await;
        assert_eq!(whole.status(), StatusCode::OK);
        assert_eq!(whole.headers()[CACHE_CONTROL], IMMUTABLE);
    }
}
