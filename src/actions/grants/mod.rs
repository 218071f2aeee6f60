//! Ending grants.

pub mod end;
pub mod revoke_everything;
