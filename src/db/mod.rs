//! Storage: all SQL for both engines, in one folder per aggregate.

pub mod audit_events;
pub mod authorizations;
pub mod clients;
pub mod engine;
pub mod families;
pub mod grants;
pub mod keys;
pub mod orgs;
pub mod partners;
pub mod resources;
pub mod users;
pub mod webhooks;
