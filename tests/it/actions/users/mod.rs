//! Actions on users and memberships.

mod accounts;
mod end_access;
mod membership;
mod remove_temporary_user;
