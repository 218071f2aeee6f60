//! Users: passwords, sessions, roles, permissions and keys.

pub mod api_caller;
pub mod key_attributes;
pub mod key_name;
pub mod key_query;
pub mod membership;
pub mod password;
pub mod permission;
pub mod session;
