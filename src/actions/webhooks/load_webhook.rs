//! Loads everything that is needed to send to a webhook, with secrets opened and templates parsed.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::actions::context::Context;
use crate::actions::webhooks::secrets::{WebhookSecrets, open_value};
use crate::db::engine::error::DbError;
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::db::webhooks::{Webhook, secret_bindings};
use crate::db::{orgs, webhooks};
use crate::rules::id::{AuthMethodId, OrgId, WebhookId};
use crate::rules::secret::Secret;
use crate::rules::webhook::receiver_url;
use crate::rules::webhook::secret_binding::{NotBound, SecretBinding, SecretName};
use crate::rules::webhook::template::{Headers, Payload, TemplateMistake, Values};
use crate::sealing::SealError;

/// A webhook that is ready to send. It has no `Debug`, since variables may be secret.
pub struct LoadedWebhook {
    pub webhook: Webhook,
    pub org_name: String,
    pub headers: Option<Headers>,
    pub payload: Option<Payload>,
    /// The signing secrets as receivers know them, newest first. The former one is included for as
    /// long as it signs.
    pub signing_secrets: Vec<Secret>,
    /// The variables of the organization that the templates use.
    pub variables: Values,
    pub auth_method: Option<AuthMethod>,
}

#[derive(Debug, thiserror::Error)]
pub enum LoadWebhookError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    NotBound(#[from] NotBound),
}

/// Returns `None` if the webhook was deleted.
pub async fn load_webhook(
    context: &Context,
    id: WebhookId,
) -> Result<Option<LoadedWebhook>, LoadWebhookError> {
    let Some(webhook) = webhooks::find_by_id(&context.db, id).await? else { return Ok(None) };
    let Some(org) = orgs::find(&context.db, webhook.org_id).await? else { return Ok(None) };
    let secrets = WebhookSecrets::open(&context.ring, &webhook)?;
    let now = context.clock.now();
    let former = secrets.former.filter(|(_, until)| now < *until).map(|(former, _)| former);
    let headers =
        secrets.custom_headers.as_ref().map(|text| Headers::parse(text.expose())).transpose();
    let headers = headers.map_err(|mistake| corrupt("custom_headers_sealed", &mistake))?;
    let payload = webhook.payload.as_deref().map(Payload::parse).transpose();
    let payload = payload.map_err(|mistake| corrupt("payload", &mistake))?;
    let origin = receiver_url::origin(&webhook.url);
    let mut names = payload.as_ref().map(Payload::names).unwrap_or_default();
    names.extend(headers.iter().flat_map(Headers::names));
    let variables = variables(context, webhook.org_id, &names, &origin).await?;
    let auth_method = match webhook.auth_method_id {
        Some(id) => auth_method(context, webhook.org_id, id, &origin).await?,
        None => None,
    };
    Ok(Some(LoadedWebhook {
        org_name: org.name,
        variables,
        headers,
        payload,
        auth_method,
        signing_secrets: std::iter::once(secrets.signing).chain(former).collect(),
        webhook,
    }))
}

async fn auth_method(
    context: &Context,
    org_id: OrgId,
    id: AuthMethodId,
    origin: &str,
) -> Result<Option<AuthMethod>, LoadWebhookError> {
    let found = secret_bindings::find_auth_method(&context.db, org_id, id).await?;
    let checked = found
        .map(|(method, binding)| check(binding, SecretName::AuthMethod, origin).map(|()| method));
    Ok(checked.transpose()?)
}

/// A secret without a binding was stored by a server of the previous release that is still running.
fn check(binding: Option<SecretBinding>, secret: SecretName, origin: &str) -> Result<(), NotBound> {
    match binding {
        Some(binding) if !binding.allows(origin) => Err(binding.refusal(secret, origin)),
        _ => Ok(()),
    }
}

/// Reads and opens only the variables that are sent, since an organization may have many long ones.
/// Each binding is checked here with the row that holds the value, since variables can be created
/// or renamed after the webhook was stored.
async fn variables(
    context: &Context,
    org_id: OrgId,
    names: &BTreeSet<&str>,
    origin: &str,
) -> Result<Values, LoadWebhookError> {
    if names.is_empty() {
        return Ok(Values::new());
    }
    let variables = secret_bindings::list_named(&context.db, org_id, names).await?;
    let opened = variables.into_iter().map(|(variable, binding)| {
        if variable.is_secret {
            check(binding, SecretName::Variable(variable.name.clone()), origin)?;
        }
        let value = open_value(&context.ring, &variable)?;
        Ok((variable.name, Value::from(value.expose())))
    });
    opened.collect()
}

fn corrupt(column: &'static str, mistake: &TemplateMistake) -> DbError {
    DbError::corrupt("webhooks", column, mistake)
}
