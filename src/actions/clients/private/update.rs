//! Changes the attributes of a private client. Grants stay, and the new limits apply to the next
//! token.

use serde_json::{Map, Value};

use crate::actions::audit::AuditActor;
use crate::actions::clients::own_client_changes::{OwnClientChange, record_step};
use crate::actions::clients::private::{PrivateClientError, recorded};
use crate::actions::context::Context;
use crate::db::clients::own;
use crate::db::clients::own::OwnClient;
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::private_client::PrivateClientChange;
use crate::rules::id::OrgId;
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::event::lifecycle::ClientStep;

pub async fn update_private_client(
    context: &Context,
    org_id: OrgId,
    id: ClientId,
    change: &PrivateClientChange,
    by: &AuditActor,
) -> Result<OwnClient, PrivateClientError> {
    context
        .transact("private_client.update", |tx| {
            Box::pin(async move {
                if !own::lock(tx, org_id, id).await? {
                    return Err(PrivateClientError::NoSuchClient);
                }
                let before = own::find(&mut *tx, org_id, id)
                    .await?
                    .ok_or(PrivateClientError::NoSuchClient)?;
                if before.kind == ClientKind::Published {
                    return Err(PrivateClientError::IsPublished(before.pair.private));
                }
                let after = changed(&before, change, context.clock.now());
                let (old, new) = differences(recorded(&before), recorded(&after));
                if new.is_empty() {
                    return Err(PrivateClientError::NothingChanges);
                }
                own::update(tx, &after).await?;
                let change = OwnClientChange {
                    org_id,
                    client_id: id,
                    name: after.metadata.client_name().as_str(),
                    step: ClientStep::Changed,
                    before: Some(Value::Object(old)),
                    after: Value::Object(new),
                };
                record_step(context, tx, by, change).await?;
                Ok(after)
            })
        })
        .await
}

fn changed(before: &OwnClient, change: &PrivateClientChange, now: Timestamp) -> OwnClient {
    let PrivateClientChange { name, redirect_uris, onboarding_url, description, scopes } = change;
    let metadata = &before.metadata;
    let url = onboarding_url.as_ref().map(|url| url.as_ref().map(|url| url.as_str().to_owned()));
    OwnClient {
        metadata: ClientMetadata::confidential(
            name.as_ref().unwrap_or(metadata.client_name()).clone(),
            redirect_uris.as_deref().unwrap_or(metadata.redirect_uris()).to_vec(),
            scopes.as_ref().unwrap_or(metadata.scope()).clone(),
        ),
        onboarding_url: url.unwrap_or_else(|| before.onboarding_url.clone()),
        description: description.clone().unwrap_or_else(|| before.description.clone()),
        revision: before.revision.saturating_add(1),
        modified_at: now,
        ..before.clone()
    }
}

/// The members that differ, as they were and as they are.
fn differences(before: Value, after: Value) -> (Map<String, Value>, Map<String, Value>) {
    let (Value::Object(mut before), Value::Object(mut after)) = (before, after) else {
        return (Map::new(), Map::new());
    };
    before.retain(|name, value| after.get(name) != Some(value));
    after.retain(|name, _| before.contains_key(name));
    (before, after)
}
