//! A real listener on a real port. These tests measure time and bytes, so each takes some hundred
//! milliseconds.

mod connections;
mod framing;
mod header_memory;
pub mod outage;
mod shutdown;
mod slow_bodies;
