//! The command line of the program: output, exit codes, and the server.

mod audit;
mod clients;
mod crash;
mod database;
mod demo;
mod doctor;
mod first_start;
mod grants;
mod help;
mod keys;
mod logs;
mod operators;
mod resources;
mod restore;
mod running_server;
mod selftest;
mod serve;
mod settings;
mod traces;
mod webhooks;
