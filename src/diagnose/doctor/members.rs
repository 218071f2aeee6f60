//! Checks the types of the members of protected resource metadata (RFC 9728 section 2) as clients
//! do.

use serde_json::Value;
use url::Url;

use crate::diagnose::probe::Fault;

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Url,
    Texts,
    Boolean,
}

/// The members that clients parse, even if they do not use them. Clients ignore all others.
const MEMBERS: [(&str, Kind); 14] = [
    ("resource", Kind::Url),
    ("authorization_servers", Kind::Texts),
    ("jwks_uri", Kind::Url),
    ("scopes_supported", Kind::Texts),
    ("bearer_methods_supported", Kind::Texts),
    ("resource_signing_alg_values_supported", Kind::Texts),
    ("resource_name", Kind::Text),
    ("resource_documentation", Kind::Text),
    ("resource_policy_uri", Kind::Url),
    ("resource_tos_uri", Kind::Url),
    ("tls_client_certificate_bound_access_tokens", Kind::Boolean),
    ("authorization_details_types_supported", Kind::Texts),
    ("dpop_signing_alg_values_supported", Kind::Texts),
    ("dpop_bound_access_tokens_required", Kind::Boolean),
];

const OF_NULL: &str = "clients on the TypeScript SDK, which refuse the whole document: Claude Code, Cursor, Inspector";
const OF_TYPES: &str = "clients on the TypeScript and Python SDKs, which refuse the whole document: Claude Code, Cursor, Inspector";

/// One fault for each member with an unexpected type.
pub fn faults(document: &Value) -> Vec<Fault> {
    MEMBERS.iter().filter_map(|(name, kind)| fault(name, *kind, document.get(name)?)).collect()
}

fn fault(name: &str, kind: Kind, value: &Value) -> Option<Fault> {
    if kind.holds(value) {
        return None;
    }
    let message = format!("{name} must be {}, but it is {}", kind.expected(), found(value));
    Some(Fault::new(message, if value.is_null() { OF_NULL } else { OF_TYPES }))
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Url => value.as_str().is_some_and(|text| Url::parse(text).is_ok()),
            Self::Texts => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
            Self::Boolean => value.is_boolean(),
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Url => "a URL",
            Self::Texts => "a list of strings",
            Self::Boolean => "true or false",
        }
    }
}

const fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "another string",
        Value::Array(_) => "another list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_of_the_wrong_type_is_named_with_the_expected_type() {
        let cases = [
            (
                "scopes_supported",
                Value::Null,
                "scopes_supported must be a list of strings, but it is null",
            ),
            ("resource_name", Value::Null, "resource_name must be a string, but it is null"),
            (
                "authorization_servers",
                json!("x"),
                "authorization_servers must be a list of strings, but it is another string",
            ),
            (
                "scopes_supported",
                json!(["a", 1]),
                "scopes_supported must be a list of strings, but it is another list",
            ),
            (
                "resource_policy_uri",
                json!(""),
                "resource_policy_uri must be a URL, but it is another string",
            ),
            ("jwks_uri", json!({}), "jwks_uri must be a URL, but it is an object"),
            ("resource", json!(1), "resource must be a URL, but it is a number"),
            (
                "dpop_bound_access_tokens_required",
                json!("true"),
                "dpop_bound_access_tokens_required must be true or false, but it is another string",
            ),
        ];
        for (member, value, message) in cases {
            let found = faults(&json!({ member: value }));

            assert!(
                found.len() == 1 && found[0].message.starts_with(message),
                "{member}: {found:?}"
            );
            assert_eq!(found[0].affects.contains("Python"), !value.is_null(), "{member}");
        }
    }

    #[test]
    fn valid_unknown_and_missing_members_are_not_faults() {
        let document = json!({
            "resource": "https://mcp.example/mcp",
            "authorization_servers": ["https://auth.example"],
            "scopes_supported": [],
            "resource_documentation": "see the wiki",
            "tls_client_certificate_bound_access_tokens": false,
            "something_else": null,
        });
        assert_eq!(faults(&document), []);
        assert_eq!(faults(&json!({})), []);
    }
}
