//! Periodic tasks of the server: deleting expired rows, and following the clock of the database.

pub mod follow_database_clock;
pub mod forget_expired;
