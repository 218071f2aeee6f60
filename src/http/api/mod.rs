//! What operators call.

pub mod scopes_restriction;
mod upsert_request;
