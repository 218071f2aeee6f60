//! Issuing, refreshing, checking and revoking tokens.

pub mod check;
pub mod error;
pub mod exchange;
pub mod issue;
pub mod refresh;
pub mod revoke_family;
pub mod revoke_token;
pub mod verified;
