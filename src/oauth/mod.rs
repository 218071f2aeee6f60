//! WHAT IS ALLOWED: pure rules on values, one rule book per file, with its RFC section. No I/O, no async, no clock: time
//! comes in as an argument.

pub mod address;
pub mod audit_action;
pub mod audit_actor;
pub mod audit_catalog;
pub mod auth_method;
pub mod authorization_request;
pub mod claims;
pub mod client;
pub mod client_document;
pub mod client_identity;
pub mod client_metadata;
pub mod client_name;
pub mod client_proof;
pub mod client_secret_url;
pub mod consent;
pub mod delivery;
pub mod document_freshness;
pub mod event;
pub mod exchange_rule;
mod id;
pub mod json_object;
pub mod json_text;
pub mod jwk;
#[cfg(test)]
mod known_clients;
#[cfg(test)]
mod known_documents;
pub mod language;
pub mod membership;
mod metadata_error;
pub mod network;
pub mod offered_scopes;
pub mod operator;
pub mod parameters;
pub mod password;
pub mod permission;
pub mod pkce;
pub mod protected_resource;
mod raw_client_metadata;
pub mod receiver_url;
pub mod redirect_uri;
pub mod refresh_rule;
pub mod refresh_token;
mod refusal;
pub mod refused_request;
pub mod registration_rules;
pub mod remaining_life;
pub mod resource;
pub mod scope;
pub mod scope_catalog;
pub mod scopes_restriction;
pub mod secret_binding;
pub mod session;
pub mod signing_algorithm;
pub mod signing_period;
pub mod since;
pub mod standing;
mod timestamp;
pub mod token_answer;
pub mod token_request;
mod trusted_redirect;
pub mod unused_clients;
pub mod uri_syntax;
pub mod verification_marks;
pub mod waiting_requests;
pub mod web_uri;
pub mod webhook;
pub mod webhook_template;
pub mod webhook_variable;

pub use id::{
    AuthMethodId, AuthorizedClientId, EventId, FamilyId, GrantId, KeyId, OrgId, ResourceId, SessionId, UserId,
    VariableId, WebhookId,
};
pub use timestamp::Timestamp;
