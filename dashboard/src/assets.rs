//! Files of the pages, compiled into the binary so that a farm without internet has its dashboard.
//! There is no build step: what is in `assets/` is what browsers get.

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Everything that a page may load comes from this origin; hls.js hands media and its worker over as
/// blobs, and the empty track that it fills with captions as `data:`. No inline script and no inline
/// style runs, whatever a title or a message may contain.
const CONTENT_POLICY: &str = "default-src 'self'; media-src 'self' blob: data:; \
                              worker-src 'self' blob:; img-src 'self' data:; base-uri 'none'; \
                              form-action 'none'; frame-ancestors 'none'";

/// Scripts and styles by their address.
const FILES: [(&str, &str, &str); 9] = [
    (
        "/assets/style.css",
        STYLE,
        include_str!("../assets/style.css"),
    ),
    (
        "/assets/farm.css",
        STYLE,
        include_str!("../assets/farm.css"),
    ),
    (
        "/assets/player.css",
        STYLE,
        include_str!("../assets/player.css"),
    ),
    ("/assets/dom.js", SCRIPT, include_str!("../assets/dom.js")),
    ("/assets/farm.js", SCRIPT, include_str!("../assets/farm.js")),
    ("/assets/job.js", SCRIPT, include_str!("../assets/job.js")),
    (
        "/assets/titles.js",
        SCRIPT,
        include_str!("../assets/titles.js"),
    ),
    (
        "/assets/player.js",
        SCRIPT,
        include_str!("../assets/player.js"),
    ),
    (
        "/assets/hls.js",
        SCRIPT,
        include_str!("../assets/vendor/hls.min.js"),
    ),
];

fn file(content_type: &'static str, body: &'static str) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, content_type),
        // A new binary has new pages, and nothing in their addresses says so.
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    ];
    (headers, body).into_response()
}

/// The scripts and styles of all pages.
pub(crate) fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES
        .into_iter()
        .fold(Router::new(), |router, (path, kind, body)| {
            router.route(path, get(move || async move { file(kind, body) }))
        })
}

/// The player page.
pub(crate) fn player_page() -> Response {
    file(HTML, include_str!("../assets/player.html"))
}

/// The list of published titles.
pub(crate) fn titles_page() -> Response {
    file(HTML, include_str!("../assets/titles.html"))
}

/// The farm page.
pub(crate) fn farm_page() -> Response {
    file(HTML, include_str!("../assets/farm.html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_load_only_files_that_are_served() {
        let pages = [
            include_str!("../assets/farm.html"),
            include_str!("../assets/player.html"),
            include_str!("../assets/titles.html"),
        ];
        let scripts = FILES.iter().filter(|(path, ..)| !path.ends_with("hls.js"));
        let texts = pages.into_iter().chain(scripts.map(|(_, _, body)| *body));
        let mut named = 0;
        for text in texts {
            for part in text.split("\"/assets/").skip(1) {
                let name = part.split('"').next().unwrap();
                let path = format!("/assets/{name}");
                named += 1;
                assert!(FILES.iter().any(|(known, ..)| *known == path), "{path}");
            }
        }
        assert!(named >= 8, "only {named} files are named");
    }

    #[test]
    fn the_farm_page_has_all_parts_that_its_script_fills() {
        let page = include_str!("../assets/farm.html");
        let script = include_str!("../assets/farm.js");
        let named = script.split("by(\"").skip(1);
        let ids: Vec<_> = named.filter_map(|part| part.split('"').next()).collect();
        assert!(ids.contains(&"more-reviews"), "{ids:?}");
        for id in ids {
            assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }

    #[test]
    fn nothing_from_outside_can_become_markup() {
        let own = FILES.iter().filter(|(path, ..)| !path.ends_with("hls.js"));
        for (path, _, body) in own {
            for way in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
            ] {
                assert!(!body.contains(way), "{path} uses {way}");
            }
        }
    }
}
