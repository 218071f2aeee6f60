//! Actions, below HTTP.

mod audit;
mod audit_catalog;
mod authorize;
mod clients;
mod events;
mod grants;
mod keys;
mod orgs;
mod transact;
mod users;
mod webhooks;
