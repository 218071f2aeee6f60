//! API keys, application keys, signing keys, and the values that are sealed with the key ring.

pub mod api_keys;
pub mod application_keys;
pub mod callers;
pub mod last_uses;
pub mod listed_key;
pub mod ring_usage;
pub mod sealed;
pub mod sealing_keys;
pub mod signing_keys;
