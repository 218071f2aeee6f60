//! WHAT IS ALLOWED: pure rules on values, one rule book per file, with its RFC section. No I/O, no async, no clock: time
//! comes in as an argument.

pub mod audit;
pub mod authorization;
pub mod client;
pub mod identity;
pub mod redirect;
pub mod scope;
pub mod syntax;
pub mod token;
pub mod webhook;

pub mod id;
pub mod timestamp;
