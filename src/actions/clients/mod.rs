//! Clients: found, registered, restricted, forgotten.

pub mod find;
pub mod forget;
pub mod register;
pub mod restrict_scopes;
