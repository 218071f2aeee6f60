//! Limits that all requests share: rates, requests in flight, bodies that are arriving, and
//! requests that wait for their users. They are in memory, so each replica has its own.

pub mod fair_pool;
pub mod intake;
pub mod rate_limit;
pub mod waiting;
