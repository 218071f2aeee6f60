//! Registering, finding, restricting and forgetting clients.

pub mod disable_client;
pub mod find;
pub mod forget;
pub mod register;
pub mod scopes_restriction;
