//! Creates an API key of an organization. It is shown once.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::keys::KeyError;
use crate::actions::keys::revoked_keys::KeyKind;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::keys::api_keys;
use crate::db::keys::api_keys::{ApiKey, NewApiKey};
use crate::db::orgs;
use crate::rules::client::ClientId;
use crate::rules::id::{KeyId, OrgId};
use crate::rules::identity::key_name::KeyName;
use crate::rules::secret::Secret;

/// A new key, with the secret that is shown once.
#[derive(Clone, Debug)]
pub struct CreatedApiKey {
    pub key: ApiKey,
    pub secret: Secret,
}

/// `max` is how many keys the organization may have.
pub async fn create_api_key(
    context: &Context,
    org_id: OrgId,
    name: &KeyName,
    max: u64,
    by: &AuditActor,
) -> Result<CreatedApiKey, KeyError> {
    context
        .transact("api_key.create", |tx| {
            Box::pin(async move {
                // The lock makes the count below exact.
                orgs::lock_for_change(tx, org_id).await?;
                if api_keys::count_active(&mut *tx, org_id).await? >= max {
                    return Err(KeyError::TooManyApiKeys(max));
                }
                let wanted = WantedApiKey { org_id, name, client_id: None };
                Ok(create_in(context, tx, wanted, by).await?)
            })
        })
        .await
}

/// An API key to create.
pub(in crate::actions) struct WantedApiKey<'a> {
    pub org_id: OrgId,
    pub name: &'a KeyName,
    /// The client that creates the key, if one does.
    pub client_id: Option<ClientId>,
}

/// Creates the key as part of a larger transaction.
pub(in crate::actions) async fn create_in(
    context: &Context,
    tx: &mut Tx,
    wanted: WantedApiKey<'_>,
    by: &AuditActor,
) -> Result<CreatedApiKey, DbError> {
    let WantedApiKey { org_id, name, client_id } = wanted;
    let (id, secret) = (KeyId(context.new_id()), context.random.api_key());
    let (now, created_by) = (context.clock.now(), by.actor.user_id());
    let new =
        NewApiKey { id, org_id, name, secret: &secret, created_by, client_id, created_at: now };
    api_keys::insert(&mut *tx, new).await?;
    let subject = KeyKind::Api.subject(id);
    let mut after = json!({"name": name.as_str()});
    if let Some(client_id) = client_id {
        after["client_id"] = json!(client_id);
    }
    let action = "api_key.created";
    let change = Change { org_id, action, subject: &subject, before: None, after: Some(after) };
    audit::record(context, tx, by, change).await?;
    let key = ApiKey {
        id,
        name: name.as_str().to_owned(),
        last_four: secret.last_four(),
        created_at: now,
        modified_at: now,
        last_used_at: None,
        created_by,
        modified_by: created_by,
        client_id,
    };
    Ok(CreatedApiKey { key, secret })
}
