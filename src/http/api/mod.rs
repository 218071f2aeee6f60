//! The management API.

pub mod api_keys;
pub mod application_keys;
mod auth_method_request;
pub mod auth_methods;
pub mod authorized_query;
mod authorized_resources;
pub mod default_scopes_restriction;
mod disable_request;
mod key_id;
pub mod key_query;
mod key_request;
mod key_resources;
pub mod marketplace;
pub mod oauth2_client_reviews;
pub mod oauth2_clients;
pub mod org_authorized_clients;
pub mod page;
pub mod partners;
pub mod published_oauth2_clients;
pub mod scopes_restriction;
pub mod test_auth_method;
mod upsert_request;
pub mod user_authorized_clients;
pub mod webhook_deliveries;
pub mod webhook_variables;
pub mod webhooks;
