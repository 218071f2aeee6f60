//! Registering, creating, authenticating, finding, restricting and forgetting clients.

pub mod authenticate;
pub mod disable_client;
pub mod find;
pub mod forget;
pub mod private;
pub mod register;
pub mod scopes_restriction;
