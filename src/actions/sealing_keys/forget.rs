//! Deletes everything that was sealed under a lost key of the ring, so that the server can start
//! without that key. Each item is deleted and audited as if its organization had deleted it.

use crate::actions::audit::AuditActor;
use crate::actions::context::Context;
use crate::actions::sealing_keys::prepare::opens_any;
use crate::actions::webhooks::create_auth_method::AuthMethodError;
use crate::actions::webhooks::delete_auth_method::delete_auth_method;
use crate::actions::webhooks::delete_variable::delete_variable;
use crate::actions::webhooks::delete_webhook::delete_webhook;
use crate::actions::webhooks::find_variable::VariableError;
use crate::actions::webhooks::find_webhook::WebhookError;
use crate::db::engine::error::DbError;
use crate::db::keys::ring_usage::RingUsage;
use crate::db::keys::{ring_usage, sealed};
use crate::db::webhooks;
use crate::db::webhooks::{auth_methods, variables};
use crate::rules::id::OrgId;

/// What was deleted. Webhooks are also deleted if they use a deleted auth method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ForgottenWithKey {
    pub auth_methods: u64,
    pub webhooks: u64,
    pub webhook_variables: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ForgetRingKeyError {
    #[error(
        "no organization has secrets encrypted with \"{}\"; `grantor keys status` lists all keys",
        .0.escape_debug()
    )]
    SealsNothing(String),
    #[error(
        "the ring can decrypt what is encrypted with \"{}\", so nothing is lost: `grantor keys \
         re-encrypt` re-encrypts it with the newest key",
        .0.escape_debug()
    )]
    IsThere(String),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error(transparent)]
    AuthMethod(#[from] AuthMethodError),
    #[error(transparent)]
    Variable(#[from] VariableError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The limit of rows per table that are tried before all of them are given up.
const MAX_TRIED: i64 = 10_000;

/// Returns what a lost key seals. Fails if the ring can open any of it.
pub async fn find_lost(context: &Context, key_id: &str) -> Result<RingUsage, ForgetRingKeyError> {
    let usage = ring_usage::count_sealed(&context.db).await?.remove(key_id).unwrap_or_default();
    if usage.org_secrets() == 0 {
        return Err(ForgetRingKeyError::SealsNothing(key_id.to_owned()));
    }
    if context.ring.find(key_id).is_some()
        && opens_any(&context.db, &context.ring, key_id, MAX_TRIED).await?
    {
        return Err(ForgetRingKeyError::IsThere(key_id.to_owned()));
    }
    Ok(usage)
}

/// Works through the organizations one by one. If it is interrupted, running it again continues.
pub async fn forget_ring_key(
    context: &Context,
    key_id: &str,
    by: &AuditActor,
) -> Result<ForgottenWithKey, ForgetRingKeyError> {
    find_lost(context, key_id).await?;
    let mut forgotten = ForgottenWithKey::default();
    for table in sealed::ALL {
        while let Some(row) =
            sealed::list_sealed_by_key(&context.db, table, key_id, 1).await?.first()
        {
            forget_of_org(context, row.org_id, key_id, by, &mut forgotten).await?;
        }
    }
    Ok(forgotten)
}

/// Items that the organization deletes concurrently are not errors.
async fn forget_of_org(
    context: &Context,
    org_id: OrgId,
    key_id: &str,
    by: &AuditActor,
    forgotten: &mut ForgottenWithKey,
) -> Result<(), ForgetRingKeyError> {
    let mut methods = auth_methods::list(&context.db, org_id).await?;
    methods.retain(|method| method.client_secret.key_id == key_id);
    for webhook in webhooks::list(&context.db, org_id).await? {
        let loses_its_method =
            methods.iter().any(|method| webhook.auth_method_id == Some(method.id));
        if webhook.key_id == key_id || loses_its_method {
            match delete_webhook(context, org_id, &webhook.name, by).await {
                Ok(()) => forgotten.webhooks += 1,
                Err(WebhookError::NoSuchWebhook) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    for method in methods {
        match delete_auth_method(context, org_id, method.id, by).await {
            Ok(()) => forgotten.auth_methods += 1,
            Err(AuthMethodError::NoSuchMethod) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for variable in variables::list(&context.db, org_id).await? {
        if variable.key_id == key_id {
            match delete_variable(context, org_id, &variable.name, by).await {
                Ok(()) => forgotten.webhook_variables += 1,
                Err(VariableError::NoSuchVariable) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
