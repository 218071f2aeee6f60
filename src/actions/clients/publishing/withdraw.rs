//! Withdraws a version from review.

use crate::actions::audit::AuditActor;
use crate::actions::clients::own_client_changes::{OwnClientChange, record_step};
use crate::actions::clients::publishing::{PublishingError, recorded};
use crate::actions::context::Context;
use crate::db::clients::versions::{Version, VersionDecision};
use crate::db::clients::{own, versions};
use crate::rules::client::ClientId;
use crate::rules::client::version::VersionState;
use crate::rules::id::OrgId;
use crate::rules::webhook::event::lifecycle::ClientStep;

/// `client_id` is the private client or the published one.
pub async fn withdraw_version(
    context: &Context,
    org_id: OrgId,
    client_id: ClientId,
    by: &AuditActor,
) -> Result<Version, PublishingError> {
    context
        .transact("client_version.withdraw", |tx| {
            Box::pin(async move {
                if !own::lock(tx, org_id, client_id).await? {
                    return Err(PublishingError::NoSuchClient);
                }
                let client = own::find(&mut *tx, org_id, client_id)
                    .await?
                    .ok_or(PublishingError::NoSuchClient)?;
                let private = client.pair.private;
                let version = versions::find_in_state(&mut *tx, private, VersionState::Submitted)
                    .await?
                    .ok_or(PublishingError::NothingSubmitted)?;
                let at = context.clock.now();
                let state = VersionState::Withdrawn;
                let decision = VersionDecision { state, by: by.actor.user_id(), at, note: None };
                versions::decide(tx, version.id, decision).await?;
                let change = OwnClientChange {
                    org_id,
                    client_id: private,
                    name: &version.snapshot.name,
                    step: ClientStep::Withdrawn,
                    before: None,
                    after: recorded(&version),
                };
                record_step(context, tx, by, change).await?;
                Ok(Version { state, decided_at: Some(at), ..version })
            })
        })
        .await
}
