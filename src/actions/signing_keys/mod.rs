//! The keys that sign tokens.

pub mod announce;
pub mod revoke;
pub mod rotate;
