//! `/api/v2/oauth2/clients/{client_uuid}/scopes_restriction`.

mod body;
mod concurrency;
mod dry_run;
mod history;
mod lift;
mod organisations;
mod required;
mod show;
mod upsert;
