//! The program's command line: what it prints, how it exits, and how it serves.

mod audit;
mod beside_a_server;
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
mod selftest;
mod serve;
mod settings;
mod traces;
mod webhooks;
