//! Everything that sending to a webhook takes, opened and parsed.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Context;
use super::webhook_secrets::{WebhookSecrets, open_value};
use crate::db::webhooks::{self, Webhook};
use crate::db::{DbError, orgs, webhook_variables};
use crate::oauth::webhook_template::{Headers, Payload, TemplateMistake, Values};
use crate::oauth::{OrgId, WebhookId};
use crate::sealing::{KeyRing, SealError};
use crate::secret::Secret;

/// It does not print: custom variables may be secret.
pub struct LoadedWebhook {
    pub webhook: Webhook,
    pub org_name: String,
    pub headers: Option<Headers>,
    pub payload: Option<Payload>,
    /// As receivers know them, the newest first; the former one for as long as it signs.
    pub signing_secrets: Vec<Secret>,
    /// Those that the organisation defined and its templates name.
    pub variables: Values,
}

#[derive(Debug, thiserror::Error)]
pub enum LoadWebhookError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// `None`: it is gone.
pub async fn load_webhook(
    context: &Context,
    ring: &KeyRing,
    id: WebhookId,
) -> Result<Option<LoadedWebhook>, LoadWebhookError> {
    let Some(webhook) = webhooks::find_by_id(&context.db, id).await? else { return Ok(None) };
    let Some(org) = orgs::find(&context.db, webhook.org_id).await? else { return Ok(None) };
    let secrets = WebhookSecrets::open(ring, &webhook)?;
    let now = context.clock.now();
    let former = secrets.former.filter(|(_, until)| now < *until).map(|(former, _)| former);
    let headers = secrets.custom_headers.as_ref().map(|text| Headers::parse(text.expose())).transpose();
    let headers = headers.map_err(|mistake| corrupt("custom_headers_sealed", &mistake))?;
    let payload = webhook.payload.as_deref().map(Payload::parse).transpose();
    let payload = payload.map_err(|mistake| corrupt("payload", &mistake))?;
    let mut names = payload.as_ref().map(Payload::names).unwrap_or_default();
    names.extend(headers.iter().flat_map(Headers::names));
    Ok(Some(LoadedWebhook {
        org_name: org.name,
        variables: variables(context, ring, webhook.org_id, &names).await?,
        headers,
        payload,
        signing_secrets: std::iter::once(secrets.signing).chain(former).collect(),
        webhook,
    }))
}

/// An organisation may have many and long ones: only what is sent is read and opened.
async fn variables(
    context: &Context,
    ring: &KeyRing,
    org_id: OrgId,
    names: &BTreeSet<&str>,
) -> Result<Values, LoadWebhookError> {
    if names.is_empty() {
        return Ok(Values::new());
    }
    let variables = webhook_variables::list_named(&context.db, org_id, names).await?;
    let opened = variables.into_iter().map(|variable| {
        let value = open_value(ring, &variable)?;
        Ok((variable.name, Value::from(value.expose())))
    });
    opened.collect()
}

fn corrupt(column: &'static str, mistake: &TemplateMistake) -> DbError {
    DbError::corrupt("webhooks", column, mistake)
}
