//! Renames an API key.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::keys::KeyError;
use crate::actions::keys::revoked_keys::KeyKind;
use crate::db::keys::api_keys;
use crate::db::keys::api_keys::ApiKey;
use crate::rules::id::{KeyId, OrgId};
use crate::rules::identity::key_attributes::ApiKeyChange;
use crate::rules::identity::key_name::KeyName;

pub async fn update_api_key(
    context: &Context,
    org_id: OrgId,
    id: KeyId,
    change: &ApiKeyChange,
    by: &AuditActor,
) -> Result<ApiKey, KeyError> {
    context
        .transact("api_key.update", |tx| {
            Box::pin(async move {
                if !api_keys::lock(tx, org_id, id).await? {
                    return Err(KeyError::NoSuchApiKey);
                }
                let before = api_keys::find_active(&mut *tx, org_id, id)
                    .await?
                    .ok_or(KeyError::NoSuchApiKey)?;
                let name = change.name.as_ref().map(KeyName::as_str);
                let name = name.filter(|name| *name != before.name);
                let after = ApiKey {
                    name: name.ok_or(KeyError::NothingChanges)?.to_owned(),
                    modified_by: by.actor.user_id(),
                    modified_at: context.clock.now(),
                    ..before.clone()
                };
                api_keys::update(tx, &after).await?;
                let subject = KeyKind::Api.subject(id);
                let change = Change {
                    org_id,
                    action: "api_key.changed",
                    subject: &subject,
                    before: Some(json!({"name": before.name})),
                    after: Some(json!({"name": after.name})),
                };
                audit::record(context, tx, by, change).await?;
                Ok(after)
            })
        })
        .await
}
