//! The APIs and MCP servers that tokens are for (RFC 8707).

use serde::Deserialize;

use crate::config::setting::Setting;
use crate::config::values;
use crate::rules::authorization::resource::{Resource, UnknownResources};
use crate::rules::scope::ScopeSet;
use crate::secret::Digest;

section! {
    "resources",
    "The APIs and MCP servers that tokens are for (RFC 8707). `grantor resource create` adds one without a restart.";

    pub struct Resources {
        pub unknown: UnknownResources = Setting::new(
            "resources.unknown",
            r#""accept""#,
            "\"accept\" or \"refuse\"",
            "A request that names a resource which is not listed: accept makes a token for it, since that is the only \
             server that will take the token; refuse answers invalid_target.",
        ),
        pub declared: Vec<DeclaredResource> = Setting::new(
            "resources.declared",
            "[]",
            "a list of tables with uri, name, scopes and secret_sha256, the SHA-256 in hexadecimal digits of the \
             secret by which it asks about tokens; in the environment as JSON",
            "Resources that are known from the start, each as its clients and APIs spell it: tokens say it so. In a file, \
             write [[resources.declared]] and below it the four members.",
        ),
    }
}

/// A resource that is known from the start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredResource {
    #[serde(deserialize_with = "values::resource")]
    pub uri: Resource,
    pub name: String,
    #[serde(default)]
    pub scopes: ScopeSet,
    /// Of the secret by which it asks about tokens.
    #[serde(rename = "secret_sha256", deserialize_with = "values::digest")]
    pub secret_digest: Digest,
}
