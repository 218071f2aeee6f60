//! Parses the body and the query of an upsert of a scopes restriction, so that each error names its
//! member.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde_json::Value;

use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, attributes_of};
use crate::rules::syntax::json_object::{ObjectOf, present};

const TYPE: &str = "upsert_scopes_restriction";

/// The requested scopes. An omitted list is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UpsertRequest {
    pub oidc_scopes: Vec<String>,
    pub permission_scopes: Vec<String>,
}

/// Neither `attributes` nor its lists may be null, since null could mean "no restriction" or "no
/// scopes".
#[derive(Default, Deserialize)]
struct RawAttributes {
    #[serde(default, deserialize_with = "present")]
    oidc_scopes: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    permission_scopes: Option<Value>,
}

impl JsonBody for UpsertRequest {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let ObjectOf(attributes): ObjectOf<RawAttributes> = attributes_of(bytes, TYPE, SHAPE)?;
        Ok(Self {
            oidc_scopes: list(attributes.oidc_scopes, "oidc_scopes")?,
            permission_scopes: list(attributes.permission_scopes, "permission_scopes")?,
        })
    }
}

const SHAPE: &str = "the body is not {\"data\": {\"type\": \"upsert_scopes_restriction\", \"attributes\": {\"oidc_scopes\": \
                     [...], \"permission_scopes\": [...]}}} with each member at most once";

fn list(value: Option<Value>, member: &str) -> Result<Vec<String>, ApiError> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let strings: Result<Vec<String>, _> = serde_json::from_value(value);
    strings
        .map_err(|_| ApiError::bad_attribute(format!("{member} is not a list of strings"), member))
}

/// With `?dry_run=true`, nothing is stored. With `?if_digest=`, the change applies only to the
/// state that a dry run reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub dry_run: bool,
    pub if_digest: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Options {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl Options {
    fn parse(query: &str) -> Result<Self, ApiError> {
        let bad_request = |detail: &str, parameter| Err(ApiError::bad_parameter(parameter, detail));
        let mut dry_run = None;
        let mut if_digest = None;
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        for (name, value) in pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
            match (&*percent_decoded(name), value) {
                ("dry_run", _) if dry_run.is_some() => {
                    return bad_request("dry_run is given more than once", "dry_run");
                }
                ("dry_run", "true") => dry_run = Some(true),
                ("dry_run", "false") => dry_run = Some(false),
                ("dry_run", _) => return bad_request("dry_run must be true or false", "dry_run"),
                ("if_digest", _) if if_digest.is_some() => {
                    return bad_request("if_digest is given more than once", "if_digest");
                }
                ("if_digest", digest) if is_digest(digest) => if_digest = Some(digest.to_owned()),
                ("if_digest", _) => {
                    return bad_request(
                        "if_digest must be a digest returned by a dry run",
                        "if_digest",
                    );
                }
                // Unknown parameters are ignored, as elsewhere in this API.
                _ => {}
            }
        }
        Ok(Self { dry_run: dry_run.unwrap_or_default(), if_digest })
    }

    /// For operations without these options: a dry run must not be executed.
    pub fn are_absent(&self) -> Result<(), ApiError> {
        let parameter = match self {
            Self { dry_run: true, .. } => "dry_run",
            Self { if_digest: Some(_), .. } => "if_digest",
            Self { dry_run: false, if_digest: None } => return Ok(()),
        };
        Err(ApiError::bad_parameter(parameter, format!("{parameter} is allowed only with POST")))
    }
}

