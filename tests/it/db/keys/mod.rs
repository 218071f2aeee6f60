//! API keys, application keys, and keys that sign or seal.

mod api_keys;
mod application_keys;
mod callers;
mod sealed;
mod sealing_keys;
mod signing_keys;
