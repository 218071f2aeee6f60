//! The program's command line: what it prints, how it exits, and how it serves.

mod beside_a_server;
mod clients;
mod crash;
mod database;
mod first_start;
mod help;
mod logs;
mod operators;
mod serve;
mod settings;
mod traces;
