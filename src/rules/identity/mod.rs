//! Users: passwords, sessions, roles and permissions.

pub mod membership;
pub mod operator;
pub mod password;
pub mod permission;
pub mod session;
