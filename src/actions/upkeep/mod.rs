//! What the server does on a timer.

pub mod follow_database_clock;
pub mod forget_expired;
