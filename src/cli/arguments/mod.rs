//! Arguments that several commands take.

pub mod app;
pub mod org;
pub mod password;
pub mod suggest;
