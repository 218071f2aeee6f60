//! Tokens: code exchange, refresh, claims and signing keys.

pub mod answer;
pub mod claims;
pub mod exchange;
pub mod jwk;
pub mod refresh;
pub mod refresh_token;
pub mod remaining_life;
pub mod request;
pub mod signing_algorithm;
pub mod signing_period;
