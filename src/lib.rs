//! Grantor, a self-hosted OAuth 2 authorization server.
//!
//! The map. The same feature words are used in every layer.
//!
//! | module | holds |
//! | --- | --- |
//! | [`serve`] | starts the server, runs its tasks and shuts it down |
//! | [`http`] | WHAT IS ANSWERED: routes, middleware, extractors, handlers, pages |
//! | [`app`], [`limits`] | the state that all requests share, and its limits |
//! | [`actions`] | WHAT IS DONE: verbs, each in one transaction |
//! | [`rules`] | WHAT IS ALLOWED: pure decisions on values |
//! | [`db`] | WHAT IS STORED: all SQL, for both engines |
//! | [`outgoing`] | the guarded HTTP client, the only one |
//! | [`delivery`] | sends webhooks: in order, signed, with the access tokens that receivers require |
//! | [`cli`] | one file or folder per command: `grantor user create` is `cli/user/create.rs` |
//! | [`diagnose`] | the commands that look for faults: `doctor`, `selftest`, `demo` |
//! | [`config`] | settings: read in layers, validated once |
//! | [`sweeper`] | removes expired rows on a timer |
//! | [`clock_sync`] | keeps the clock at the database's time |
//! | [`shutdown`] | the signal that stops every task of the server |
//! | [`metrics`], [`telemetry`] | counters, logs and traces |
//! | [`passwords`] | hashes and verifies passwords, a few at a time, on threads of their own |
//! | [`clock`], [`random`] | the only readers of time and randomness |
//! | [`sealing`], [`key_ring`] | secrets at rest, and the keys that seal them |
//! | [`signing`] | signs and verifies tokens with keys that all servers share |
//!
//! `main -> cli -> serve -> http -> app -> actions -> { rules, db, outgoing }`, `delivery` beside `http`, and `{ db, outgoing } -> rules`.
//! `tests/architecture.rs` enforces this.
//!
//! Where each feature is:
//!
//! | feature | rule | action | SQL | endpoint or command | test |
//! | --- | --- | --- | --- | --- | --- |
//! | register a client | `rules/client/registration.rs` | `actions/clients/register.rs` | `db/clients/mod.rs` | `http/oauth/register.rs` | `tests/it/oauth/register.rs` |
//! | scopes restriction | `rules/scope/scopes_restriction.rs` | `actions/clients/scopes_restriction.rs` | `db/orgs/org_clients.rs` | `http/api/scopes_restriction.rs`, `cli/restriction/mod.rs` | `tests/it/api/scopes_restriction.rs` |
//! | default restriction | `rules/scope/scopes_restriction.rs` | `actions/orgs/default_client_scopes.rs` | `db/orgs/mod.rs` | `http/api/default_scopes_restriction.rs`, `cli/org.rs` | `tests/it/api/default_scopes_restriction.rs` |
//! | sign-in | `rules/identity/password/mod.rs` | `actions/sign_in/mod.rs` | `db/users/sessions.rs` | `http/pages/login.rs` | `tests/it/pages/login.rs` |
//! | consent | `rules/authorization/consent.rs` | `actions/authorize/approve.rs` | `db/authorizations/consents.rs` | `http/pages/consent.rs`, `http/oauth/authorize/decide.rs` | `tests/it/pages/consent/mod.rs` |
//! | refresh | `rules/token/refresh.rs` | `actions/tokens/refresh.rs` | `db/families/rotations.rs` | `http/oauth/token.rs` | `tests/it/oauth/token/refresh/mod.rs` |
//! | private clients | `rules/client/private_client.rs` | `actions/clients/private/create.rs` | `db/clients/own.rs` | `http/api/oauth2_clients/mod.rs`, `cli/app/mod.rs` | `tests/it/api/oauth2_clients.rs` |
//! | client secrets | `rules/client/client_secret.rs` | `actions/clients/private/secrets.rs` | `db/clients/secrets.rs` | `http/api/oauth2_clients/secrets.rs`, `cli/app/secret.rs` | `tests/it/api/oauth2_clients.rs` |
//! | publishing clients | `rules/client/submission.rs`, `rules/client/review.rs` | `actions/clients/publishing/submit.rs` | `db/clients/versions.rs`, `db/clients/published.rs` | `http/api/oauth2_clients/versions.rs`, `http/api/oauth2_client_reviews.rs` | `tests/it/api/publishing.rs` |
//! | partners | `rules/scope/configured.rs` | `actions/partners/change_partner.rs` | `db/partners.rs` | `http/api/partners.rs` | `tests/it/api/partners.rs` |
//! | audit trail | `rules/audit/query.rs` | `actions/audit.rs` | `db/audit_events/page.rs` | `http/api/audit_events.rs` | `tests/it/api/audit_events.rs` |
//! | tiles | `rules/client/tile.rs` | `actions/authorize/next_step.rs` | `db/authorizations/connection_starts.rs` | `http/pages/connect.rs` | `tests/it/pages/connect.rs` |
//! | keys | `rules/identity/key_attributes.rs` | `actions/keys/create_api_key.rs` | `db/keys/api_keys.rs` | `http/api/api_keys.rs` | `tests/it/api/api_keys.rs` |
//! | people and roles | `rules/identity/person.rs`, `rules/identity/role_id.rs` | `actions/people/update.rs`, `actions/people/give_role.rs` | `db/orgs/people.rs` | `http/api/people/users.rs`, `http/api/people/roles.rs` | `tests/it/api/users.rs`, `tests/it/api/roles.rs` |
//! | invitations | `rules/identity/invitation_link.rs` | `actions/people/invite.rs`, `actions/people/accept.rs` | `db/orgs/invitations.rs` | `http/api/people/user_invitations.rs`, `http/pages/invitation.rs`, `cli/invite.rs` | `tests/it/api/invitations.rs`, `tests/it/pages/invitation.rs` |
//! | disabling a client | `rules/scope/standing.rs` | `actions/clients/disable_client.rs` | `db/orgs/org_clients.rs` | `http/api/org_authorized_clients.rs`, `cli/client/disable.rs` | `tests/it/cli/client/disable.rs` |
//! | revoking a grant, and its audit event | `rules/audit/catalog.rs` | `actions/grants/revoke_grant.rs`, `actions/grants/revoked_grants.rs`, `actions/audit.rs` | `db/grants/revocations.rs`, `db/audit_events/mod.rs` | `http/pages/account.rs`, `cli/grant.rs` | `tests/it/pages/account.rs`, `tests/it/actions/audit.rs` |
//! | signing-key rotation | `rules/token/signing_period.rs` | `actions/signing_keys/rotate.rs` | `db/keys/signing_keys.rs` | `cli/keys/rotate.rs`, `sweeper.rs` | `tests/it/db/keys/signing_keys.rs`, `tests/it/cli/keys/rotate.rs` |
//! | webhooks | `rules/webhook/mod.rs` | `actions/webhooks/publish_events.rs` | `db/webhooks/outbox.rs` | `http/api/webhooks.rs`, `delivery/sender.rs` | `tests/it/api/webhooks.rs`, `tests/it/delivery/deliver.rs` |
//! | sign-in limits | | `actions/sign_in/mod.rs` | `db/users/sign_in_failures.rs` | `http/middleware/sign_in_attempts.rs` | `tests/it/pages/sign_in_limits.rs` |
//! | slow request bodies | `limits/intake.rs` | | | `http/middleware/body.rs` | `tests/it/network/slow_bodies.rs` |
//! | webhook retries | `rules/webhook/delivery.rs` | | `db/webhooks/lanes.rs` | `delivery/sender.rs` | `tests/it/delivery/deliver.rs` |
//! | rate limits | `limits/rate_limit.rs` | | | `http/middleware/policy.rs`, `http/middleware/edge.rs` | `tests/it/middleware/rate_limit.rs` |
//! | transaction retry | | `actions/transact.rs` | `db/engine/transaction.rs` | | `tests/it/actions/transact.rs` |
//! | outgoing guard | `rules/syntax/address.rs` | | | `outgoing/target.rs`, `outgoing/resolver.rs` | `tests/it/outgoing.rs` |
//!
//! Where each rule of a standard is implemented and tested. *There* means in the same file:
//!
//! | standard | rule | test |
//! | --- | --- | --- |
//! | RFC 7591 §2 client metadata | `rules/client/metadata.rs`, `rules/client/registration.rs` | there, `tests/it/oauth/register.rs` |
//! | RFC 7591 §3.2.1 the response, the same client again | `rules/client/identity.rs`, `actions/clients/register.rs` | there, `tests/it/oauth/register.rs` |
//! | RFC 7591 §3.2.2, RFC 6749 §5.2 errors | `http/error/mod.rs` | `tests/it/oauth/register.rs` |
//! | RFC 6749 §2.3.1 client authentication | `actions/clients/authenticate.rs`, `http/oauth/authenticate.rs`, `http/headers/credentials.rs` | there, `tests/it/oauth/token/confidential.rs` |
//! | RFC 6749 §3.1.2, RFC 8252 §7 redirect URIs | `rules/redirect/uri.rs` | there |
//! | RFC 6749 §3.3 scope, and the scopes that a user is offered | `rules/scope/mod.rs`, `rules/scope/offered.rs` | there |
//! | RFC 6749 §3.1, §4.1.1 authorization requests | `rules/authorization/request.rs`, `http/oauth/authorize/begin.rs` | there, `tests/it/oauth/authorize/mod.rs`, `tests/it/oauth/authorize/pending.rs` |
//! | RFC 6749 §4.1.2, RFC 9207, RFC 9700 §4.11 responses, and where they may be sent | `rules/redirect/trusted.rs`, `http/oauth/authorize/respond.rs` | there, `tests/it/oauth/authorize/refusals.rs`, `tests/it/oauth/authorize/fatal.rs` |
//! | RFC 6749 §4.1.3 a code is redeemed once | `rules/token/exchange.rs`, `actions/tokens/exchange.rs`, `db/families/redemptions.rs` | `tests/it/oauth/token/mod.rs`, `tests/it/db/authorizations/codes.rs` |
//! | RFC 6749 §4.4, §2.3.1, §5 as a client: tokens for receivers of webhooks | `rules/token/answer.rs`, `actions/webhooks/fetch_access_token.rs` | there, `tests/it/actions/webhooks/fetch_access_token.rs` |
//! | RFC 6749 §5 token responses and errors | `rules/token/request.rs`, `http/oauth/token.rs`, `http/error/oauth.rs` | there, `tests/it/oauth/token/refusals.rs` |
//! | RFC 6749 §6, RFC 9700 §4.14 refreshing | `rules/token/refresh.rs`, `rules/token/refresh_token.rs`, `actions/tokens/refresh.rs`, `db/families/rotations.rs` | there, `tests/it/oauth/token/refresh/mod.rs`, `tests/it/oauth/token/refresh/races.rs` |
//! | RFC 6750 bearer tokens | `http/headers/credentials.rs`, `http/error/oauth.rs` | there, `tests/it/oauth/userinfo.rs` |
//! | RFC 7009 revocation | `actions/tokens/revoke_token.rs`, `http/oauth/revoke.rs` | `tests/it/oauth/revoke.rs` |
//! | RFC 7636 PKCE | `rules/authorization/pkce.rs` | there |
//! | RFC 7662 introspection | `actions/tokens/check.rs`, `http/oauth/introspect.rs` | `tests/it/oauth/introspect.rs` |
//! | RFC 8252 §8.6, RFC 6749 §10.2 consent, remembered or not | `rules/authorization/consent.rs`, `actions/authorize/approve.rs` | there, `tests/it/pages/consent/mod.rs`, `tests/it/journey/browser.rs` |
//! | RFC 8707 resources | `rules/authorization/resource.rs`, `actions/resources/find_resource.rs` | there, `tests/it/db/resources.rs` |
//! | RFC 9068 access tokens | `rules/token/claims.rs`, `actions/tokens/issue.rs` | there, `tests/it/oauth/token/lifetime.rs` |
//! | RFC 9700 §4.7, §4.12 forms and browsers | `http/extract/browser.rs`, `http/redirect.rs`, `http/views/answer.rs` | there, `tests/it/pages/login.rs`, `tests/it/pages/consent/mod.rs` |
//! | OpenID Connect Core 1.0 §2, §3.1, §5.3 ID token, `prompt`, `ui_locales`, user information | `rules/token/claims.rs`, `rules/authorization/next_step.rs`, `rules/authorization/language.rs`, `http/oauth/userinfo.rs` | there, `tests/it/journey/openid_client.rs` |
//! | RFC 9562 §5.7, §5.8 ids | `random.rs`, `rules/client/identity.rs` | there |
//! | Client ID Metadata Documents | `rules/client/document.rs`, `actions/clients/find/mod.rs` | there, `rules/client/known_documents.rs`, `tests/it/actions/clients/find.rs` |
//! | RFC 9111 §4.2 freshness, §4.3 validation | `rules/client/document_freshness.rs`, `actions/clients/find/documents.rs` | there, `tests/it/actions/clients/find.rs` |
//! | RFC 6890 addresses that are not public | `rules/syntax/address.rs`, `outgoing/resolver.rs` | there, `tests/it/outgoing.rs` |
//! | RFC 9112 §3.2 one Host | `http/middleware/edge.rs` | `tests/it/middleware/mod.rs` |
//! | RFC 8259, I-JSON (RFC 7493) bodies | `rules/syntax/json_text.rs` | there |
//! | RFC 8414 §2, OpenID Connect Discovery 1.0 §3 metadata | `http/oauth/discovery.rs` | `tests/it/oauth/discovery.rs` |
//! | RFC 7515 §3.1, RFC 7519, RFC 8725 signed tokens | `signing/mod.rs`, `signing/jwt.rs` | there, `tests/it/db/keys/signing_keys.rs` |
//! | Standard Webhooks signatures | `delivery/signature.rs`, `actions/webhooks/secrets.rs` | there, `tests/it/delivery/deliver.rs`, `tests/it/journey/webhooks.rs` |
//! | events once in their transaction, in order, sent at least once (decision 0016) | `db/webhooks/outbox.rs`, `db/webhooks/lanes.rs`, `db/webhooks/releases.rs`, `delivery/sender.rs`, `rules/webhook/delivery.rs` | there, `tests/it/db/webhooks/outbox.rs`, `tests/it/delivery/order.rs`, `tests/it/delivery/several_servers.rs` |
//! | RFC 5116 secrets at rest, bound to their place | `sealing.rs`, `actions/sealing_keys/re_encrypt.rs` | there, `tests/it/db/keys/sealed.rs` |
//! | RFC 7517, RFC 7638 keys | `rules/token/jwk.rs` | there, `tests/it/oauth/jwks.rs` |

// The futures of handlers contain those of extractors, actions and queries, which nest deeper than
// the default allows when the compiler lays them out.
#![recursion_limit = "256"]

pub mod actions;
pub mod app;
pub mod cli;
pub mod clock;
pub mod clock_sync;
pub mod config;
pub mod db;
pub mod delivery;
pub mod diagnose;
pub mod http;
pub mod key_ring;
pub mod limits;
pub mod metrics;
pub mod outgoing;
pub mod passwords;
pub mod random;
pub mod sealing;
pub mod serve;
pub mod shutdown;
pub mod signing;
pub mod sweeper;
pub mod telemetry;

pub use grantor_rules as rules;
