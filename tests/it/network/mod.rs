//! A real listener on a real port. What is tested is time and bytes, so these take some hundreds of milliseconds.

mod connections;
mod framing;
pub mod outage;
mod stop;
