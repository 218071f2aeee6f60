//! A reviewer suspends and resumes a published client, or lists its tile. Grants are kept.

use serde_json::json;

use crate::actions::audit::AuditActor;
use crate::actions::clients::own_client_changes::{Consequences, OwnClientChange, record_steps};
use crate::actions::clients::publishing::PublishingError;
use crate::actions::context::Context;
use crate::db::clients::own::OwnClient;
use crate::db::clients::{own, published};
use crate::db::engine::transaction::Tx;
use crate::rules::client::ClientId;
use crate::rules::client::state::ClientState;
use crate::rules::webhook::event::lifecycle::ClientStep;

/// What changes. `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishedChange {
    pub is_listed: Option<bool>,
    pub is_suspended: Option<bool>,
    /// Required to suspend a client.
    pub note: Option<String>,
}

pub async fn manage_published_client(
    context: &Context,
    id: ClientId,
    change: &PublishedChange,
    by: &AuditActor,
) -> Result<OwnClient, PublishingError> {
    context
        .transact("published_client.manage", |tx| {
            Box::pin(async move {
                let client = lock(tx, id).await?;
                let steps = steps(&client, change)?;
                let now = context.clock.now();
                for step in &steps {
                    match step {
                        ClientStep::Suspended => {
                            published::set_suspended(tx, id, Some(now)).await?;
                        }
                        ClientStep::Resumed => published::set_suspended(tx, id, None).await?,
                        ClientStep::Listed => published::set_listed(tx, id, Some(now)).await?,
                        _ => published::set_listed(tx, id, None).await?,
                    }
                }
                let recorded = |step| OwnClientChange {
                    org_id: client.org_id,
                    client_id: id,
                    name: client.metadata.client_name().as_str(),
                    step,
                    before: None,
                    after: match step {
                        ClientStep::Suspended | ClientStep::Resumed => json!({"note": change.note}),
                        _ => json!({}),
                    },
                };
                let recorded: Vec<_> = steps.into_iter().map(recorded).collect();
                record_steps(context, tx, by, &recorded, Consequences::default()).await?;
                let found = own::find(&mut *tx, client.org_id, id).await?;
                found.ok_or(PublishingError::NoSuchPublishedClient)
            })
        })
        .await
}

async fn lock(tx: &mut Tx, id: ClientId) -> Result<OwnClient, PublishingError> {
    let found = own::find_published(&mut *tx, id).await?;
    let found = found.ok_or(PublishingError::NoSuchPublishedClient)?;
    own::lock_pair(tx, found.pair.private).await?.ok_or(PublishingError::NoSuchPublishedClient)?;
    // Another request may have changed it before the lock.
    let client = own::find_published(&mut *tx, id).await?;
    let client = client.ok_or(PublishingError::NoSuchPublishedClient)?;
    match client.state {
        ClientState::Retired => Err(PublishingError::Retired),
        ClientState::Unpublished => Err(PublishingError::NeverPublished),
        _ => Ok(client),
    }
}

fn steps(client: &OwnClient, change: &PublishedChange) -> Result<Vec<ClientStep>, PublishingError> {
    let is_suspended = client.state == ClientState::Suspended;
    let mut steps = Vec::new();
    match change.is_suspended.filter(|wanted| *wanted != is_suspended) {
        Some(true) if change.note.is_none() => return Err(PublishingError::NoteMissing),
        Some(true) => steps.push(ClientStep::Suspended),
        Some(false) => steps.push(ClientStep::Resumed),
        None => {}
    }
    match change.is_listed.filter(|wanted| *wanted != client.is_listed) {
        Some(true) => steps.push(ClientStep::Listed),
        Some(false) => steps.push(ClientStep::Unlisted),
        None => {}
    }
    if steps.is_empty() { Err(PublishingError::NothingChanges) } else { Ok(steps) }
}
