//! Parses the body that disables or enables a client for an organization.

use serde::Deserialize;
use serde_json::Value;

use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, Resource, resource_of};
use crate::rules::client::disabled_reason::{DisabledReason, Disabling};
use crate::rules::syntax::json_object::{ObjectOf, present};

const TYPE: &str = "org_authorized_clients";
const SHAPE: &str = "the body is not {\"data\": {\"id\": ..., \"type\": \"org_authorized_clients\", \"attributes\": {\"disabled\": \
                     true or false}}, \"meta\": {\"reason\": ...}} with each member at most once; meta may be left out";

#[derive(Debug, PartialEq, Eq)]
pub struct DisableRequest {
    pub id: String,
    /// `None` if the body changes nothing.
    pub wanted: Option<Disabling>,
}

#[derive(Default, Deserialize)]
struct RawAttributes {
    #[serde(default, deserialize_with = "present")]
    disabled: Option<Value>,
}

/// The published models of the resource have no member for a reason, so it is beside them.
#[derive(Default, Deserialize)]
struct RawMeta {
    #[serde(default, deserialize_with = "present")]
    reason: Option<Value>,
}

impl JsonBody for DisableRequest {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let Resource { id, attributes: ObjectOf(attributes), meta: ObjectOf(meta), .. } =
            resource_of::<ObjectOf<RawAttributes>, ObjectOf<RawMeta>>(bytes, TYPE, SHAPE)?;
        let Some(Value::String(id)) = id else {
            return Err(ApiError::bad_member("data.id is missing or not a string", "/data/id"));
        };
        let reason = reason(meta.reason)?;
        let wanted = match attributes.disabled {
            None => None,
            Some(Value::Bool(true)) => Some(Disabling::disabled(reason)),
            Some(Value::Bool(false)) if reason.is_some() => {
                let detail = "a reason belongs to a client that is disabled: leave it out";
                return Err(ApiError::bad_member(detail, "/meta/reason"));
            }
            Some(Value::Bool(false)) => Some(Disabling::ENABLED),
            Some(_) => {
                return Err(ApiError::bad_attribute("disabled is not true or false", "disabled"));
            }
        };
        Ok(Self { id, wanted })
    }
}

fn reason(value: Option<Value>) -> Result<Option<DisabledReason>, ApiError> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => DisabledReason::parse(&text)
            .map_err(|error| ApiError::bad_member(error, "/meta/reason")),
        Some(_) => Err(ApiError::bad_member("the reason is not a string", "/meta/reason")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::Source;

    fn parsed(body: &str) -> Result<DisableRequest, (String, Source)> {
        DisableRequest::parse(body.as_bytes()).map_err(|error| match error {
            ApiError::BadRequest { detail, source } => (detail, source),
            other => panic!("{other:?} is not a bad request"),
        })
    }

    #[test]
    fn a_body_disables_enables_or_changes_nothing() {
        let reason = || DisabledReason::parse("It is under review").expect("a reason");
        let with_attributes = |attributes: &str| {
            format!(
                r#"{{"data":{{"id":"a","type":"org_authorized_clients","attributes":{attributes}}}}}"#
            )
        };
        let cases = [
            (with_attributes(r#"{"disabled":true}"#), Some(Disabling::disabled(None))),
            (with_attributes(r#"{"disabled":false,"x":1}"#), Some(Disabling::ENABLED)),
            (with_attributes("{}"), None),
            (r#"{"data":{"id":"a","type":"org_authorized_clients"}}"#.to_owned(), None),
            (
                r#"{"data":{"id":"a","type":"org_authorized_clients","attributes":{"disabled":true}},
                    "meta":{"reason":" It is under review "}}"#
                    .to_owned(),
                Some(Disabling::disabled(reason())),
            ),
            (
                r#"{"data":{"id":"a","type":"org_authorized_clients","attributes":{"disabled":false}},
                    "meta":{"reason":" "}}"#
                    .to_owned(),
                Some(Disabling::ENABLED),
            ),
        ];
        for (body, wanted) in cases {
            let expected = DisableRequest { id: "a".to_owned(), wanted };
            assert_eq!(parsed(&body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn each_error_points_to_its_member() {
        let long = format!(
            r#"{{"data":{{"id":"a","type":"org_authorized_clients","attributes":{{"disabled":true}}}},"meta":{{"reason":"{}"}}}}"#,
            "x".repeat(301)
        );
        let cases = [
            ("[]", SHAPE, ""),
            (r#"{"data":{"id":"a","type":"org_authorized_clients"},"meta":[]}"#, SHAPE, ""),
            ("{}", "data is missing", "/data"),
            (r#"{"data":{"id":"a"}}"#, "data.type is not org_authorized_clients", "/data/type"),
            (
                r#"{"data":{"type":"org_authorized_clients"}}"#,
                "data.id is missing or not a string",
                "/data/id",
            ),
            (
                r#"{"data":{"id":1,"type":"org_authorized_clients"}}"#,
                "data.id is missing or not a string",
                "/data/id",
            ),
            (
                r#"{"data":{"id":"a","type":"org_authorized_clients","attributes":{"disabled":"true"}}}"#,
                "disabled is not true or false",
                "/data/attributes/disabled",
            ),
            (
                r#"{"data":{"id":"a","type":"org_authorized_clients","attributes":{"disabled":null}}}"#,
                "disabled is not true or false",
                "/data/attributes/disabled",
            ),
            (
                r#"{"data":{"id":"a","type":"org_authorized_clients","attributes":{"disabled":true}},"meta":{"reason":1}}"#,
                "the reason is not a string",
                "/meta/reason",
            ),
            (
                r#"{"data":{"id":"a","type":"org_authorized_clients","attributes":{"disabled":false}},"meta":{"reason":"x"}}"#,
                "a reason belongs to a client that is disabled: leave it out",
                "/meta/reason",
            ),
            (&long, "the reason is longer than 300 characters: shorten it", "/meta/reason"),
        ];
        for (body, detail, pointer) in cases {
            let source = Source::Pointer(pointer.to_owned());
            assert_eq!(parsed(body), Err((detail.to_owned(), source)), "{body}");
        }
    }
}