/// `dry%5Frun` is `dry_run` too (RFC 3986 section 6.2.2.2). If it were ignored, a dry run would
/// change data.
fn percent_decoded(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    loop {
        rest = match rest {
            [] => return Cow::Owned(String::from_utf8_lossy(&decoded).into_owned()),
            [b'%', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
                decoded.push(digit(*high) << 4 | digit(*low));
                after
            }
            [byte, after @ ..] => {
                decoded.push(*byte);
                after
            }
        }
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error::Source;

    fn parsed(body: &str) -> Result<UpsertRequest, (String, Source)> {
        UpsertRequest::parse(body.as_bytes()).map_err(|error| match error {
            ApiError::BadRequest { detail, source } => (detail, source),
            other => panic!("{other:?} is not a bad request"),
        })
    }

    fn at(pointer: &str) -> Source {
        Source::Pointer(pointer.to_owned())
    }

    #[test]
    fn an_omitted_list_is_empty() {
        let nothing = UpsertRequest::default();
        let some =
            UpsertRequest { oidc_scopes: vec!["openid".to_owned()], permission_scopes: vec![] };
        for (body, expected) in [
            (r#"{"data":{"type":"upsert_scopes_restriction"}}"#, &nothing),
            (r#"{"data":{"type":"upsert_scopes_restriction","attributes":{}}}"#, &nothing),
            (
                r#"{"data":{"type":"upsert_scopes_restriction","attributes":{"oidc_scopes":["openid"]}}}"#,
                &some,
            ),
            (
                r#"{"data":{"type":"upsert_scopes_restriction","x":1,"attributes":{"oidc_scopes":["openid"],"y":2}}}"#,
                &some,
            ),
        ] {
            assert_eq!(parsed(body).as_ref(), Ok(expected), "{body}");
        }
    }

    #[test]
    fn each_error_points_to_its_member() {
        let cases = [
            ("[]", SHAPE, ""),
            ("null", SHAPE, ""),
            (r#"[{"type":"upsert_scopes_restriction"}]"#, SHAPE, ""),
            (r#"{"data":["upsert_scopes_restriction",{}]}"#, SHAPE, ""),
            (
                r#"{"data":{"type":"upsert_scopes_restriction","attributes":[["openid"],[]]}}"#,
                SHAPE,
                "",
            ),
            (r#"{"data":{"type":"upsert_scopes_restriction"},"data":{}}"#, SHAPE, ""),
            (r#"{"data":{"type":"upsert_scopes_restriction","attributes":null}}"#, SHAPE, ""),
            ("{}", "data is missing", "/data"),
            (r#"{"data":null}"#, "data is missing", "/data"),
            (r#"{"data":{}}"#, "data.type is not upsert_scopes_restriction", "/data/type"),
            (
                r#"{"data":{"type":"scopes_restriction"}}"#,
                "data.type is not upsert_scopes_restriction",
                "/data/type",
            ),
            (
                r#"{"data":{"type":"upsert_scopes_restriction","attributes":{"oidc_scopes":null}}}"#,
                "oidc_scopes is not a list of strings",
                "/data/attributes/oidc_scopes",
            ),
            (
                r#"{"data":{"type":"upsert_scopes_restriction","attributes":{"permission_scopes":[1]}}}"#,
                "permission_scopes is not a list of strings",
                "/data/attributes/permission_scopes",
            ),
        ];
        for (body, detail, pointer) in cases {
            assert_eq!(parsed(body), Err((detail.to_owned(), at(pointer))), "{body}");
        }
    }

    #[test]
    fn the_query_selects_a_dry_run_or_a_condition() {
        let digest = "ab".repeat(32);
        let dry_run = Options { dry_run: true, if_digest: None };
        let conditional = Options { dry_run: false, if_digest: Some(digest.clone()) };

        assert_eq!(Options::parse("dry_run=true&x=1").as_ref().ok(), Some(&dry_run));
        assert_eq!(Options::parse("%=1&%zz=1&%ff=1&%64ry%5Frun=true").ok(), Some(dry_run));
        assert_eq!(Options::parse(&format!("if_digest={digest}")).ok(), Some(conditional));
        assert_eq!(Options::parse("").ok(), Some(Options::default()));
        for query in [
            "dry_run",
            "dry_run=1",
            "dry_run=true&dry_run=false",
            "dry%5Frun=1",
            "if_digest=",
            "if_digest=xyz",
        ] {
            assert!(Options::parse(query).is_err(), "{query}");
        }
    }
}
