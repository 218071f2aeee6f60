//! Protected resources.

pub mod create_resource;
pub mod find_resource;
