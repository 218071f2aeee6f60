//! The secrets of a private or published client. A new secret replaces the one before it, at once or after a
//! time in which both work. Tokens and grants stay.

use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::clients::own_client_changes::{OwnClientChange, record_step};
use crate::actions::clients::private::PrivateClientError;
use crate::actions::context::Context;
use crate::db::clients::own::OwnClient;
use crate::db::clients::secrets::{ClientSecret, NewSecret};
use crate::db::clients::{own, secrets};
use crate::db::engine::transaction::Tx;
use crate::rules::client::ClientId;
use crate::rules::client::state::ClientState;
use crate::rules::id::{OrgId, SecretId};
use crate::rules::secret::Secret;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::lifecycle::ClientStep;

/// A secret that was just made. It is shown once.
#[derive(Debug)]
pub struct MadeSecret {
    pub secret: Secret,
    pub stored: ClientSecret,
    /// The secret before it, if it still works for a while.
    pub previous: Option<ClientSecret>,
}

/// Makes the first secret.
pub async fn generate_secret(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &AuditActor,
) -> Result<MadeSecret, PrivateClientError> {
    make(context, Making { org_id, client_id, kind: Kind::First }, by).await
}

/// Replaces the current secret, which works until `overlap_until`. Without it, the current secret
/// ends at once. A secret that was already replaced ends in any case.
pub async fn regenerate_secret(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    overlap_until: Option<Timestamp>,
    by: &AuditActor,
) -> Result<MadeSecret, PrivateClientError> {
    make(context, Making { org_id, client_id, kind: Kind::Next { overlap_until } }, by).await
}

struct Making {
    org_id: OrgId,
    client_id: ClientId,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    First,
    Next { overlap_until: Option<Timestamp> },
}

async fn make(
    context: &Context,
    making: Making,
    by: &AuditActor,
) -> Result<MadeSecret, PrivateClientError> {
    let secret = context.random.client_secret();
    let new = NewSecret {
        id: SecretId(context.new_id()),
        client_id: making.client_id,
        digest: secret.digest(),
        last_four: secret.last_four(),
        created_by: by.actor.user_id(),
        created_at: context.clock.now(),
    };
    let (making, new) = (&making, &new);
    let previous = context
        .transact("client_secret.make", |tx| Box::pin(make_in(context, tx, making, new, by)))
        .await?;
    let stored = ClientSecret {
        id: new.id,
        client_id: new.client_id,
        last_four: new.last_four.clone(),
        created_at: new.created_at,
        expires_at: None,
        last_used_at: None,
    };
    Ok(MadeSecret { secret, stored, previous })
}

async fn make_in(
    context: &Context,
    tx: &mut Tx,
    making: &Making,
    new: &NewSecret,
    by: &AuditActor,
) -> Result<Option<ClientSecret>, PrivateClientError> {
    let (org_id, client_id, now) = (making.org_id, making.client_id, new.created_at);
    let client = lock(tx, org_id, client_id).await?;
    let live = secrets::list_live(&mut *tx, &[client_id], now).await?;
    let current = live.iter().find(|secret| secret.expires_at.is_none());
    let overlap_until = match (making.kind, current) {
        (Kind::First, Some(_)) => return Err(PrivateClientError::HasSecret),
        (Kind::Next { .. }, None) => return Err(PrivateClientError::HasNoSecret),
        (Kind::First, None) => None,
        (Kind::Next { overlap_until }, Some(_)) => overlap_until,
    };
    let mut previous = None;
    for secret in &live {
        match overlap_until.filter(|_| secret.expires_at.is_none()) {
            Some(until) => {
                secrets::set_expiry(tx, secret.id, until).await?;
                previous = Some(ClientSecret { expires_at: Some(until), ..secret.clone() });
            }
            None => secrets::end(tx, secret.id, now).await?,
        }
    }
    secrets::insert(tx, new).await?;
    let mut after = json!({"secret_id": new.id, "last_four": new.last_four});
    let step = match making.kind {
        Kind::First => ClientStep::SecretGenerated,
        Kind::Next { .. } => {
            let end = previous.as_ref().and_then(|previous| previous.expires_at).unwrap_or(now);
            after["previous_ends_at"] = json!(end);
            ClientStep::SecretRegenerated
        }
    };
    let name = client.metadata.client_name().as_str();
    let change = OwnClientChange { org_id, client_id, name, step, before: None, after };
    record_step(context, tx, by, change).await?;
    Ok(previous)
}

/// Ends the previous secret before its time.
pub async fn end_previous_secret(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    id: SecretId,
    by: &AuditActor,
) -> Result<(), PrivateClientError> {
    context
        .transact("client_secret.end", |tx| {
            Box::pin(async move {
                let now = context.clock.now();
                let client = lock(tx, org_id, client_id).await?;
                let live = secrets::list_live(&mut *tx, &[client_id], now).await?;
                let secret = live
                    .iter()
                    .find(|secret| secret.id == id)
                    .ok_or(PrivateClientError::NoSuchSecret)?;
                if secret.expires_at.is_none() {
                    return Err(PrivateClientError::CurrentSecret);
                }
                secrets::end(tx, id, now).await?;
                let change = OwnClientChange {
                    org_id,
                    client_id,
                    name: client.metadata.client_name().as_str(),
                    step: ClientStep::SecretEnded,
                    before: None,
                    after: json!({"secret_id": id, "last_four": secret.last_four}),
                };
                Ok(record_step(context, tx, by, change).await?)
            })
        })
        .await
}

/// Locks a client that can have secrets.
async fn lock(
    tx: &mut Tx,
    org_id: OrgId,
    client_id: ClientId,
) -> Result<OwnClient, PrivateClientError> {
    if !own::lock(tx, org_id, client_id).await? {
        return Err(PrivateClientError::NoSuchClient);
    }
    let client = own::find(&mut *tx, org_id, client_id).await?;
    match client.ok_or(PrivateClientError::NoSuchClient)? {
        client if client.state == ClientState::Retired => Err(PrivateClientError::Retired),
        client => Ok(client),
    }
}
