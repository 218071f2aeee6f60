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
//! | [`outgoing`] | the guarded HTTP client, the only one |
//! | [`sample_resource`] | what `grantor demo` protects |
//! | [`webhook`] | sends events to their receivers, in order and signed, with the access tokens that they want |
//! | [`sweeper`] | removes what has expired, on a timer |
//! | [`timekeeper`] | keeps the clock at the database's time |
//! | [`stop`] | the word that the server stops |
//! | [`cli`] | one file per command |
//! | [`config`] | settings: read in layers, checked once |
//! | [`fair_pool`] | places and bytes that networks share fairly |
//! | [`metrics`], [`telemetry`] | what is counted, logged and exported |
//! | [`passwords`] | hashed and checked apart from the threads that serve, so many at once |
//! | [`clock`], [`secret`] | the only readers of the time and of randomness |
//! | [`sealing`], [`key_ring`] | secrets at rest, and the keys that seal them |
//! | [`signing`] | tokens: signed and checked, with keys that all servers share |
//!
//! `main -> cli -> app -> http -> actions -> { oauth, db, outgoing }`, `webhook` beside `http`, and `{ db, outgoing } -> oauth`.
//! `tests/architecture.rs` holds the code to it.
//!
//! Where a rule of a standard lives and what proves it:
//!
//! | standard | rule | test |
//! | --- | --- | --- |
//! | RFC 7591 §2 client metadata | `oauth/client_metadata.rs`, `oauth/registration_rules.rs` | there, `tests/it/oauth/register.rs` |
//! | RFC 7591 §3.2.1 the answer, the same client again | `oauth/client_identity.rs`, `actions/register_client.rs` | there, `tests/it/oauth/register.rs` |
//! | RFC 7591 §3.2.2, RFC 6749 §5.2 errors | `http/error.rs` | `tests/it/oauth/register.rs` |
//! | RFC 6749 §3.1.2, RFC 8252 §7 redirect URIs | `oauth/redirect_uri.rs` | there |
//! | RFC 6749 §3.3 scope, what is offered of it | `oauth/scope.rs`, `oauth/offered_scopes.rs` | there |
//! | RFC 6749 §3.1, §4.1.1 authorization requests | `oauth/authorization_request.rs`, `http/oauth/authorize.rs` | there, `tests/it/oauth/authorize.rs`, `tests/it/oauth/authorize_pending.rs` |
//! | RFC 6749 §4.1.2, RFC 9207, RFC 9700 §4.11 answers and where they may go | `oauth/trusted_redirect.rs`, `http/pending.rs` | there, `tests/it/oauth/authorize_refusals.rs`, `tests/it/oauth/authorize_fatal.rs` |
//! | RFC 6749 §4.1.3 a code, once | `oauth/exchange_rule.rs`, `actions/exchange_code.rs`, `db/beginnings.rs` | `tests/it/oauth/token.rs`, `tests/it/db/authorization_codes.rs` |
//! | RFC 6749 §4.4, §2.3.1, §5 as a client: tokens for receivers of webhooks | `oauth/token_answer.rs`, `actions/fetch_access_token.rs` | there, `tests/it/actions/fetch_access_token.rs` |
//! | RFC 6749 §5 token answers and errors | `oauth/token_request.rs`, `http/oauth/token.rs`, `http/error/token.rs` | there, `tests/it/oauth/token_refusals.rs` |
//! | RFC 6749 §6, RFC 9700 §4.14 refreshing | `oauth/refresh_rule.rs`, `oauth/refresh_token.rs`, `actions/refresh_tokens.rs`, `db/rotations.rs` | there, `tests/it/oauth/refresh.rs`, `tests/it/oauth/refresh_races.rs` |
//! | RFC 6750 bearer tokens | `http/extract/basic.rs`, `http/error/token.rs` | there, `tests/it/oauth/userinfo.rs` |
//! | RFC 7009 revocation | `actions/revoke_token.rs`, `http/oauth/revoke.rs` | `tests/it/oauth/revoke.rs` |
//! | RFC 7636 PKCE | `oauth/pkce.rs` | there |
//! | RFC 7662 introspection | `actions/check_token.rs`, `http/oauth/introspect.rs` | `tests/it/oauth/introspect.rs` |
//! | RFC 8252 §8.6, RFC 6749 §10.2 consent, remembered or not | `oauth/consent.rs`, `actions/approve_request.rs` | there, `tests/it/pages/consent.rs`, `tests/it/journey/browser.rs` |
//! | RFC 8707 resources | `oauth/resource.rs`, `actions/find_resource.rs` | there, `tests/it/db/resources.rs` |
//! | RFC 9068 access tokens | `oauth/claims.rs`, `actions/issue_tokens.rs` | there, `tests/it/oauth/life_of_tokens.rs` |
//! | RFC 9700 §4.7, §4.12 forms and browsers | `http/browser.rs`, `http/views/answer.rs` | there, `tests/it/pages/login.rs`, `tests/it/pages/consent.rs` |
//! | OpenID Connect Core 1.0 §2, §3.1, §5.3 ID token, `prompt`, `ui_locales`, user information | `oauth/claims.rs`, `oauth/language.rs`, `http/pending.rs`, `http/oauth/userinfo.rs` | there, `tests/it/journey/openid_client.rs` |
//! | RFC 9562 §5.7, §5.8 ids | `secret.rs`, `oauth/client_identity.rs` | there |
//! | Client ID Metadata Documents | `oauth/client_document.rs`, `actions/find_client.rs` | there, `oauth/known_documents.rs`, `tests/it/actions/find_client.rs` |
//! | RFC 9111 §4.2 freshness, §4.3 validation | `oauth/document_freshness.rs`, `actions/find_client/documents.rs` | there, `tests/it/actions/find_client.rs` |
//! | RFC 6890 addresses that are not public | `oauth/address.rs`, `outgoing/resolver.rs` | there, `tests/it/outgoing.rs` |
//! | RFC 9112 §3.2 one Host | `http/edge.rs` | `tests/it/edge.rs` |
//! | RFC 8259, I-JSON (RFC 7493) bodies | `oauth/json_text.rs` | there |
//! | RFC 8414 §2, OpenID Connect Discovery 1.0 §3 metadata | `http/oauth/discovery.rs` | `tests/it/oauth/discovery.rs` |
//! | RFC 7515 §3.1, RFC 7519, RFC 8725 signed tokens | `signing.rs`, `signing/jwt.rs` | there, `tests/it/db/signing_keys.rs` |
//! | Standard Webhooks signatures | `webhook/signature.rs`, `actions/webhook_secrets.rs` | there, `tests/it/webhook/deliver.rs`, `tests/it/journey/webhooks.rs` |
//! | events once in their transaction, in order, sent at least once (decision 0016) | `db/outbox.rs`, `db/lanes.rs`, `webhook/sender.rs`, `oauth/delivery.rs` | there, `tests/it/db/outbox.rs`, `tests/it/webhook/order.rs`, `tests/it/webhook/several_servers.rs` |
//! | RFC 5116 secrets at rest, bound to their place | `sealing.rs`, `actions/reseal.rs` | there, `tests/it/db/sealed.rs` |
//! | RFC 7517, RFC 7638 keys | `oauth/jwk.rs` | there, `tests/it/oauth/jwks.rs` |

pub mod actions;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod fair_pool;
pub mod http;
pub mod key_ring;
pub mod metrics;
pub mod oauth;
pub mod outgoing;
pub mod passwords;
pub mod sample_resource;
pub mod sealing;
pub mod secret;
pub mod signing;
pub mod stop;
pub mod sweeper;
pub mod telemetry;
pub mod timekeeper;
pub mod webhook;
