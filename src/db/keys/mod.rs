//! API keys, application keys, signing keys and the values that the key ring seals.

pub mod api_keys;
pub mod application_keys;
pub mod operators;
pub mod ring_usage;
pub mod sealed;
pub mod sealing_keys;
pub mod signing_keys;
