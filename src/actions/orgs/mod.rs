//! Creating and renaming organizations, and setting their default client scopes.

pub mod bootstrap;
pub mod create_org;
pub mod default_client_scopes;
pub mod rename_org;
