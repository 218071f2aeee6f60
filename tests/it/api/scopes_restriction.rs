//! `/api/v2/oauth2/clients/{client_uuid}/scopes_restriction`.

mod body;
mod concurrency;
mod dry_run;
mod enforced;
mod history;
mod lift;
mod narrowing;
mod organizations;
mod required;
mod show;
mod upsert;
