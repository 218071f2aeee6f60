//! Users: passwords, sessions, roles and permissions.

pub mod api_caller;
pub mod membership;
pub mod password;
pub mod permission;
pub mod session;
