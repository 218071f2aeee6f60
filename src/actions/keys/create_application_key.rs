//! Creates an application key of a member of an organization. It is shown once.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::keys::KeyError;
use crate::actions::keys::revoked_keys::KeyKind;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::keys::application_keys;
use crate::db::keys::application_keys::{ApplicationKey, KeyOwner, NewApplicationKey};
use crate::db::orgs::memberships;
use crate::db::users;
use crate::rules::id::KeyId;
use crate::rules::identity::key_attributes::ApplicationKeyAttributes;
use crate::rules::secret::Secret;

/// A new key, with the secret that is shown once.
#[derive(Clone, Debug)]
pub struct CreatedApplicationKey {
    pub key: ApplicationKey,
    pub secret: Secret,
}

/// `max` is how many keys the user may have in the organization.
pub async fn create_application_key(
    context: &Context,
    owner: KeyOwner,
    new: &ApplicationKeyAttributes,
    max: u64,
    by: &AuditActor,
) -> Result<CreatedApplicationKey, KeyError> {
    context
        .transact("application_key.create", |tx| {
            Box::pin(async move {
                // The lock makes the count below exact. A concurrent removal of the member either
                // revokes the new key or is visible here.
                users::lock(tx, owner.user_id).await?;
                let role = memberships::find(&mut *tx, owner.org_id, owner.user_id).await?;
                role.ok_or(KeyError::AccessEnded)?;
                if application_keys::count_active(&mut *tx, owner).await? >= max {
                    return Err(KeyError::TooManyApplicationKeys(max));
                }
                Ok(create_in(context, tx, owner, new, by).await?)
            })
        })
        .await
}

/// Creates the key as part of a larger transaction.
pub(in crate::actions) async fn create_in(
    context: &Context,
    tx: &mut Tx,
    owner: KeyOwner,
    new: &ApplicationKeyAttributes,
    by: &AuditActor,
) -> Result<CreatedApplicationKey, DbError> {
    let ApplicationKeyAttributes { name, scopes } = new;
    let (id, secret) = (KeyId(context.new_id()), context.random.application_key());
    let now = context.clock.now();
    let stored = NewApplicationKey {
        id,
        owner,
        name,
        secret: &secret,
        scopes: scopes.as_ref(),
        created_at: now,
    };
    application_keys::insert(&mut *tx, stored).await?;
    let subject = format!("{} user:{}", KeyKind::Application.subject(id), owner.user_id);
    let change = Change {
        org_id: owner.org_id,
        action: "application_key.created",
        subject: &subject,
        before: None,
        after: Some(json!({"name": name.as_str(), "scopes": scopes})),
    };
    audit::record(context, tx, by, change).await?;
    let key = ApplicationKey {
        id,
        name: name.as_str().to_owned(),
        last_four: secret.last_four(),
        scopes: scopes.clone(),
        created_at: now,
        last_used_at: None,
    };
    Ok(CreatedApplicationKey { key, secret })
}
