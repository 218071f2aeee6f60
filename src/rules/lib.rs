//! The rules: pure decisions on values, with the RFC section that each one follows. This module has
//! no I/O, no async code, no clock and no randomness; the current time is an argument.

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
pub mod secret;
pub mod timestamp;
