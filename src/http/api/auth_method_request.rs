//! Parses the JSON:API document of a new or changed auth method.

use crate::http::api::auth_methods::CREDENTIALS;
use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, attributes_of};
use crate::rules::syntax::json_object::ObjectOf;
use crate::rules::webhook::auth_method::RawAuthMethod;

/// The attributes without checks. Unknown members are ignored, and so is the id, which is in the
/// path.
impl JsonBody for RawAuthMethod {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let attributes: Option<ObjectOf<Self>> = attributes_of(bytes, CREDENTIALS, SHAPE)?;
        let attributes = attributes.map(|ObjectOf(attributes)| attributes);
        attributes
            .ok_or_else(|| ApiError::bad_member("data.attributes is missing", "/data/attributes"))
    }
}

const SHAPE: &str = "the body is not {\"data\": {\"type\": \"webhooks-auth-method-oauth2-client-credentials\", \
                     \"attributes\": {...}}} with each member at most once";

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(body: &str) -> Option<String> {
        RawAuthMethod::parse(body.as_bytes()).err().map(|error| match error {
            ApiError::BadRequest { detail, .. } => detail,
            other => panic!("{other:?} is not a bad request"),
        })
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
