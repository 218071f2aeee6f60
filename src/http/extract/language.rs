//! The language of a page for a request.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

use crate::rules::authorization::language::Language;

/// Values that are not text are ignored.
pub fn preferred_language(headers: &HeaderMap) -> Language {
    Language::preferred(headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok()))
}
