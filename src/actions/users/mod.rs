//! Creating, disabling and removing users, and changing their memberships.

pub mod change_membership;
pub mod create_user;
pub mod disable_user;
mod end_access;
pub mod remove_user;
