//! Changes the attributes of a private client. Grants stay, and the new limits apply to the next
//! token.

use serde_json::{Map, Value};

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::clients::private::{PrivateClientError, recorded};
use crate::actions::context::Context;
use crate::db::clients::private;
use crate::db::clients::private::PrivateClient;
use crate::rules::client::ClientId;
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::private_client::PrivateClientChange;
use crate::rules::id::OrgId;
use crate::rules::timestamp::Timestamp;

pub async fn update_private_client(
    context: &Context,
    org_id: OrgId,
    id: ClientId,
    change: &PrivateClientChange,
    by: &AuditActor,
) -> Result<PrivateClient, PrivateClientError> {
    context
        .transact("private_client.update", |tx| {
            Box::pin(async move {
                if !private::lock(tx, org_id, id).await? {
                    return Err(PrivateClientError::NoSuchClient);
                }
                let before = private::find(&mut *tx, org_id, id)
                    .await?
                    .ok_or(PrivateClientError::NoSuchClient)?;
                let after = changed(&before, change, context.clock.now());
                let (old, new) = differences(recorded(&before), recorded(&after));
                if new.is_empty() {
                    return Err(PrivateClientError::NothingChanges);
                }
                private::update(tx, &after).await?;
                let subject = format!("client:{id}");
                let change = Change {
                    org_id,
                    action: "client.changed",
                    subject: &subject,
                    before: Some(Value::Object(old)),
                    after: Some(Value::Object(new)),
                };
                audit::record(context, tx, by, change).await?;
                Ok(after)
            })
        })
        .await
}

fn changed(before: &PrivateClient, change: &PrivateClientChange, now: Timestamp) -> PrivateClient {
    let PrivateClientChange { name, redirect_uris, onboarding_url, description, scopes } = change;
    let metadata = &before.metadata;
    let url = onboarding_url.as_ref().map(|url| url.as_ref().map(|url| url.as_str().to_owned()));
    PrivateClient {
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
