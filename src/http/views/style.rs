//! `GET /style.css`: the stylesheet of all pages. Its URL contains a digest of its content, so that
//! browsers can cache it for a year.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use crate::rules::secret::{Digest, hex};

const STYLE: &str = include_str!("../../../templates/style.css");

/// Half of the digest is enough to distinguish versions.
static VERSION: LazyLock<String> = LazyLock::new(|| hex(&Digest::of(STYLE).bytes()[..16]));
static URL: LazyLock<String> = LazyLock::new(|| format!("/style.css?v={}", *VERSION));

pub(super) fn url() -> &'static str {
    &URL
}

pub async fn style(uri: Uri, headers: HeaderMap) -> Response {
    // While two versions of the server run side by side, one may receive a request for the other's
    // stylesheet. The browser may use the response, but must not cache it under that URL.
    let is_this_version =
        uri.query().and_then(|query| query.strip_prefix("v=")) == Some(VERSION.as_str());
    let cache_control =
        if is_this_version { "public, max-age=31536000, immutable" } else { "no-cache" };
    let etag = format!("\"{}\"", *VERSION);
    let is_known =
        headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)
        });
    let mut answer =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { STYLE.into_response() };
    let answer_headers = answer.headers_mut();
    answer_headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    answer_headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        answer_headers.insert(ETAG, etag);
    }
    answer
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use futures_util::FutureExt as _;

    use super::*;

    fn get(uri: &str, known: Option<&str>) -> (u16, HeaderMap, Vec<u8>) {
        let mut headers = HeaderMap::new();
        if let Some(known) = known {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(known).expect("a header"));
        }
        let answer = style(uri.parse().expect("a URI"), headers)
            .now_or_never()
            .expect("the handler does not wait");
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX)
            .now_or_never()
            .expect("the body is complete")
            .expect("bytes");
        (parts.status.as_u16(), parts.headers, body.to_vec())
    }

    #[test]
    fn the_stylesheet_is_cached_for_a_year_only_under_its_versioned_url() {
        let cases = [
            (url().to_owned(), "public, max-age=31536000, immutable"),
            ("/style.css".to_owned(), "no-cache"),
            ("/style.css?v=0123".to_owned(), "no-cache"),
            ("/style.css?v=".to_owned(), "no-cache"),
        ];
        for (uri, kept) in cases {
            let (status, headers, body) = get(&uri, None);
            assert_eq!((status, body.as_slice()), (200, STYLE.as_bytes()), "{uri}");
            assert_eq!(headers[CACHE_CONTROL], kept, "{uri}");
            assert_eq!(headers[CONTENT_TYPE], "text/css; charset=utf-8");
        }
    }

    #[test]
    fn a_known_etag_returns_304() {
        let (_, headers, _) = get("/style.css", None);
        let etag = headers[ETAG].to_str().expect("text");

        for known in [etag.to_owned(), format!("W/{etag}"), format!("\"other\", {etag}")] {
            let (status, headers, body) = get("/style.css", Some(&known));
            assert_eq!(
                (status, body.len(), headers[ETAG].to_str().expect("text")),
                (304, 0, etag),
                "{known}"
            );
        }
        assert_eq!(get("/style.css", Some("\"other\"")).0, 200);
    }

    #[test]
    fn the_stylesheet_loads_nothing_from_elsewhere() {
        for word in ["url(", "@import", "//", "expression("] {
            assert!(!STYLE.contains(word), "{word}");
        }
    }
}
