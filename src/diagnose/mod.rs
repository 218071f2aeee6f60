//! Commands that diagnose or demonstrate a server: `doctor`, `selftest` and `demo`.

pub mod demo;
pub mod doctor;
pub mod probe;
pub mod sample_resource;
pub mod selftest;
