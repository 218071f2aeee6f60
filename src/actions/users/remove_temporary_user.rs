//! Removes a user and all their data. Only temporary users, such as those of a self-test, are
//! removed. Real users are disabled instead, so that the audit trail can still name them.

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::RevokedGrants;
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::error::DbError;
use crate::db::grants::revocations;
use crate::db::orgs::org_clients;
use crate::db::{clients, grants, users};
use crate::rules::client::ClientId;
use crate::rules::id::{OrgId, UserId};
use crate::rules::webhook::event::RevocationCause;

/// Also removes the organization's row for `client_id`, unless an operator changed that row.
pub async fn remove_temporary_user(
    context: &Context,
    org_id: OrgId,
    user_id: UserId,
    client_id: Option<ClientId>,
    by: &AuditActor,
) -> Result<(), DbError> {
    remove(context, org_id, user_id, by).await?;
    match client_id {
        Some(client_id) => forget(context, org_id, client_id).await,
        None => Ok(()),
    }
}

async fn remove(
    context: &Context,
    org_id: OrgId,
    user_id: UserId,
    by: &AuditActor,
) -> Result<(), DbError> {
    context
        .transact("user.remove", |tx| {
            Box::pin(async move {
                // The lock keeps the user from granting anything else.
                users::lock_enabled(tx, user_id).await?;
                let ids = grants::ids::of_user(tx, user_id, None).await?;
                let ended = revocations::revoke(tx, &ids, context.clock.now()).await?;
                users::delete(tx, user_id).await?;
                let subject = format!("user:{user_id}");
                let change = Change {
                    org_id,
                    action: "user.removed",
                    subject: &subject,
                    before: None,
                    after: None,
                };
                let events = RevokedGrants::of(context, &ended, RevocationCause::UserRemoved, by);
                record_and_publish(context, tx, by, vec![change], &events.events()).await
            })
        })
        .await
}

/// Keeps the client if another user or organization began to use it in the meantime.
async fn forget(context: &Context, org_id: OrgId, client_id: ClientId) -> Result<(), DbError> {
    match org_clients::delete_undecided(&context.db, org_id, client_id).await {
        Ok(false) | Err(DbError::Reference) => Ok(()),
        Ok(true) => clients::abandon(&context.db, client_id).await,
        Err(error) => Err(error),
    }
}
