//! Webhooks, their variables and auth methods, and the events that they deliver.

pub mod auth_method_secret;
pub mod bind_secrets;
pub mod create_auth_method;
pub mod create_variable;
pub mod create_webhook;
pub mod delete_auth_method;
pub mod delete_variable;
pub mod delete_webhook;
pub mod fetch_access_token;
pub mod find_variable;
pub mod find_webhook;
pub mod load_webhook;
pub mod publish_events;
pub mod replay_deliveries;
pub mod report_restriction_hit;
pub mod secrets;
pub mod test_auth_method;
pub mod update_auth_method;
pub mod update_variable;
pub mod update_webhook;
