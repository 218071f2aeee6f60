//! Finds webhooks as API callers see them, with their headers opened.

use crate::actions::context::Context;
use crate::actions::webhooks::bind_secrets::BindError;
use crate::actions::webhooks::secrets::open_custom_headers;
use crate::db::engine::error::DbError;
use crate::db::webhooks;
use crate::db::webhooks::Webhook;
use crate::rules::id::OrgId;
use crate::rules::secret::Secret;
use crate::rules::webhook::WebhookMistake;
use crate::rules::webhook::secret_binding::NotBound;
use crate::sealing::{KeyRing, SealError};

#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("there is no such webhook")]
    NoSuchWebhook,
    #[error("another webhook has this name")]
    Taken,
    #[error("the organization has reached the limit of webhooks")]
    TooMany,
    #[error("the organization has no such auth method")]
    NoSuchAuthMethod,
    #[error(transparent)]
    NotBound(#[from] NotBound),
    #[error(transparent)]
    Mistake(#[from] WebhookMistake),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<BindError> for WebhookError {
    fn from(error: BindError) -> Self {
        match error {
            BindError::NotBound(cause) => Self::NotBound(cause),
            BindError::Db(cause) => Self::Db(cause),
        }
    }
}

impl WebhookError {
    /// Translates a violated constraint of the table.
    pub(in crate::actions) fn of_row(error: DbError) -> Self {
        match error {
            DbError::Duplicate => Self::Taken,
            // The organization exists, so the missing row is the auth method.
            DbError::Reference => Self::NoSuchAuthMethod,
            error => Self::Db(error),
        }
    }
}

#[derive(Debug)]
pub struct DecryptedWebhook {
    pub webhook: Webhook,
    pub custom_headers: Option<Secret>,
    /// A new signing secret, which is returned only once.
    pub signing_secret: Option<Secret>,
}

impl DecryptedWebhook {
    fn of(ring: &KeyRing, webhook: Webhook) -> Result<Self, WebhookError> {
        let custom_headers = open_custom_headers(ring, &webhook)?;
        Ok(Self { webhook, custom_headers, signing_secret: None })
    }
}

pub async fn find_webhook(
    context: &Context,
    org_id: OrgId,
    name: &str,
) -> Result<DecryptedWebhook, WebhookError> {
    let webhook =
        webhooks::find(&context.db, org_id, name).await?.ok_or(WebhookError::NoSuchWebhook)?;
    DecryptedWebhook::of(&context.ring, webhook)
}

/// Returns the webhooks ordered by name.
pub async fn list_webhooks(
    context: &Context,
    org_id: OrgId,
) -> Result<Vec<DecryptedWebhook>, WebhookError> {
    let webhooks = webhooks::list(&context.db, org_id).await?;
    webhooks.into_iter().map(|webhook| DecryptedWebhook::of(&context.ring, webhook)).collect()
}
