//! Registering, finding, restricting and forgetting clients.

pub mod find;
pub mod forget;
pub mod register;
pub mod restrict_scopes;
