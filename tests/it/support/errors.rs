//! Errors as each audience is told them.

use serde_json::{Value, json};

/// JSON:API, about nothing in particular.
pub fn json_api(status: u16, title: &str, detail: &str) -> Value {
    json!({"errors": [{"status": status.to_string(), "title": title, "detail": detail}]})
}

/// JSON:API, about a place in the request's body.
pub fn json_api_at(pointer: &str, detail: &str) -> Value {
    json!({"errors": [{"status": "400", "title": "Bad Request", "detail": detail, "source": {"pointer": pointer}}]})
}

pub fn no_such_client() -> Value {
    json_api(404, "Not Found", "there is no client with this id")
}

/// RFC 6749 section 5.2.
pub fn oauth(code: &str, description: &str) -> Value {
    json!({"error": code, "error_description": description})
}

/// Plain strings, as integrations are told everything.
pub fn strings(detail: &str) -> Value {
    json!({"errors": [detail]})
}
