//! Error bodies by audience.

use serde_json::{Value, json};

/// A JSON:API error without a source.
pub fn json_api(status: u16, title: &str, detail: &str) -> Value {
    json!({"errors": [{"status": status.to_string(), "title": title, "detail": detail}]})
}

/// A JSON:API error about a location in the body.
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

/// Errors as plain strings, the format of the integrations API.
pub fn strings(detail: &str) -> Value {
    json!({"errors": [detail]})
}
