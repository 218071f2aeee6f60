//! Actions that end grants.

mod last_tokens;
mod many_ended;
mod revoke_everything;
