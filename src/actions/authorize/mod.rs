//! Authorization requests: which scopes are offered, and approval.

pub mod approve;
pub mod offer_scopes;
