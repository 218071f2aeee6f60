//! `[resources]`: the APIs and MCP servers that accept tokens (RFC 8707).

use serde::Deserialize;

use crate::config::setting::Setting;
use crate::config::values;
use crate::rules::authorization::resource::{Resource, UnknownResources};
use crate::rules::scope::ScopeSet;
use crate::rules::secret::Digest;

section! {
    "resources",
    "The APIs and MCP servers that accept tokens (RFC 8707). `grantor resource create` adds one \
     without a restart.";

    pub struct Resources {
        pub unknown: UnknownResources = Setting::new(
            "resources.unknown",
            r#""accept""#,
            "\"accept\" or \"refuse\"",
            "What happens if a request names a resource that is not listed. accept issues a token \
             for it, which no other server accepts; refuse returns invalid_target.",
        ),
        pub declared: Vec<DeclaredResource> = Setting::new(
            "resources.declared",
            "[]",
            "a list of tables with uri, name, scopes and secret_sha256 (the SHA-256, in \
             hexadecimal, of the secret that the resource uses for introspection); in the \
             environment as JSON",
            "Resources that exist from the start. Spell each URI exactly as its clients and APIs \
             do, because tokens contain this spelling. In a file, write [[resources.declared]], \
             and below it the four members.",
        ),
    }
}

/// A resource that the settings declare.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredResource {
    #[serde(deserialize_with = "values::resource")]
    pub uri: Resource,
    pub name: String,
    #[serde(default)]
    pub scopes: ScopeSet,
    /// Digest of the secret that the resource uses for introspection.
    #[serde(rename = "secret_sha256", deserialize_with = "values::digest")]
    pub secret_digest: Digest,
}
