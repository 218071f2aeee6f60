//! Disables a client in an organization, or enables it again.

use serde_json::json;

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::{RevokedAccess, RevokedGrants};
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::error::DbError;
use crate::db::grants::revocations;
use crate::db::orgs::org_clients;
use crate::db::{clients, grants};
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;
use crate::rules::webhook::event::RevocationCause;

#[derive(Debug, thiserror::Error)]
pub enum DisableClientError {
    #[error("there is no such client; `grantor client list` lists all clients")]
    NoSuchClient,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Disables a client in an organization: all its grants are revoked, and users cannot authorize it.
pub async fn disable_client(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &AuditActor,
) -> Result<RevokedAccess, DisableClientError> {
    set_disabled(context, org_id, client_id, true, by).await
}

/// Lets users authorize the client again. Revoked grants stay revoked.
pub async fn enable_client(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &AuditActor,
) -> Result<(), DisableClientError> {
    set_disabled(context, org_id, client_id, false, by).await.map(drop)
}

async fn set_disabled(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    disabled: bool,
    by: &AuditActor,
) -> Result<RevokedAccess, DisableClientError> {
    context
        .transact("client.set_disabled", |tx| {
            Box::pin(async move {
                let now = context.clock.now();
                match org_clients::lock(tx, org_id, client_id, now).await {
                    Err(DbError::Reference) => return Err(DisableClientError::NoSuchClient),
                    outcome => drop(outcome?),
                }
                let mut ended = Vec::new();
                if org_clients::set_disabled(tx, org_id, client_id, disabled.then_some(now)).await?
                {
                    clients::adopt(&mut *tx, client_id, now).await?;
                    if disabled {
                        let ids = grants::ids::of_client(tx, org_id, client_id).await?;
                        ended = revocations::revoke(tx, &ids, now).await?;
                    }
                    let subject = format!("client:{client_id}");
                    let action = if disabled { "client.disabled" } else { "client.enabled" };
                    let after = Some(json!({"disabled": disabled, "grants_ended": ended.len()}));
                    let revoked =
                        RevokedGrants::of(context, &ended, RevocationCause::ClientDisabled, by);
                    let mut changes = revoked.changes();
                    changes.push(Change { org_id, action, subject: &subject, before: None, after });
                    record_and_publish(context, tx, by, changes, &revoked.events()).await?;
                }
                Ok(RevokedAccess::of(tx, &ended).await?)
            })
        })
        .await
}
