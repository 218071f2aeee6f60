//! Protected resources (RFC 9728): creating, deleting and finding them.

pub mod create_resource;
pub mod find_resource;
