//! API keys and application keys.

pub mod create_api_key;
pub mod create_application_key;
pub mod create_key;
pub mod create_marketplace_key;
pub mod revoke_key;
pub mod revoked_keys;
pub mod update_api_key;
pub mod update_application_key;

use crate::db::engine::error::DbError;

/// Errors of callers who manage keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("API key not found")]
    NoSuchApiKey,
    #[error("Application key not found")]
    NoSuchApplicationKey,
    #[error("this organization already has {0} API keys, the maximum: delete one that is not used")]
    TooManyApiKeys(u64),
    #[error("you already have {0} application keys, the maximum: delete one that is not used")]
    TooManyApplicationKeys(u64),
    #[error("nothing would change")]
    NothingChanges,
    #[error(
        "this organization has an API key of this client already: revoke it before another is made"
    )]
    ClientHasKey,
    /// The caller lost access during the request.
    #[error("the access of the caller has ended")]
    AccessEnded,
    #[error(transparent)]
    Db(#[from] DbError),
}
