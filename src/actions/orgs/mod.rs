//! Organizations.

pub mod bootstrap;
pub mod create_org;
pub mod default_client_scopes;
pub mod rename_org;
