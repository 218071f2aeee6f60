//! WHAT IS ALLOWED: pure rules on values, one rule book per file, with its RFC section. No I/O, no async, no clock: time
//! comes in as an argument.

pub mod client;
pub mod client_identity;
pub mod client_metadata;
pub mod client_name;
mod id;
pub mod json_text;
#[cfg(test)]
mod known_clients;
mod metadata_error;
pub mod operator;
pub mod permission;
mod raw_client_metadata;
pub mod redirect_uri;
pub mod registration_rules;
pub mod scope;
pub mod scope_catalogue;
pub mod scopes_restriction;
mod timestamp;
mod uri_syntax;
pub mod web_uri;

pub use id::{AuthorizedClientId, FamilyId, GrantId, KeyId, OrgId, ResourceId, SessionId, UserId};
pub use timestamp::Timestamp;
