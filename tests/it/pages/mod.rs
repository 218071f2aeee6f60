//! What people see and do at a browser, by path.

mod account;
mod browser;
mod consent;
mod consent_changes;
mod login;
mod organization;
mod password;
mod sign_in_limits;
mod sites;
