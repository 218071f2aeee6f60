//! Users: passwords, sessions, roles, permissions and keys.

pub mod api_caller;
pub mod invitation_link;
pub mod key_attributes;
pub mod key_name;
pub mod key_query;
pub mod membership;
pub mod password;
pub mod permission;
pub mod permission_details;
pub mod person;
pub mod role_id;
pub mod session;
