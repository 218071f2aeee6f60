//! Creates an API key of an organization and an application key of one of its members. Both keys
//! are shown once.

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::keys::create_api_key::WantedApiKey;
use crate::actions::keys::{create_api_key, create_application_key};
use crate::actions::users::create_user::parse_email;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::keys::application_keys::KeyOwner;
use crate::db::orgs::memberships;
use crate::db::users;
use crate::rules::id::{KeyId, OrgId};
use crate::rules::identity::key_attributes::ApplicationKeyAttributes;
use crate::rules::identity::key_name::KeyName;
use crate::rules::secret::Secret;

/// The names of a pair of keys.
#[derive(Clone, Debug)]
pub struct KeyNames {
    pub api_key: KeyName,
    pub application_key: KeyName,
}

impl KeyNames {
    /// The same name for both keys. `None` for keys that nobody named.
    pub fn of(name: Option<KeyName>) -> Self {
        let or = |unnamed: fn() -> KeyName| name.clone().unwrap_or_else(unnamed);
        Self { api_key: or(KeyName::of_api_key), application_key: or(KeyName::of_application_key) }
    }
}

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

/// Creates a pair of keys without names of their own.
pub async fn create_key(
    context: &Context,
    org_id: OrgId,
    email: &str,
    by: &AuditActor,
) -> Result<NewKeys, CreateKeyError> {
    create_named_key(context, org_id, email, &KeyNames::of(None), by).await
}

/// The limits on numbers of keys are for callers of the API, not for the command line.
pub async fn create_named_key(
    context: &Context,
    org_id: OrgId,
    email: &str,
    names: &KeyNames,
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
                let owner = KeyOwner { org_id, user_id: user.id };
                Ok(create_in(context, tx, owner, names, by).await?)
            })
        })
        .await
}

/// Creates the keys as part of a larger transaction, such as a bootstrap.
pub(in crate::actions) async fn create_in(
    context: &Context,
    tx: &mut Tx,
    owner: KeyOwner,
    names: &KeyNames,
    by: &AuditActor,
) -> Result<NewKeys, DbError> {
    let wanted = WantedApiKey { org_id: owner.org_id, name: &names.api_key, client_id: None };
    let api_key = create_api_key::create_in(context, tx, wanted, by).await?;
    let new = ApplicationKeyAttributes { name: names.application_key.clone(), scopes: None };
    let application_key = create_application_key::create_in(context, tx, owner, &new, by).await?;
    Ok(NewKeys {
        api_key: api_key.secret,
        api_key_id: api_key.key.id,
        application_key: application_key.secret,
        application_key_id: application_key.key.id,
    })
}
