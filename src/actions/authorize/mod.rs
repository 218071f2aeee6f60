//! Authorization requests: the pending request, its next step, the scopes that are offered to the
//! user, and the user's approval.

pub mod approve;
pub mod next_step;
pub mod offer_scopes;
pub mod pending;
