//! The members of a protected resource's metadata (RFC 9728 section 2), judged by the types that clients read them as.

use serde_json::Value;

use crate::diagnose::probe::Fault;
use crate::rules::syntax::uri::{check_characters, split_scheme};

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Url,
    Texts,
    Boolean,
}

/// What clients parse, whether or not they use it. Others they pass over.
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
const OF_TYPES: &str =
    "clients on the TypeScript and Python SDKs, which refuse the whole document: Claude Code, Cursor, Inspector";

/// Each member that is there and is not what clients take it for.
pub fn faults(document: &Value) -> Vec<Fault> {
    MEMBERS.iter().filter_map(|(name, kind)| fault(name, *kind, document.get(name)?)).collect()
}

fn fault(name: &str, kind: Kind, value: &Value) -> Option<Fault> {
    if kind.holds(value) {
        return None;
    }
    let said = format!("{name} is {}, where {} is expected", found(value), kind.expected());
    Some(Fault::new(said, if value.is_null() { OF_NULL } else { OF_TYPES }))
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Url => value.as_str().is_some_and(is_url),
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

fn is_url(text: &str) -> bool {
    check_characters(text).is_ok() && split_scheme(text).is_ok()
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
    fn a_member_that_clients_cannot_read_is_named_with_what_it_should_be() {
        let cases = [
            ("scopes_supported", Value::Null, "scopes_supported is null, where a list of strings is expected"),
            ("resource_name", Value::Null, "resource_name is null, where a string is expected"),
            ("authorization_servers", json!("x"), "authorization_servers is another string, where a list of strings"),
            ("scopes_supported", json!(["a", 1]), "scopes_supported is another list, where a list of strings"),
            ("resource_policy_uri", json!(""), "resource_policy_uri is another string, where a URL is expected"),
            ("jwks_uri", json!({}), "jwks_uri is an object, where a URL is expected"),
            ("resource", json!(1), "resource is a number, where a URL is expected"),
            ("dpop_bound_access_tokens_required", json!("true"), "dpop_bound_access_tokens_required is another string"),
        ];
        for (member, value, said) in cases {
            let found = faults(&json!({ member: value }));

            assert!(found.len() == 1 && found[0].said.starts_with(said), "{member}: {found:?}");
            assert_eq!(found[0].trips.contains("Python"), !value.is_null(), "{member}");
        }
    }

    #[test]
    fn what_is_right_or_unknown_or_not_there_is_no_fault() {
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
