//! Actions on users and memberships.

mod accounts;
mod change_membership;
mod end_access;
mod remove_user;
