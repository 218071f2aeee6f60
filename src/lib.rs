//! Grantor, a self-hosted OAuth 2 authorization server.
//!
//! The map, in the order in which a request passes it:
//!
//! | module | is about |
//! | --- | --- |
//! | [`app`] | what every request shares; start and graceful stop |
//! | [`http`] | WHAT IS SAID: routes, extractors, answers; mirrors the URLs |
//! | [`actions`] | WHAT IS DONE: verbs, each in one transaction |
//! | [`oauth`] | WHAT IS ALLOWED: pure rules on values |
//! | [`db`] | WHAT IS STORED: all SQL, both engines |
//! | [`sweeper`] | removes what has expired, on a timer |
//! | [`cli`] | one file per command |
//! | [`config`] | settings: read in layers, checked once |
//! | [`metrics`], [`telemetry`] | what is counted, logged and exported |
//! | [`clock`], [`secret`] | the only readers of the time and of randomness |
//!
//! `main -> cli -> app -> http -> actions -> { oauth, db }`, and `db -> oauth`. `tests/architecture.rs` holds the code to it.
//!
//! Where a rule of a standard lives and what proves it:
//!
//! | standard | rule | test |
//! | --- | --- | --- |
//! | RFC 7591 §2 client metadata | `oauth/client_metadata.rs`, `oauth/registration_rules.rs` | there, `tests/it/oauth/register.rs` |
//! | RFC 7591 §3.2.1 the answer, the same client again | `oauth/client_identity.rs`, `actions/register_client.rs` | there, `tests/it/oauth/register.rs` |
//! | RFC 7591 §3.2.2, RFC 6749 §5.2 errors | `http/error.rs` | `tests/it/oauth/register.rs` |
//! | RFC 6749 §3.1.2, RFC 8252 §7 redirect URIs | `oauth/redirect_uri.rs` | there |
//! | RFC 6749 §3.3 scope | `oauth/scope.rs` | there |
//! | RFC 9562 §5.7, §5.8 ids | `secret.rs`, `oauth/client_identity.rs` | there |
//! | RFC 9112 §3.2 one Host | `http/edge.rs` | `tests/it/edge.rs` |
//! | RFC 8259, I-JSON (RFC 7493) bodies | `oauth/json_text.rs` | there |

pub mod actions;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod http;
pub mod metrics;
pub mod oauth;
pub mod secret;
pub mod sweeper;
pub mod telemetry;
