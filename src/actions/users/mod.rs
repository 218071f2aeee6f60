//! Creating, disabling and removing users, and changing their memberships.

pub mod create_user;
pub mod disable_user;
mod end_access;
pub(in crate::actions) mod join;
pub mod membership;
pub mod remove_member;
pub mod remove_temporary_user;
pub mod set_role;
