//! What operators call.

pub mod authorized_query;
mod authorized_resources;
pub mod org_authorized_clients;
pub mod page;
pub mod scopes_restriction;
mod upsert_request;
