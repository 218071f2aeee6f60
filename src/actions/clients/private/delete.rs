//! Deletes a private client: its grants, secrets and API keys end, and it can never be used again.
//! Its row stays for the audit trail.

use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::clients::own_client_changes::{Consequences, OwnClientChange, record_steps};
use crate::actions::clients::private::PrivateClientError;
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::{RevokedAccess, RevokedGrants};
use crate::actions::keys::revoked_keys::revoke_keys_of_client;
use crate::db::clients::own::OwnClient;
use crate::db::clients::{own, secrets};
use crate::db::engine::transaction::Tx;
use crate::db::grants;
use crate::db::grants::revocations;
use crate::db::orgs::org_clients;
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::id::OrgId;
use crate::rules::webhook::event::RevocationCause;
use crate::rules::webhook::event::lifecycle::ClientStep;

pub async fn delete_private_client(
    context: &Context,
    org_id: OrgId,
    id: ClientId,
    by: &AuditActor,
) -> Result<RevokedAccess, PrivateClientError> {
    context
        .transact("private_client.delete", |tx| {
            Box::pin(async move {
                let now = context.clock.now();
                if !own::lock(tx, org_id, id).await? {
                    return Err(PrivateClientError::NoSuchClient);
                }
                let client = own::find(&mut *tx, org_id, id)
                    .await?
                    .ok_or(PrivateClientError::NoSuchClient)?;
                check_unused(tx, &client).await?;
                own::delete(tx, id, now).await?;
                secrets::end_all(tx, id, now).await?;
                // No user can authorize it anymore.
                org_clients::lock(tx, org_id, id, now).await?;
                let ids = grants::ids::of_client(tx, org_id, id).await?;
                let ended = revocations::revoke(tx, &ids, now).await?;
                let keys = revoke_keys_of_client(tx, id, None, now).await?;
                let revoked =
                    RevokedGrants::of(context, &ended, RevocationCause::ClientDeleted, by);
                let mut changes = revoked.changes();
                changes.extend(keys.changes());
                let change = OwnClientChange {
                    org_id,
                    client_id: id,
                    name: client.metadata.client_name().as_str(),
                    step: ClientStep::Deleted,
                    before: None,
                    after: json!({"grants_ended": ended.len()}),
                };
                let consequences = Consequences { changes, events: revoked.events() };
                record_steps(context, tx, by, &[change], consequences).await?;
                Ok(RevokedAccess::of(tx, &ended).await?)
            })
        })
        .await
}

/// The private client of a published one in use stays, since the next version is made of it.
async fn check_unused(tx: &mut Tx, client: &OwnClient) -> Result<(), PrivateClientError> {
    if client.kind == ClientKind::Published {
        return Err(PrivateClientError::IsPublished(client.pair.private));
    }
    let Some(published) = client.pair.published else { return Ok(()) };
    match own::find(&mut *tx, client.org_id, published).await? {
        Some(published) if published.state.is_in_use() => {
            Err(PrivateClientError::PublishedInUse(published.id))
        }
        _ => Ok(()),
    }
}
