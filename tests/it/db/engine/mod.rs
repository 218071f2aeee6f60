//! Connections, transactions, migrations and copies of the database.

mod backends;
mod backup;
mod corrupt;
mod deadline;
pub mod migrate;
mod transaction;
