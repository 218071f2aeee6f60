//! The settings as the program sees them: one struct for each section, every field checked.
//!
//! What each means, and when to change it, is said in `table.rs`, and so in `config/default.toml`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use uuid::Uuid;

use super::database_url::DatabaseUrl;
use super::values;
use crate::oauth::consent::Remember;
use crate::oauth::offered_scopes::Excess;
use crate::oauth::resource::{Resource, UnknownResources};
use crate::oauth::scope::ScopeSet;
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::sealing::KeyRing;
use crate::secret::{Digest, Secret};

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub http: Http,
    pub database: Database,
    pub log: Log,
    pub limits: Limits,
    pub registration: Registration,
    pub restriction: Restriction,
    pub consent: Consent,
    pub resources: Resources,
    pub sites: Sites,
    pub scopes: Scopes,
    pub tokens: Tokens,
    pub client_documents: ClientDocuments,
    pub outgoing: Outgoing,
    pub webhooks: Webhooks,
    pub secrets: Secrets,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub listen: SocketAddr,
    /// The issuer and the base of every link, without a path or a trailing slash.
    #[serde(deserialize_with = "values::public_url")]
    pub public_url: String,
    #[serde(deserialize_with = "values::address_or_none")]
    pub management_listen: Option<SocketAddr>,
    pub fallback_paths: bool,
    #[serde(deserialize_with = "values::networks")]
    pub trusted_proxies: Vec<IpNet>,
    #[serde(deserialize_with = "values::seconds")]
    pub first_byte_timeout: Duration,
    #[serde(deserialize_with = "values::seconds")]
    pub header_timeout: Duration,
    #[serde(deserialize_with = "values::seconds")]
    pub request_timeout: Duration,
    #[serde(deserialize_with = "values::seconds")]
    pub shutdown_timeout: Duration,
    #[serde(deserialize_with = "values::at_least_one")]
    pub max_body_bytes: usize,
    #[serde(deserialize_with = "values::at_least_one")]
    pub max_in_flight: usize,
}

impl Http {
    /// The member of RFC 9728 metadata by which an MCP server names this server: clients compare the issuer byte for byte.
    pub fn authorization_servers(&self) -> String {
        format!("\"authorization_servers\": [\"{}\"]", self.public_url)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: DatabaseUrl,
    #[serde(deserialize_with = "values::at_least_one")]
    pub max_connections: u32,
    #[serde(rename = "acquire_timeout_ms", deserialize_with = "values::milliseconds")]
    pub acquire_timeout: Duration,
    #[serde(rename = "query_timeout_ms", deserialize_with = "values::milliseconds")]
    pub query_timeout: Duration,
}

impl Database {
    pub(super) const DEFAULT_FILE: &str = "data/grantor.db";

    /// Whether this is the file that a first start without any setting makes. Only there may the server set itself up
    /// without being asked: any other database was chosen by somebody, and may belong to others too.
    pub fn is_default_file(&self) -> bool {
        matches!(&self.url, DatabaseUrl::Sqlite(path) if path == Path::new(Self::DEFAULT_FILE))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Directives such as `info,grantor=debug`.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text where somebody watches, JSON elsewhere.
    Auto,
    Text,
    Json,
}

/// 0 is no limit, throughout.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub register_per_minute: u32,
    pub register_per_second_total: u32,
    pub token_per_minute: u32,
    pub requests_per_minute: u32,
    pub login_per_minute: u32,
    pub operator_per_minute: u32,
    pub failed_keys_per_minute: u32,
    pub connections: u32,
    pub connections_per_source: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// Auth methods and grant types that are replaced or dropped instead of refused (RFC 7591 section 3.2.1).
    #[serde(deserialize_with = "values::words")]
    pub tolerate: Vec<String>,
    pub deduplicate: bool,
    /// Seconds; 0 is never.
    #[serde(deserialize_with = "values::lifetime_or_zero")]
    pub sleep_after: u64,
    /// Seconds; 0 is never.
    #[serde(deserialize_with = "values::day_or_zero")]
    pub forget_after: u64,
    /// The only private-use schemes that are accepted; none listed is every one (RFC 8252 section 7.1).
    #[serde(deserialize_with = "values::schemes")]
    pub private_schemes: Vec<String>,
    #[serde(deserialize_with = "values::at_least_one")]
    pub queue: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restriction {
    pub on_excess: Excess,
    pub on_narrow: OnNarrow,
    pub required: Vec<RequiredScopes>,
}

impl Restriction {
    /// What a first-party client carries whatever an organisation decides.
    pub fn required_of(&self, client_id: Uuid) -> Option<&ScopeSet> {
        self.required.iter().find(|required| required.client_id == client_id).map(|found| &found.permission_scopes)
    }
}

/// What becomes of grants that hold a scope which a restriction takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnNarrow {
    Revoke,
    NarrowGrants,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredScopes {
    pub client_id: Uuid,
    pub permission_scopes: ScopeSet,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    pub remember: Remember,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    pub unknown: UnknownResources,
    pub declared: Vec<DeclaredResource>,
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

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sites {
    #[serde(deserialize_with = "values::word")]
    pub environment: String,
    #[serde(deserialize_with = "values::hosts")]
    pub hosts: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scopes {
    /// An operator's own catalogue; none is the shipped one. `Loaded` holds what was read from it.
    #[serde(deserialize_with = "values::path_or_none")]
    pub catalogue: Option<PathBuf>,
}

/// Seconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    #[serde(deserialize_with = "values::code_lifetime")]
    pub code_ttl: u64,
    #[serde(deserialize_with = "values::lifetime")]
    pub access_ttl: u64,
    /// 0 is without an end.
    #[serde(deserialize_with = "values::lifetime_or_zero")]
    pub refresh_idle_ttl: u64,
    /// 0 is without an end.
    #[serde(deserialize_with = "values::lifetime_or_zero")]
    pub refresh_ttl: u64,
    #[serde(deserialize_with = "values::lifetime_or_zero")]
    pub refresh_grace: u64,
    pub signing_algorithm: SigningAlgorithm,
    /// 0 is never by age.
    #[serde(deserialize_with = "values::day_or_zero")]
    pub signing_key_max_age: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientDocuments {
    pub enabled: bool,
    pub allow_loopback: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outgoing {
    #[serde(deserialize_with = "values::networks")]
    pub allow_networks: Vec<IpNet>,
    /// May hold a password.
    #[serde(deserialize_with = "values::proxy_or_none")]
    pub proxy: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    pub enabled: bool,
    /// How often one delivery is tried.
    #[serde(deserialize_with = "values::at_least_one")]
    pub attempts: u32,
    /// Older ones are parked without another attempt.
    #[serde(deserialize_with = "values::lifetime")]
    pub give_up_after: u64,
    #[serde(deserialize_with = "values::seconds")]
    pub timeout: Duration,
    #[serde(deserialize_with = "values::at_least_one")]
    pub at_once: u32,
    #[serde(deserialize_with = "values::at_least_one")]
    pub at_once_per_webhook: u32,
    #[serde(deserialize_with = "values::lifetime_or_zero")]
    pub keep_delivered: u64,
    #[serde(deserialize_with = "values::lifetime_or_zero")]
    pub keep_parked: u64,
    pub allow_loopback: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// After how long a key of the ring is too old, in seconds; 0 is never.
    #[serde(deserialize_with = "values::day_or_zero")]
    pub key_max_age: u64,
    /// None: `key_ring.rs` says what takes its place.
    #[serde(deserialize_with = "values::key_ring_or_none")]
    pub key: Option<KeyRing>,
}
