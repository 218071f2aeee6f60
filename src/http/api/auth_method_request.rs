//! Parses the JSON:API document of a new or changed auth method.

use serde::Deserialize;
use serde_json::Value;

use crate::http::api::auth_methods::CREDENTIALS;
use crate::http::error::{About, ApiError};
use crate::rules::syntax::json_object::ObjectOf;
use crate::rules::syntax::json_text;
use crate::rules::webhook::auth_method::RawAuthMethod;

/// serde rejects duplicate members of a struct; a `Value` would accept them.
#[derive(Deserialize)]
struct RawDocument {
    data: Option<ObjectOf<RawData>>,
}

#[derive(Deserialize)]
struct RawData {
    r#type: Option<Value>,
    attributes: Option<ObjectOf<RawAuthMethod>>,
}

/// Returns the attributes without checking them. Unknown members are ignored, and so is the id,
/// which is in the path.
pub fn attributes(bytes: &[u8]) -> Result<RawAuthMethod, ApiError> {
    json_text::check(bytes).map_err(|error| bad_request(&error.to_string(), ""))?;
    // The message of serde may quote the body, so it is not used.
    let ObjectOf(document): ObjectOf<RawDocument> =
        serde_json::from_slice(bytes).map_err(|_| bad_request(SHAPE, ""))?;
    let ObjectOf(data) = document.data.ok_or_else(|| bad_request("data is missing", "/data"))?;
    if data.r#type.as_ref().and_then(Value::as_str) != Some(CREDENTIALS) {
        return Err(bad_request(&format!("data.type is not {CREDENTIALS}"), "/data/type"));
    }
    let attributes = data.attributes.ok_or_else(|| bad_request("data.attributes is missing", "/data/attributes"))?;
    Ok(attributes.0)
}

const SHAPE: &str = "the body is not {\"data\": {\"type\": \"webhooks-auth-method-oauth2-client-credentials\", \
                     \"attributes\": {...}}} with each member at most once";

fn bad_request(detail: &str, pointer: &str) -> ApiError {
    ApiError::BadRequest { detail: detail.to_owned(), about: About::Pointer(pointer.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(body: &str) -> Option<String> {
        attributes(body.as_bytes()).err().map(|error| error.to_string())
    }

    #[test]
    fn the_document_has_one_shape_and_errors_name_the_member() {
        let whole = |data: &str| format!("{{\"data\":{data}}}");
        let typed = |rest: &str| whole(&format!("{{\"type\":\"{CREDENTIALS}\"{rest}}}"));
        let missing = Some("data.attributes is missing".to_owned());
        let shape = Some(SHAPE.to_owned());
        let other_type = Some(format!("data.type is not {CREDENTIALS}"));
        let cases = [
            (typed(",\"attributes\":{}"), None),
            (typed(",\"id\":7,\"x\":1,\"attributes\":{\"name\":\"a\",\"x\":1}"), None),
            (typed(""), missing.clone()),
            (typed(",\"attributes\":null"), missing),
            (typed(",\"attributes\":[\"a\"]"), shape.clone()),
            (typed(",\"attributes\":{\"name\":\"a\",\"name\":\"b\"}"), shape.clone()),
            (typed(",\"attributes\":{},\"attributes\":{}"), shape.clone()),
            (whole("[]"), shape.clone()),
            (whole("null"), Some("data is missing".to_owned())),
            ("{}".to_owned(), Some("data is missing".to_owned())),
            (whole("{}"), other_type.clone()),
            (whole("{\"type\":\"webhooks-auth-method\",\"attributes\":{}}"), other_type),
            ("[]".to_owned(), shape.clone()),
            ("not json".to_owned(), shape),
        ];
        for (body, expected) in cases {
            assert_eq!(mistake(&body), expected, "{body}");
        }
        assert!(SHAPE.contains(CREDENTIALS));
    }
}
