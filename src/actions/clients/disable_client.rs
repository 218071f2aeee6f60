//! Disables a client in an organization, or enables it again.

use serde_json::json;

use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::{RevokedAccess, RevokedGrants};
use crate::actions::keys::revoked_keys::{RevokedClientKeys, revoke_keys_of_client};
use crate::actions::webhooks::publish_events::record_and_publish;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::grants::revocations;
use crate::db::orgs::org_clients;
use crate::db::{clients, grants};
use crate::rules::client::ClientId;
use crate::rules::client::disabled_reason::{DisabledReason, Disabling};
use crate::rules::id::OrgId;
use crate::rules::webhook::event::RevocationCause;

#[derive(Debug, thiserror::Error)]
pub enum DisableClientError {
    #[error("there is no such client; `grantor client list` lists all clients")]
    NoSuchClient,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Disables a client in an organization: all its grants and its API key are revoked, and users
/// cannot authorize it. They see the reason. Servers cache keys and refuse them within five seconds.
pub async fn disable_client(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    reason: Option<DisabledReason>,
    by: &AuditActor,
) -> Result<RevokedAccess, DisableClientError> {
    set_disabling(context, Wanted { org_id, client_id, disabling: Disabling::disabled(reason) }, by)
        .await
}

/// Lets users authorize the client again. Revoked grants stay revoked.
pub async fn enable_client(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &AuditActor,
) -> Result<(), DisableClientError> {
    let disabling = Disabling::ENABLED;
    set_disabling(context, Wanted { org_id, client_id, disabling }, by).await.map(drop)
}

/// The state that a client shall have in an organization.
struct Wanted {
    org_id: OrgId,
    client_id: ClientId,
    disabling: Disabling,
}

async fn set_disabling(
    context: &Context,
    wanted: Wanted,
    by: &AuditActor,
) -> Result<RevokedAccess, DisableClientError> {
    let wanted = &wanted;
    context
        .transact("client.set_disabled", |tx| Box::pin(set_disabling_in(context, tx, wanted, by)))
        .await
}

async fn set_disabling_in(
    context: &Context,
    tx: &mut Tx,
    wanted: &Wanted,
    by: &AuditActor,
) -> Result<RevokedAccess, DisableClientError> {
    let Wanted { org_id, client_id, disabling } = wanted;
    let (org_id, client_id) = (*org_id, *client_id);
    let now = context.clock.now();
    match org_clients::lock(tx, org_id, client_id, now).await {
        Err(DbError::Reference) => return Err(DisableClientError::NoSuchClient),
        outcome => drop(outcome?),
    }
    let before = org_clients::find(&mut *tx, org_id, client_id).await?.unwrap_or_default();
    let Some(new) = before.disabling().changed_to(disabling) else {
        return Ok(RevokedAccess::of(tx, &[]).await?);
    };
    org_clients::set_disabling(tx, org_id, client_id, &new, now).await?;
    clients::adopt(&mut *tx, client_id, now).await?;
    let (mut ended, mut keys) = (Vec::new(), None);
    if new.is_disabled {
        let ids = grants::ids::of_client(tx, org_id, client_id).await?;
        ended = revocations::revoke(tx, &ids, now).await?;
        keys = Some(revoke_keys_of_client(tx, client_id, Some(org_id), now).await?);
    }
    let subject = format!("client:{client_id}");
    let action = if new.is_disabled { "client.disabled" } else { "client.enabled" };
    let mut after = json!({"disabled": new.is_disabled, "grants_ended": ended.len()});
    if let Some(reason) = &new.reason {
        after["reason"] = json!(reason);
    }
    let revoked = RevokedGrants::of(context, &ended, RevocationCause::ClientDisabled, by);
    let mut changes = revoked.changes();
    changes.extend(keys.iter().flat_map(RevokedClientKeys::changes));
    changes.push(Change { org_id, action, subject: &subject, before: None, after: Some(after) });
    record_and_publish(context, tx, by, changes, &revoked.events()).await?;
    Ok(RevokedAccess::of(tx, &ended).await?)
}
