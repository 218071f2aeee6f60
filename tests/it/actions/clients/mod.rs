//! Actions on clients.

mod find;
mod forget;
