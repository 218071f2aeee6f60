//! Deletes a webhook and its pending deliveries.

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::actions::webhooks::create_webhook::recorded;
use crate::actions::webhooks::find_webhook::WebhookError;
use crate::db::engine::error::DbError;
use crate::db::webhooks::deliveries;
use crate::db::{orgs, webhooks};
use crate::rules::id::{OrgId, WebhookId};

const BATCH: u32 = 5_000;

pub async fn delete_webhook(
    context: &Context,
    org_id: OrgId,
    name: &str,
    by: &AuditActor,
) -> Result<(), WebhookError> {
    if let Some(webhook) = webhooks::find(&context.db, org_id, name).await? {
        forget_deliveries_of(context, webhook.id).await?;
    }
    context
        .transact("webhook.delete", |tx| {
            Box::pin(async move {
                orgs::lock_for_change(tx, org_id).await?;
                let webhook =
                    webhooks::lock(tx, org_id, name).await?.ok_or(WebhookError::NoSuchWebhook)?;
                webhooks::delete(tx, org_id, webhook.id).await?;
                let (subject, before) =
                    (format!("webhook:{}", webhook.id), Some(recorded(&webhook)));
                let change = Change {
                    org_id,
                    action: "webhook.deleted",
                    subject: &subject,
                    before,
                    after: None,
                };
                Ok(audit::record(context, tx, by, change).await?)
            })
        })
        .await
}

/// Deletes in batches, since a busy webhook has more deliveries than one transaction can delete in
/// time.
async fn forget_deliveries_of(context: &Context, id: WebhookId) -> Result<(), DbError> {
    while deliveries::delete_batch(&context.db, id, BATCH).await? == u64::from(BATCH) {}
    Ok(())
}
