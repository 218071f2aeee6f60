//! Changes the name of an application key, or the scopes to which it is limited.

use serde_json::{Map, Value, json};

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::keys::KeyError;
use crate::actions::keys::revoked_keys::KeyKind;
use crate::db::engine::transaction::Tx;
use crate::db::keys::application_keys;
use crate::db::keys::application_keys::{ApplicationKey, KeyOwner};
use crate::db::keys::callers::CallerCache;
use crate::rules::id::KeyId;
use crate::rules::identity::key_attributes::ApplicationKeyChange;
use crate::rules::identity::key_name::KeyName;

/// A key, and what changes in it.
#[derive(Clone, Copy, Debug)]
pub struct ChangedKey<'a> {
    pub owner: KeyOwner,
    pub id: KeyId,
    pub change: &'a ApplicationKeyChange,
}

/// New limits apply at once on this replica. Others cache keys and follow within five seconds.
pub async fn update_application_key(
    context: &Context,
    callers: &CallerCache,
    changed: ChangedKey<'_>,
    by: &AuditActor,
) -> Result<ApplicationKey, KeyError> {
    let updated = context
        .transact("application_key.update", |tx| Box::pin(update_in(context, tx, changed, by)))
        .await;
    // This also runs if the outcome is unknown: the key may have new limits.
    callers.clear();
    updated
}

async fn update_in(
    context: &Context,
    tx: &mut Tx,
    changed: ChangedKey<'_>,
    by: &AuditActor,
) -> Result<ApplicationKey, KeyError> {
    let ChangedKey { owner, id, change } = changed;
    if !application_keys::lock(tx, owner, id).await? {
        return Err(KeyError::NoSuchApplicationKey);
    }
    let before = application_keys::find_active(&mut *tx, owner, id)
        .await?
        .ok_or(KeyError::NoSuchApplicationKey)?;
    let name = change.name.as_ref().map_or(before.name.as_str(), KeyName::as_str);
    let scopes = change.scopes.as_ref().unwrap_or(&before.scopes);
    let after = ApplicationKey { name: name.to_owned(), scopes: scopes.clone(), ..before.clone() };
    let (old, new) = differences(&before, &after);
    if new.is_empty() {
        return Err(KeyError::NothingChanges);
    }
    application_keys::update(tx, &after).await?;
    let subject = KeyKind::Application.subject(id);
    let change = Change {
        org_id: owner.org_id,
        action: "application_key.changed",
        subject: &subject,
        before: Some(Value::Object(old)),
        after: Some(Value::Object(new)),
    };
    audit::record(context, tx, by, change).await?;
    Ok(after)
}

/// The members that differ, as they were and as they are.
fn differences(
    before: &ApplicationKey,
    after: &ApplicationKey,
) -> (Map<String, Value>, Map<String, Value>) {
    let (mut old, mut new) = (Map::new(), Map::new());
    if before.name != after.name {
        old.insert("name".to_owned(), json!(before.name));
        new.insert("name".to_owned(), json!(after.name));
    }
    if before.scopes != after.scopes {
        old.insert("scopes".to_owned(), json!(before.scopes));
        new.insert("scopes".to_owned(), json!(after.scopes));
    }
    (old, new)
}
