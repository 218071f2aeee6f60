//! Creates an API key of an organization and an application key of one of its members. Both keys
//! are shown once.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::users::create_user::parse_email;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::keys::application_keys::NewApplicationKey;
use crate::db::keys::{api_keys, application_keys};
use crate::db::orgs::memberships;
use crate::db::users;
use crate::rules::id::{KeyId, OrgId, UserId};
use crate::rules::secret::Secret;

#[derive(Clone, Debug)]
pub struct NewKeys {
    pub api_key: Secret,
    pub api_key_id: KeyId,
    pub application_key: Secret,
    pub application_key_id: KeyId,
}

#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    #[error(
        "{0} is not a member of this organization; `grantor user list --org …` lists its members"
    )]
    NoSuchUser(String),
    #[error("{0} is disabled")]
    Disabled(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

pub async fn create_key(
    context: &Context,
    org_id: OrgId,
    email: &str,
    by: &AuditActor,
) -> Result<NewKeys, CreateKeyError> {
    let no_such_user = || CreateKeyError::NoSuchUser(email.escape_debug().to_string());
    let address = &parse_email(email).map_err(|_| no_such_user())?;
    context
        .transact("keys.create", |tx| {
            Box::pin(async move {
                let user =
                    users::find_by_email(&mut *tx, address).await?.ok_or_else(no_such_user)?;
                // This lock comes first: a concurrent removal either revokes the new key or is visible here.
                users::lock(tx, user.id).await?;
                memberships::find(&mut *tx, org_id, user.id).await?.ok_or_else(no_such_user)?;
                if user.disabled_at.is_some() {
                    return Err(CreateKeyError::Disabled(user.email));
                }
                Ok(create_in(context, tx, org_id, user.id, by).await?)
            })
        })
        .await
}

/// Creates the keys as part of a larger transaction, such as a bootstrap.
pub(in crate::actions) async fn create_in(
    context: &Context,
    tx: &mut Tx,
    org_id: OrgId,
    user_id: UserId,
    by: &AuditActor,
) -> Result<NewKeys, DbError> {
    let keys = NewKeys {
        api_key: context.random.api_key(),
        api_key_id: KeyId(context.new_id()),
        application_key: context.random.application_key(),
        application_key_id: KeyId(context.new_id()),
    };
    let now = context.clock.now();
    api_keys::insert(&mut *tx, keys.api_key_id, org_id, &keys.api_key, now).await?;
    let (id, secret) = (keys.application_key_id, &keys.application_key);
    application_keys::insert(
        &mut *tx,
        NewApplicationKey { id, org_id, user_id, secret, created_at: now },
    )
    .await?;
    let subject = format!("user:{user_id}");
    let after =
        Some(json!({"api_key_id": keys.api_key_id, "application_key_id": keys.application_key_id}));
    audit::record(
        context,
        tx,
        by,
        Change { org_id, action: "keys.created", subject: &subject, before: None, after },
    )
    .await?;
    Ok(keys)
}
