//! The web page: a handful of files that are part of the program.

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// Scripts and styles come from this server and from nowhere else, never from inside the document; nobody may frame the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, type, content.
const FILES: [(&str, &str, &str); 9] = [
    ("/", HTML, include_str!("../static/index.html")),
    ("/style.css", CSS, include_str!("../static/style.css")),
    ("/app.js", SCRIPT, include_str!("../static/app.js")),
    ("/chat.js", SCRIPT, include_str!("../static/chat.js")),
    ("/connection.js", SCRIPT, include_str!("../static/connection.js")),
    ("/links.js", SCRIPT, include_str!("../static/links.js")),
    ("/timeline.js", SCRIPT, include_str!("../static/timeline.js")),
    ("/view.js", SCRIPT, include_str!("../static/view.js")),
    ("/icon.svg", SVG, include_str!("../static/icon.svg")),
];

/// A route for each file.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, content)| {
        let tag = HEXLOWER.encode(&Sha256::digest(content)[..12]);
        let tag = HeaderValue::try_from(format!("\"{tag}\"")).expect("hexadecimal digits in quotes are a header");
        router.route(path, get(move |headers: HeaderMap| std::future::ready(answer(&headers, &tag, kind, content))))
    })
}

/// The file, or that it has not changed. Browsers keep it and ask each time, so that a new version is seen at once.
fn answer(asked: &HeaderMap, tag: &HeaderValue, kind: &'static str, content: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 6] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ETAG, tag.clone()),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    if asked.get(header::IF_NONE_MATCH) == Some(tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_no_script_or_style_inside_because_the_policy_forbids_it() {
        let (_, _, html) = FILES[0];
        assert!(!html.contains("<style") && !html.contains("style=") && !html.contains(" onclick"));
        assert_eq!(html.matches("<script").count(), html.matches("<script type=\"module\" src=\"").count());
    }

    #[test]
    fn the_page_makes_text_of_what_people_write_and_never_markup() {
        for (path, _, content) in FILES {
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                assert!(!content.contains(way), "{path} has {way}");
            }
        }
    }
}
