//! Actions, below HTTP.

mod audit;
mod audit_catalog;
mod authorize;
mod clients;
mod events;
mod grants;
mod orgs;
mod signing_keys;
mod transact;
mod users;
mod webhooks;
