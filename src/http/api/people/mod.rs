//! The people of an organization: users, their roles, and invitations.

mod id;
pub mod query;
mod request;
mod resources;
pub mod roles;
pub mod user_invitations;
pub mod users;
