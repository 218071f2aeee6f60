//! `grantor user`.

mod create;
mod disable;
mod list;
mod remove;
mod set_password;
