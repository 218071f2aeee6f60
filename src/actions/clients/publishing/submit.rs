//! Submits a version of a private client for review. The first submission creates the published
//! client with a secret, which cannot be used until a version is approved.

use crate::actions::audit::AuditActor;
use crate::actions::clients::own_client_changes::{OwnClientChange, record_step};
use crate::actions::clients::publishing::{PublishingError, recorded};
use crate::actions::context::Context;
use crate::db::clients::own::OwnClient;
use crate::db::clients::published::NewPublished;
use crate::db::clients::secrets::NewSecret;
use crate::db::clients::versions::Version;
use crate::db::clients::{own, published, secrets, versions};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::partners;
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::client::state::ClientState;
use crate::rules::client::submission::{Draft, Submission, is_private};
use crate::rules::client::version::{Snapshot, VersionState};
use crate::rules::id::{OrgId, SecretId, VersionId};
use crate::rules::scope::ScopeSet;
use crate::rules::scope::catalog::ScopeCatalog;
use crate::rules::secret::Secret;
use crate::rules::webhook::event::lifecycle::ClientStep;

/// A private client to submit.
#[derive(Clone, Copy, Debug)]
pub struct Submitting<'a> {
    pub org_id: OrgId,
    pub client_id: ClientId,
    pub submission: &'a Submission,
    pub catalog: &'a ScopeCatalog,
}

#[derive(Debug)]
pub struct Submitted {
    pub version: Version,
    /// The secret of the published client, the first time. It is shown once.
    pub secret: Option<Secret>,
}

pub async fn submit_version(
    context: &Context,
    submitting: Submitting<'_>,
    by: &AuditActor,
) -> Result<Submitted, PublishingError> {
    context
        .transact("client_version.submit", |tx| {
            Box::pin(async move {
                let Submitting { org_id, client_id, .. } = submitting;
                let (client, snapshot) = check(tx, submitting).await?;
                let (published_client_id, secret) = match client.pair.published {
                    Some(id) => (id, None),
                    None => {
                        let made = create_published(context, tx, &client, &snapshot, by).await?;
                        (made.id, Some(made.secret))
                    }
                };
                let version = Version {
                    id: VersionId(context.new_id()),
                    org_id,
                    private_client_id: client_id,
                    published_client_id,
                    number: versions::newest_number(&mut *tx, client_id).await?.saturating_add(1),
                    state: VersionState::Submitted,
                    snapshot,
                    note: submitting.submission.note.clone(),
                    scope_reasons: submitting.submission.scope_reasons.clone(),
                    submitted_by: by.actor.user_id(),
                    submitted_at: context.clock.now(),
                    decided_at: None,
                    decision_note: None,
                };
                versions::insert(tx, &version).await?;
                let change = OwnClientChange {
                    org_id,
                    client_id,
                    name: &version.snapshot.name,
                    step: ClientStep::Submitted,
                    before: None,
                    after: recorded(&version),
                };
                record_step(context, tx, by, change).await?;
                Ok(Submitted { version, secret })
            })
        })
        .await
}

/// Returns the client and the snapshot to submit. The order of the errors is that of the remedies:
/// what cannot be changed comes first.
async fn check(
    tx: &mut Tx,
    submitting: Submitting<'_>,
) -> Result<(OwnClient, Snapshot), PublishingError> {
    let Submitting { org_id, client_id, submission, catalog } = submitting;
    if !own::lock(tx, org_id, client_id).await? {
        return Err(PublishingError::NoSuchClient);
    }
    let client =
        own::find(&mut *tx, org_id, client_id).await?.ok_or(PublishingError::NoSuchClient)?;
    if client.kind == ClientKind::Published {
        return Err(PublishingError::IsPublished(client.pair.private));
    }
    let partner = partners::find(&mut *tx, org_id).await?.ok_or(PublishingError::NotAPartner)?;
    if let Some(published) = client.pair.published {
        let found = own::find(&mut *tx, org_id, published).await?;
        if found.is_some_and(|published| published.state == ClientState::Retired) {
            return Err(PublishingError::Retired);
        }
    }
    if let Some(open) = client.pair.open_version {
        return Err(PublishingError::Open(open));
    }
    if submission.revision.is_some_and(|revision| revision != client.revision) {
        return Err(PublishingError::Outdated(client.revision));
    }
    let scopes = client.metadata.scope();
    let withheld = not_approved(scopes, &partner.private_scopes, catalog);
    if !withheld.is_empty() {
        return Err(PublishingError::NotApprovedFor(withheld));
    }
    let draft = Draft {
        name: client.metadata.client_name().as_str(),
        description: client.description.as_deref(),
        onboarding_url: client.onboarding_url.as_deref(),
        redirect_uris: client.metadata.redirect_uris(),
        scopes,
    };
    let snapshot = submission.snapshot(draft, catalog).map_err(PublishingError::Incomplete)?;
    Ok((client, snapshot))
}

/// The private scopes for which the partner is not approved.
pub(in crate::actions) fn not_approved(
    scopes: &ScopeSet,
    approved: &ScopeSet,
    catalog: &ScopeCatalog,
) -> ScopeSet {
    let (private, _) = scopes.clone().partition(|name| is_private(name.as_str(), catalog));
    private.difference(approved)
}

struct CreatedPublished {
    id: ClientId,
    secret: Secret,
}

async fn create_published(
    context: &Context,
    tx: &mut Tx,
    client: &OwnClient,
    snapshot: &Snapshot,
    by: &AuditActor,
) -> Result<CreatedPublished, DbError> {
    let (id, secret) = (ClientId::from_uuid(context.new_id()), context.random.client_secret());
    let now = context.clock.now();
    let (private_client_id, org_id) = (client.id, client.org_id);
    published::insert(tx, NewPublished { id, private_client_id, org_id, snapshot, now }).await?;
    let stored = NewSecret {
        id: SecretId(context.new_id()),
        client_id: id,
        digest: secret.digest(),
        last_four: secret.last_four(),
        created_by: by.actor.user_id(),
        created_at: now,
    };
    secrets::insert(tx, &stored).await?;
    Ok(CreatedPublished { id, secret })
}
