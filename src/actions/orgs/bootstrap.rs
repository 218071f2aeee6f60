//! Creates an organization with everything it needs: its administrator, and a pair of keys.

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::keys::create_key;
use crate::actions::keys::create_key::{KeyNames, NewKeys};
use crate::actions::orgs::create_org;
use crate::actions::orgs::create_org::CreateOrgError;
use crate::actions::users::create_user;
use crate::actions::users::create_user::{CreateUserError, NewMember, NewUser};
use crate::db::engine::error::DbError;
use crate::db::keys::application_keys::KeyOwner;
use crate::rules::id::OrgId;
use crate::rules::identity::permission::Role;
use crate::rules::secret::Secret;

#[derive(Clone, Debug)]
pub struct Bootstrapped {
    pub org_id: OrgId,
    pub org_name: String,
    pub user: NewUser,
    pub keys: NewKeys,
}

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error(transparent)]
    Org(#[from] CreateOrgError),
    #[error(transparent)]
    User(#[from] CreateUserError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Creates everything in one transaction.
pub async fn bootstrap(
    context: &Context,
    org_name: &str,
    email: &str,
    password: Option<Secret>,
    by: &AuditActor,
) -> Result<Bootstrapped, BootstrapError> {
    let administrator = NewMember { password, ..NewMember::new(email, Role::Admin) };
    let newcomer = &create_user::prepare(context, administrator, org_name).await?;
    let names = &KeyNames::of(None);
    context
        .transact("org.bootstrap", |tx| {
            Box::pin(async move {
                let org_id = create_org::create_in(context, tx, org_name, by).await?;
                let user =
                    create_user::create_in(context, tx, org_id, newcomer.clone(), by).await?;
                let owner = KeyOwner { org_id, user_id: user.id };
                let keys = create_key::create_in(context, tx, owner, names, by).await?;
                Ok(Bootstrapped { org_id, org_name: org_name.trim().to_owned(), user, keys })
            })
        })
        .await
}
