//! Registering, creating, authenticating, finding, restricting and forgetting clients.

pub mod authenticate;
pub mod disable_client;
pub mod find;
pub mod forget;
mod own_client_changes;
pub mod private;
pub mod publishing;
pub mod register;
pub mod scopes_restriction;
pub mod transfer;
