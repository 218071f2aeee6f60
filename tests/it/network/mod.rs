//! A real listener on a real port. What is tested is time and bytes, so these take some hundreds of milliseconds.

mod connections;
mod framing;
mod header_memory;
pub mod outage;
mod slow_bodies;
mod stop;
