//! Commands about the server, and what it writes and survives.

mod config;
mod crash;
mod first_start;
mod healthcheck;
mod logs;
mod openapi;
mod running_server;
mod serve;
mod traces;
