//! Revokes a grant with all its tokens, on request of its user, of an API caller, or of the operator
//! of this server.

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::{RevokedAccess, RevokedGrants};
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::error::DbError;
use crate::db::families::last_tokens;
use crate::db::grants;
use crate::db::grants::Grant;
use crate::db::grants::revocations;
use crate::db::orgs::org_clients;
use crate::rules::id::GrantId;
use crate::rules::webhook::event::RevocationCause;

#[derive(Debug, thiserror::Error)]
pub enum RevokeGrantError {
    #[error("there is no such grant; `grantor grant list` lists all grants")]
    NoSuchGrant,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Revokes one grant if `is_own` accepts it as the caller's own. Revoking it twice is fine.
pub async fn revoke_grant(
    context: &Context,
    id: GrantId,
    is_own: impl Fn(&Grant) -> bool,
    by: &AuditActor,
) -> Result<RevokedAccess, RevokeGrantError> {
    let found = grants::find_by_id(&context.db, id).await?;
    let grant = &found.filter(is_own).ok_or(RevokeGrantError::NoSuchGrant)?;
    context
        .transact("grant.revoke", |tx| {
            Box::pin(async move {
                org_clients::lock(tx, grant.org_id, grant.client_id, context.clock.now()).await?;
                let is_active = grants::find_by_id(&mut *tx, grant.id)
                    .await?
                    .is_some_and(|grant| grant.revoked_at.is_none());
                if is_active {
                    let ended = revocations::revoke(tx, &[grant.id], context.clock.now()).await?;
                    let revoked = RevokedGrants::of(context, &ended, RevocationCause::Revoked, by);
                    record_and_publish(context, tx, by, revoked.changes(), &revoked.events())
                        .await?;
                }
                let last_token_ends_at = last_tokens::latest_end(&mut *tx, &[grant.id]).await?;
                Ok(RevokedAccess { grants: usize::from(is_active), last_token_ends_at })
            })
        })
        .await
}
