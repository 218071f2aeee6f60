//! Retires a published client: its grants end in every organization, and it can never be used
//! again.

use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::clients::own_client_changes::{Consequences, OwnClientChange, record_steps};
use crate::actions::clients::publishing::PublishingError;
use crate::actions::context::Context;
use crate::actions::grants::revoked_grants::{RevokedAccess, RevokedGrants};
use crate::actions::keys::revoked_keys::revoke_keys_of_client;
use crate::db::clients::versions::VersionDecision;
use crate::db::clients::{own, published, secrets, versions};
use crate::db::engine::transaction::Tx;
use crate::db::grants;
use crate::db::grants::revocations;
use crate::db::orgs::org_clients;
use crate::rules::client::ClientId;
use crate::rules::client::state::ClientState;
use crate::rules::client::version::VersionState;
use crate::rules::id::OrgId;
use crate::rules::webhook::event::RevocationCause;
use crate::rules::webhook::event::lifecycle::ClientStep;

pub async fn retire_published_client(
    context: &Context,
    org_id: OrgId,
    id: ClientId,
    by: &AuditActor,
) -> Result<RevokedAccess, PublishingError> {
    context
        .transact("published_client.retire", |tx| Box::pin(retire_in(context, tx, org_id, id, by)))
        .await
}

async fn retire_in(
    context: &Context,
    tx: &mut Tx,
    org_id: OrgId,
    id: ClientId,
    by: &AuditActor,
) -> Result<RevokedAccess, PublishingError> {
    let now = context.clock.now();
    if !own::lock(tx, org_id, id).await? {
        return Err(PublishingError::NoSuchClient);
    }
    let client = own::find(&mut *tx, org_id, id).await?.ok_or(PublishingError::NoSuchClient)?;
    if client.state == ClientState::Retired {
        return Err(PublishingError::Retired);
    }
    published::retire(tx, id, now).await?;
    secrets::end_all(tx, id, now).await?;
    versions::end_published(tx, client.pair.private, VersionState::Retired).await?;
    if let Some(open) = client.pair.open_version {
        let state = VersionState::Withdrawn;
        let decision = VersionDecision { state, by: by.actor.user_id(), at: now, note: None };
        versions::decide(tx, open, decision).await?;
    }
    // Users cannot authorize it anymore, in any organization.
    org_clients::lock_all_of_client(tx, id).await?;
    let ids = grants::ids::of_client_everywhere(tx, id).await?;
    let ended = revocations::revoke(tx, &ids, now).await?;
    let keys = revoke_keys_of_client(tx, id, None, now).await?;
    let revoked = RevokedGrants::of(context, &ended, RevocationCause::ClientRetired, by);
    let mut changes = revoked.changes();
    changes.extend(keys.changes());
    let change = OwnClientChange {
        org_id,
        client_id: id,
        name: client.metadata.client_name().as_str(),
        step: ClientStep::Retired,
        before: None,
        after: json!({"grants_ended": ended.len()}),
    };
    let consequences = Consequences { changes, events: revoked.events() };
    record_steps(context, tx, by, &[change], consequences).await?;
    Ok(RevokedAccess::of(tx, &ended).await?)
}
