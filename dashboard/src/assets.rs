//! Files of the pages, compiled into the binary so that a farm without internet has its dashboard.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, http::HeaderName};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Everything that a page may load comes from this origin; media goes through blob URLs.
const CONTENT_POLICY: &str = "default-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; \
                              img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
                              frame-ancestors 'none'";

fn file(content_type: &'static str, body: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("content-security-policy"),
            CONTENT_POLICY,
        ),
    ];
    (headers, body).into_response()
}

/// The scripts and styles that both pages use.
pub(crate) fn shared<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/assets/hls.js", get(|| async { hls() }))
        .route("/assets/player.js", get(|| async { player_script() }))
        .route("/assets/style.css", get(|| async { style() }))
}

fn hls() -> Response {
    file(SCRIPT, include_str!("../assets/vendor/hls.min.js"))
}

fn player_script() -> Response {
    file(SCRIPT, include_str!("../assets/player.js"))
}

fn style() -> Response {
    file(STYLE, include_str!("../assets/style.css"))
}

/// The player page.
pub(crate) fn player_page() -> Response {
    file(HTML, include_str!("../assets/player.html"))
}

/// The list of published titles.
pub(crate) fn titles_page() -> Response {
    file(HTML, include_str!("../assets/titles.html"))
}

/// The script of the list of published titles.
pub(crate) fn titles_script() -> Response {
    file(SCRIPT, include_str!("../assets/titles.js"))
}

/// The farm page.
pub(crate) fn farm_page() -> Response {
    file(HTML, include_str!("../assets/farm.html"))
}

/// The script of the farm page.
pub(crate) fn farm_script() -> Response {
    file(SCRIPT, include_str!("../assets/farm.js"))
}
