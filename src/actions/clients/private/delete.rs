//! Deletes a private client: its grants, secrets and API keys end, and it can never be used again.
//! Its row stays for the audit trail.

use serde_json::json;

use crate::actions::audit::{AuditActor, Change};
use crate::actions::clients::private::PrivateClientError;
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::{RevokedAccess, RevokedGrants};
use crate::actions::keys::revoked_keys::revoke_keys_of_client;
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::clients::{private, secrets};
use crate::db::grants;
use crate::db::grants::revocations;
use crate::db::orgs::org_clients;
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;
use crate::rules::webhook::event::RevocationCause;

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
                if !private::lock(tx, org_id, id).await? {
                    return Err(PrivateClientError::NoSuchClient);
                }
                private::delete(tx, id, now).await?;
                secrets::end_all(tx, id, now).await?;
                // No user can authorize it anymore.
                org_clients::lock(tx, org_id, id, now).await?;
                let ids = grants::ids::of_client(tx, org_id, id).await?;
                let ended = revocations::revoke(tx, &ids, now).await?;
                let keys = revoke_keys_of_client(tx, id, None, now).await?;
                let revoked =
                    RevokedGrants::of(context, &ended, RevocationCause::ClientDeleted, by);
                let subject = format!("client:{id}");
                let mut changes = revoked.changes();
                changes.extend(keys.changes());
                changes.push(Change {
                    org_id,
                    action: "client.deleted",
                    subject: &subject,
                    before: None,
                    after: Some(json!({"grants_ended": ended.len()})),
                });
                record_and_publish(context, tx, by, changes, &revoked.events()).await?;
                Ok(RevokedAccess::of(tx, &ended).await?)
            })
        })
        .await
}
