//! A reviewer approves or rejects a submitted version. What is published is the snapshot that was
//! shown, not the private client as it is now.

use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::clients::own_client_changes::{OwnClientChange, record_step};
use crate::actions::clients::publishing::submit::not_approved;
use crate::actions::clients::publishing::{PublishingError, recorded};
use crate::actions::context::Context;
use crate::db::clients::versions::{Version, VersionDecision};
use crate::db::clients::{own, published, versions};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs::memberships;
use crate::db::partners;
use crate::rules::client::look_alike::look_alike_key;
use crate::rules::client::review::differences;
use crate::rules::client::version::VersionState;
use crate::rules::id::VersionId;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::webhook::event::lifecycle::ClientStep;

/// `note` is optional.
pub async fn approve_version(
    context: &Context,
    id: VersionId,
    note: Option<&str>,
    catalog: &ScopeCatalog,
    by: &AuditActor,
) -> Result<Version, PublishingError> {
    context
        .transact("client_version.approve", |tx| {
            Box::pin(async move {
                let version = lock_submitted(tx, id, by).await?;
                let partner = partners::find(&mut *tx, version.org_id)
                    .await?
                    .ok_or(PublishingError::NotAPartner)?;
                let scopes = &version.snapshot.scopes;
                let withheld = not_approved(scopes, &partner.private_scopes, catalog);
                if !withheld.is_empty() {
                    return Err(PublishingError::NotApprovedFor(withheld));
                }
                let approved = publish(context, tx, version, note, by).await?;
                Ok(approved)
            })
        })
        .await
}

async fn publish(
    context: &Context,
    tx: &mut Tx,
    version: Version,
    note: Option<&str>,
    by: &AuditActor,
) -> Result<Version, PublishingError> {
    let (private, client_id) = (version.private_client_id, version.published_client_id);
    let before = versions::find_in_state(&mut *tx, private, VersionState::Published).await?;
    let key = look_alike_key(&version.snapshot.name);
    if let Some(name) = published::find_look_alike(&mut *tx, client_id, &key).await? {
        return Err(PublishingError::NameTaken(name));
    }
    let (state, at) = (VersionState::Published, context.clock.now());
    versions::end_published(tx, private, VersionState::Superseded).await?;
    let decision = VersionDecision { state, by: by.actor.user_id(), at, note };
    versions::decide(tx, version.id, decision).await?;
    match published::publish(tx, client_id, &version.snapshot, &key, at).await {
        // Another client with this name was approved at the same time.
        Err(DbError::Duplicate) => {
            return Err(PublishingError::NameTaken(version.snapshot.name));
        }
        published => published?,
    }
    let mut after = recorded(&version);
    after["changes"] =
        json!(differences(before.as_ref().map(|version| &version.snapshot), &version.snapshot));
    after["note"] = json!(note);
    let change = OwnClientChange {
        org_id: version.org_id,
        client_id,
        name: &version.snapshot.name,
        step: ClientStep::Published,
        before: None,
        after,
    };
    record_step(context, tx, by, change).await?;
    let decision_note = note.map(str::to_owned);
    Ok(Version { state, decided_at: Some(at), decision_note, ..version })
}

pub async fn reject_version(
    context: &Context,
    id: VersionId,
    note: &str,
    by: &AuditActor,
) -> Result<Version, PublishingError> {
    context
        .transact("client_version.reject", |tx| {
            Box::pin(async move {
                let version = lock_submitted(tx, id, by).await?;
                let (state, at) = (VersionState::Rejected, context.clock.now());
                let decision =
                    VersionDecision { state, by: by.actor.user_id(), at, note: Some(note) };
                versions::decide(tx, id, decision).await?;
                let mut after = recorded(&version);
                after["note"] = json!(note);
                let change = OwnClientChange {
                    org_id: version.org_id,
                    client_id: version.private_client_id,
                    name: &version.snapshot.name,
                    step: ClientStep::Rejected,
                    before: None,
                    after,
                };
                record_step(context, tx, by, change).await?;
                let decision_note = Some(note.to_owned());
                Ok(Version { state, decided_at: Some(at), decision_note, ..version })
            })
        })
        .await
}

/// Locks a version that is in review, and checks that the reviewer may decide about it. The command
/// line always may.
async fn lock_submitted(
    tx: &mut Tx,
    id: VersionId,
    by: &AuditActor,
) -> Result<Version, PublishingError> {
    let found = versions::find(&mut *tx, id).await?.ok_or(PublishingError::NoSuchVersion)?;
    if own::lock_pair(tx, found.private_client_id).await?.is_none() {
        return Err(PublishingError::NoSuchVersion);
    }
    // The decision of another reviewer may have come first.
    let version = versions::find(&mut *tx, id).await?.ok_or(PublishingError::NoSuchVersion)?;
    if let Some(reviewer) = by.actor.user_id() {
        if version.submitted_by == Some(reviewer) {
            return Err(PublishingError::OwnSubmission);
        }
        if memberships::find(&mut *tx, version.org_id, reviewer).await?.is_some() {
            return Err(PublishingError::OwnOrganization);
        }
    }
    match version.state {
        VersionState::Submitted => Ok(version),
        state => Err(PublishingError::NotSubmitted(state)),
    }
}
