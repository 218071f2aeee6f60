//! What the client prefers: a page or JSON, and the language of a page.

use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::{HeaderMap, Method};

use crate::rules::authorization::language::Language;

/// Whether the client is a browser that shows HTML, by a simple reading of `Accept` (RFC 9110
/// section 12.5.1).
pub fn wants_a_page(method: &Method, headers: &HeaderMap) -> bool {
    let accepts = headers.get_all("accept").iter().filter_map(|value| value.to_str().ok());
    let mut accepts = accepts.flat_map(|line| line.split(','));
    *method == Method::POST && !headers.contains_key("accept")
        || accepts.any(|kind| kind.trim().starts_with("text/html"))
}

/// Values that are not text are ignored.
pub fn preferred_language(headers: &HeaderMap) -> Language {
    Language::preferred(
        headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok()),
    )
}
