//! Queues parked deliveries again: one delivery, or all deliveries of a webhook.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{AuditActor, Change};
use crate::actions::context::Context;
use crate::db::engine::error::DbError;
use crate::db::webhooks::{Webhook, deliveries};
use crate::rules::id::EventId;

/// Returns the number of queued deliveries, which is 0 if none was parked.
pub async fn replay_deliveries(
    context: &Context,
    webhook: &Webhook,
    event_id: Option<EventId>,
    by: &AuditActor,
) -> Result<u64, DbError> {
    context
        .transact("webhook.replay", |tx| {
            Box::pin(async move {
                let replayed =
                    deliveries::replay(tx, webhook.id, event_id, context.clock.now()).await?;
                if replayed == 0 {
                    return Ok(0);
                }
                let subject = format!("webhook:{}", webhook.id);
                let after = Some(json!({"deliveries": replayed, "event": event_id}));
                let change = Change {
                    org_id: webhook.org_id,
                    action: "webhook.replayed",
                    subject: &subject,
                    before: None,
                    after,
                };
                audit::record(context, tx, by, change).await?;
                Ok(replayed)
            })
        })
        .await
}
