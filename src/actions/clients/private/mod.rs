//! Private clients of an organization: creates, changes and deletes them, and manages their secrets.

pub mod create;
pub mod delete;
pub mod secrets;
pub mod update;

use serde_json::{Value, json};

use crate::db::clients::own::OwnClient;
use crate::db::engine::error::DbError;
use crate::rules::client::ClientId;
use crate::rules::redirect::uri::RedirectUri;

#[derive(Debug, thiserror::Error)]
pub enum PrivateClientError {
    #[error("this organization has no client with this id")]
    NoSuchClient,
    #[error("this organization already has {0} clients, the maximum: delete one that is not used")]
    TooMany(u64),
    #[error(
        "a published client cannot be edited: change the private one, {0}, and submit it again"
    )]
    IsPublished(ClientId),
    #[error("its published client, {0}, is in use: retire it first")]
    PublishedInUse(ClientId),
    #[error("this client was retired")]
    Retired,
    #[error("nothing would change")]
    NothingChanges,
    #[error("this client has a secret already: regenerate it")]
    HasSecret,
    #[error("this client has no secret yet: create one")]
    HasNoSecret,
    #[error("this client has no such secret")]
    NoSuchSecret,
    #[error("this is the current secret: regenerate it instead")]
    CurrentSecret,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The client in the audit trail.
pub(super) fn recorded(client: &OwnClient) -> Value {
    let redirect_uris: Vec<&str> =
        client.metadata.redirect_uris().iter().map(RedirectUri::as_str).collect();
    json!({
        "name": client.metadata.client_name(),
        "redirect_uris": redirect_uris,
        "onboarding_url": client.onboarding_url,
        "description": client.description,
        "scopes": client.metadata.scope().names().collect::<Vec<_>>(),
    })
}
