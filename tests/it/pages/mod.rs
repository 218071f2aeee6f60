//! Tests of the pages for people, by path.

mod account;
mod browser;
mod connect;
mod consent;
mod invitation;
mod login;
mod organization;
mod password;
mod sign_in_limits;
mod sites;
