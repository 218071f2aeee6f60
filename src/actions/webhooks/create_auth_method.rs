//! Creates an auth method, which describes how to get access tokens for the receivers of webhooks.

use serde_json::{Value, json};

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::auth_method_secret::seal_client_secret;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::orgs;
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::db::webhooks::secret_bindings::BoundRow;
use crate::db::webhooks::{auth_methods, secret_bindings};
use crate::rules::id::{AuthMethodId, OrgId};
use crate::rules::webhook::auth_method::NewAuthMethod;
use crate::rules::webhook::client_secret_url::UrlMissing;
use crate::rules::webhook::receiver_url;
use crate::rules::webhook::secret_binding::SecretBinding;

/// The limit of auth methods in one organization.
pub const MAX_AUTH_METHODS: u64 = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum AuthMethodError {
    #[error("there is no such auth method")]
    NoSuchMethod,
    #[error("the organization already has an auth method with this name")]
    NameTaken,
    #[error("the organization has reached the limit of {MAX_AUTH_METHODS} auth methods")]
    TooMany,
    /// The names of the webhooks that use it.
    #[error("the auth method is in use")]
    InUse(Vec<String>),
    #[error(transparent)]
    UrlMissing(#[from] UrlMissing),
    #[error(transparent)]
    Db(#[from] DbError),
}

pub async fn create_auth_method(
    context: &Context,
    org_id: OrgId,
    new: &NewAuthMethod,
    by: &AuditActor,
) -> Result<AuthMethod, AuthMethodError> {
    let (id, now) = (AuthMethodId(context.new_id()), context.clock.now());
    let method = AuthMethod {
        id,
        org_id,
        name: new.name.clone(),
        access_token_url: new.access_token_url.clone(),
        client_id: new.client_id.clone(),
        client_secret: seal_client_secret(context, id, org_id, &new.client_secret),
        secret_origin: receiver_url::origin(&new.access_token_url),
        audience: new.audience.clone(),
        scope: new.scope.clone(),
        created_at: now,
        modified_at: now,
    };
    context.transact("auth_method.create", |tx| Box::pin(store(context, tx, &method, by))).await?;
    Ok(method)
}

async fn store(
    context: &Context,
    tx: &mut Tx,
    method: &AuthMethod,
    by: &AuditActor,
) -> Result<(), AuthMethodError> {
    // The lock keeps two concurrent requests from both creating the last auth method.
    orgs::lock_for_change(tx, method.org_id).await?;
    if auth_methods::count_of_org(&mut *tx, method.org_id).await? >= MAX_AUTH_METHODS {
        return Err(AuthMethodError::TooMany);
    }
    name_taken(auth_methods::insert(&mut *tx, method).await)?;
    let binding = SecretBinding::given(by.actor.user_id(), method.created_at);
    secret_bindings::set(&mut *tx, BoundRow::AuthMethod(method.id), &binding).await?;
    let (org_id, subject, after) = (method.org_id, subject(method), Some(recorded(method)));
    let change =
        Change { org_id, action: "auth_method.created", subject: &subject, before: None, after };
    Ok(audit::record(context, tx, by, change).await?)
}

/// The table itself keeps names unique, which no concurrent request can bypass.
pub(in crate::actions) fn name_taken<T>(outcome: Result<T, DbError>) -> Result<T, AuthMethodError> {
    outcome.map_err(|cause| match cause {
        DbError::Duplicate => AuthMethodError::NameTaken,
        cause => cause.into(),
    })
}

/// The auth method in the audit trail: everything except the secret.
pub(in crate::actions) fn recorded(method: &AuthMethod) -> Value {
    json!({
        "name": method.name,
        "access_token_url": method.access_token_url,
        "client_id": method.client_id,
        "audience": method.audience,
        "scope": method.scope,
    })
}

pub(in crate::actions) fn subject(method: &AuthMethod) -> String {
    format!("auth_method:{}", method.id)
}
