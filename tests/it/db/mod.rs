//! Storage, on both engines.

mod audit_events;
mod authorizations;
mod clients;
pub mod engine;
mod families;
pub mod fixtures;
pub mod grant_fixtures;
mod grants;
mod keys;
mod orgs;
mod resources;
mod users;
pub mod webhook_fixtures;
mod webhooks;
