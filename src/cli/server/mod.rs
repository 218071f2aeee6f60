//! Commands that run, configure or describe a server.

pub mod config;
mod first_start;
pub mod healthcheck;
pub mod openapi;
pub mod serve;
