//! Authorization requests: the scopes that are offered to the user, and the user's approval.

pub mod approve;
pub mod offer_scopes;
