//! Checks the metadata of an authorization server (RFC 8414 section 2) as clients do.

use serde_json::Value;

use crate::diagnose::probe::{ALL_CLIENTS, Fault, difference};

const SDK: &str = "clients on the TypeScript SDK: Claude Code, Cursor, Inspector";

/// The value of a member that is a string.
pub fn text<'a>(document: &'a Value, member: &str) -> Option<&'a str> {
    document.get(member)?.as_str()
}

/// Whether a list member contains a value.
fn has(document: &Value, member: &str, value: &str) -> bool {
    let list = document.get(member).and_then(Value::as_array);
    list.is_some_and(|list| list.iter().any(|item| item == value))
}

/// All faults that affect at least one client.
pub fn faults(document: &Value, issuer: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let found = text(document, "issuer").unwrap_or_default();
    if let Some(difference) = difference(issuer, found) {
        let affects = "Codex, VS Code and clients on the current SDKs, which refuse the document";
        faults.push(Fault::new(format!("the issuer differs: {difference}"), affects));
    }
    faults.extend(nulls(document));
    faults.extend(endpoints(document, found));
    faults.extend(lists(document));
    if document.get("authorization_response_iss_parameter_supported") != Some(&Value::Bool(true)) {
        let missing = "authorization_response_iss_parameter_supported is not true";
        faults.push(Fault::new(
            missing,
            "clients of the current MCP revision, which would have to guess",
        ));
    }
    faults
}

/// Additional faults in the document at `openid-configuration`.
pub fn faults_as_openid(document: &Value) -> Vec<Fault> {
    let needed = ["jwks_uri", "subject_types_supported", "id_token_signing_alg_values_supported"];
    let missing = needed.into_iter().filter(|member| document.get(member).is_none());
    missing.map(|member| Fault::new(format!("{member} is missing"), SDK)).collect()
}

fn nulls(document: &Value) -> Option<Fault> {
    let members = document.as_object()?;
    let null: Vec<&str> = members
        .iter()
        .filter(|(_, value)| value.is_null())
        .map(|(name, _)| name.as_str())
        .collect();
    (!null.is_empty())
        .then(|| Fault::new(format!("null is not a valid value: {}", null.join(", ")), SDK))
}

fn endpoints(document: &Value, issuer: &str) -> Vec<Fault> {
    const ENDPOINTS: [&str; 5] = [
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
        "revocation_endpoint",
        "jwks_uri",
    ];
    let inside = |url: &str| url.strip_prefix(issuer).is_some_and(|path| path.starts_with('/'));
    let fault = |name: &&str| match text(document, name) {
        None => Some(Fault::new(format!("{name} is missing"), ALL_CLIENTS)),
        Some(url) if !inside(url) => Some(Fault::new(
            format!("{name} is not below the issuer: {}", url.escape_debug()),
            "clients that send requests only to the origin of the issuer",
        )),
        Some(_) => None,
    };
    ENDPOINTS.iter().filter_map(fault).collect()
}

fn lists(document: &Value) -> Vec<Fault> {
    let needed = [
        ("code_challenge_methods_supported", "S256", ALL_CLIENTS),
        ("response_types_supported", "code", SDK),
        (
            "grant_types_supported",
            "authorization_code",
            "VS Code, which registers the listed types",
        ),
        (
            "grant_types_supported",
            "refresh_token",
            "VS Code, whose users would have to sign in every hour",
        ),
        (
            "token_endpoint_auth_methods_supported",
            "none",
            "hosted Claude, Codex and VS Code, which have no secret",
        ),
    ];
    let mut faults: Vec<Fault> = needed
        .into_iter()
        .filter(|(member, value, _)| !has(document, member, value))
        .map(|(member, value, affects)| {
            Fault::new(format!("{member} does not list {value}"), affects)
        })
        .collect();
    if document.get("scopes_supported").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        faults.push(Fault::new(
            "scopes_supported is empty",
            "Codex and Python clients, which request all scopes in it",
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://auth.example";

    fn good() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": "https://auth.example/a",
            "token_endpoint": "https://auth.example/t",
            "registration_endpoint": "https://auth.example/r",
            "revocation_endpoint": "https://auth.example/v",
            "jwks_uri": "https://auth.example/j",
            "scopes_supported": ["openid"],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        })
    }

    #[test]
    fn each_member_that_affects_a_client_is_named() {
        assert_eq!(faults(&good(), ISSUER), []);
        let cases = [
            (
                "token_endpoint",
                json!("https://auth.example.evil.example/t"),
                "token_endpoint is not below the issuer",
            ),
            ("registration_endpoint", json!(["x"]), "registration_endpoint is missing"),
            (
                "code_challenge_methods_supported",
                json!(["plain"]),
                "code_challenge_methods_supported does not list S256",
            ),
            ("scopes_supported", json!([]), "scopes_supported is empty"),
            (
                "service_documentation",
                Value::Null,
                "null is not a valid value: service_documentation",
            ),
            (
                "authorization_response_iss_parameter_supported",
                json!(false),
                "authorization_response_iss_parameter",
            ),
        ];
        for (member, value, message) in cases {
            let mut document = good();
            document[member] = value;
            let found = faults(&document, ISSUER);
            assert!(
                found.len() == 1 && found[0].message.starts_with(message),
                "{member}: {found:?}"
            );
        }
        assert_eq!(faults_as_openid(&good()).len(), 2);
    }
}
