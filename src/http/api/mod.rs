//! The management API.

mod auth_method_request;
pub mod auth_methods;
pub mod authorized_query;
mod authorized_resources;
pub mod default_scopes_restriction;
mod disable_request;
pub mod oauth2_clients;
pub mod org_authorized_clients;
pub mod page;
pub mod scopes_restriction;
pub mod test_auth_method;
mod upsert_request;
pub mod user_authorized_clients;
pub mod webhook_deliveries;
pub mod webhook_variables;
pub mod webhooks;
