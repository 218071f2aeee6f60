//! Protected resource metadata (RFC 9728): the authorization server and the scopes of a resource.
//! The resource serves this document to its clients.

use serde::Serialize;

use crate::authorization::resource::Resource;
use crate::scope::ScopeSet;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata document (section 2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProtectedResource<'a> {
    pub resource: &'a str,
    /// The issuer, spelled as in its own metadata, because clients compare it byte for byte.
    pub authorization_servers: [&'a str; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<&'a str>,
    pub bearer_methods_supported: [&'static str; 1],
    pub resource_name: &'a str,
}

impl<'a> ProtectedResource<'a> {
    pub fn new(
        resource: &'a Resource,
        name: &'a str,
        scopes: &'a ScopeSet,
        issuer: &'a str,
    ) -> Self {
        Self {
            resource: resource.as_str(),
            authorization_servers: [issuer],
            scopes_supported: scopes.names().collect(),
            bearer_methods_supported: ["header"],
            resource_name: name,
        }
    }
}

/// The URL of the document (section 3.1). The well-known path is inserted between the host and the
/// path of the resource. A path that is only a slash is omitted.
fn metadata_url(resource: &Resource) -> String {
    let (origin, rest) = origin_and_rest(resource);
    format!("{origin}{WELL_KNOWN}{rest}")
}

/// The path of the document's URL.
pub fn metadata_path(resource: &Resource) -> String {
    format!("{WELL_KNOWN}{}", origin_and_rest(resource).1)
}

/// The `WWW-Authenticate` header with which the resource answers a request without a token (section
/// 5.1, RFC 6750 section 3).
pub fn challenge(resource: &Resource, scopes: &ScopeSet) -> String {
    let url = metadata_url(resource);
    match scopes.is_empty() {
        true => format!("Bearer resource_metadata=\"{url}\""),
        false => format!("Bearer resource_metadata=\"{url}\", scope=\"{scopes}\""),
    }
}

fn origin_and_rest(resource: &Resource) -> (&str, &str) {
    let text = resource.as_str();
    let after_scheme = text.find("//").map_or(0, |at| at + "//".len());
    let end = text[after_scheme..].find(['/', '?']).map_or(text.len(), |at| after_scheme + at);
    let (origin, rest) = text.split_at(end);
    let is_bare = rest == "/" || rest.starts_with("/?");
    (origin, if is_bare { &rest[1..] } else { rest })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(uri: &str) -> Resource {
        Resource::parse(uri).expect("a resource")
    }

    #[test]
    fn the_well_known_path_is_inserted_between_the_host_and_the_path() {
        let cases = [
            (
                "https://mcp.example/mcp",
                "https://mcp.example/.well-known/oauth-protected-resource/mcp",
            ),
            ("https://mcp.example/", "https://mcp.example/.well-known/oauth-protected-resource"),
            (
                "https://mcp.example/mcp/",
                "https://mcp.example/.well-known/oauth-protected-resource/mcp/",
            ),
            (
                "https://mcp.example/?x=1",
                "https://mcp.example/.well-known/oauth-protected-resource?x=1",
            ),
            (
                "http://localhost:9000/a/b",
                "http://localhost:9000/.well-known/oauth-protected-resource/a/b",
            ),
            (
                "https://mcp.example?x=1",
                "https://mcp.example/.well-known/oauth-protected-resource?x=1",
            ),
            (
                "https://mcp.example/mcp?x=1",
                "https://mcp.example/.well-known/oauth-protected-resource/mcp?x=1",
            ),
        ];
        for (uri, expected) in cases {
            assert_eq!(metadata_url(&resource(uri)), expected);
        }
        assert_eq!(
            metadata_path(&resource("https://mcp.example/mcp")),
            "/.well-known/oauth-protected-resource/mcp"
        );
    }

    #[test]
    fn the_document_contains_the_issuer_verbatim_and_omits_empty_scopes() {
        let uri = resource("https://mcp.example/mcp");
        let scopes = ScopeSet::parse("mcp_write mcp_read").expect("scopes");

        let document = ProtectedResource::new(&uri, "Docs", &scopes, "https://ID.example");
        let none = ScopeSet::default();
        let without = ProtectedResource::new(&uri, "Docs", &none, "https://ID.example");

        let expected = json!({
            "resource": "https://mcp.example/mcp",
            "authorization_servers": ["https://ID.example"],
            "scopes_supported": ["mcp_read", "mcp_write"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Docs",
        });
        assert_eq!(serde_json::to_value(document).expect("JSON"), expected);
        assert_eq!(serde_json::to_value(without).expect("JSON").get("scopes_supported"), None);
    }

    #[test]
    fn the_challenge_contains_the_document_url_and_the_scopes_if_any() {
        let uri = resource("https://mcp.example/mcp");
        let scopes = ScopeSet::parse("mcp_read openid").expect("scopes");
        let url = "https://mcp.example/.well-known/oauth-protected-resource/mcp";

        let expected = format!("Bearer resource_metadata=\"{url}\", scope=\"mcp_read openid\"");
        assert_eq!(challenge(&uri, &scopes), expected);
        assert_eq!(
            challenge(&uri, &ScopeSet::default()),
            format!("Bearer resource_metadata=\"{url}\"")
        );
    }
}
