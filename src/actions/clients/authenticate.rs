//! Authenticates a client at the token, revocation and introspection endpoints (RFC 6749 section
//! 2.3.1). No other code does.
//!
//! A secret is found by its digest, so the time of the search reveals nothing about its characters,
//! and an unknown client costs the same search. It is read each time, so that a replaced secret
//! stops working on every server at once.

use crate::actions::context::Context;
use crate::db::clients::{Client, secrets};
use crate::db::engine::error::DbError;
use crate::rules::secret::Secret;

#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// A confidential client sent no secret, or one that does not work.
    #[error("client authentication failed")]
    Failed,
    /// A client without a secret sent one in the `Authorization` header.
    #[error("this client has no secret")]
    Public,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Checks the readings of the secret that was sent. A public client may send one in the body, which
/// is ignored, because it can never become a credential.
pub async fn authenticate(
    context: &Context,
    client: &Client,
    sent: &[Secret],
    by_header: bool,
) -> Result<(), AuthenticateError> {
    if !client.kind.is_confidential() {
        let is_refused = by_header && !sent.is_empty();
        return if is_refused { Err(AuthenticateError::Public) } else { Ok(()) };
    }
    if !client.state.is_usable() {
        return Err(AuthenticateError::Failed);
    }
    let now = context.clock.now();
    for secret in sent {
        let found = secrets::find_live(&context.db, secret.digest(), now).await?;
        if let Some((_, id)) = found.filter(|(client_id, _)| *client_id == client.id) {
            secrets::note_use(&context.db, id, now).await?;
            return Ok(());
        }
    }
    Err(AuthenticateError::Failed)
}
