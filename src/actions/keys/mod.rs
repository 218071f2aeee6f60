//! API keys and application keys.

pub mod create_key;
pub mod revoke_key;
