//! Approvals of authorization requests.

mod silent_approval;
