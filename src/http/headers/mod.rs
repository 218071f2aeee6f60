//! Reads headers that several parts of `http` need.

pub mod accept;
pub mod credentials;
