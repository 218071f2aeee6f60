//! An operator sends parked deliveries again: one, or all of a webhook.

use serde_json::json;

use crate::actions::audit;
use crate::actions::audit::{By, Change};
use crate::actions::conflict::again_after_conflict;
use crate::actions::context::Context;
use crate::db::engine::error::DbError;
use crate::db::webhooks::{Webhook, deliveries};
use crate::rules::id::EventId;

/// How many wait again. 0 where nothing was parked.
pub async fn replay_deliveries(
    context: &Context,
    webhook: &Webhook,
    event_id: Option<EventId>,
    by: &By,
) -> Result<u64, DbError> {
    again_after_conflict(context, || replay(context, webhook, event_id, by)).await
}

async fn replay(context: &Context, webhook: &Webhook, event_id: Option<EventId>, by: &By) -> Result<u64, DbError> {
    let mut tx = context.db.begin().await?;
    let replayed = deliveries::replay(&mut tx, webhook.id, event_id, context.clock.now()).await?;
    if replayed == 0 {
        tx.roll_back().await?;
        return Ok(0);
    }
    let subject = format!("webhook:{}", webhook.id);
    let after = Some(json!({"deliveries": replayed, "event": event_id}));
    let change = Change { org_id: webhook.org_id, action: "webhook.replayed", subject: &subject, before: None, after };
    audit::record(context, &mut tx, by, change).await?;
    tx.commit().await?;
    Ok(replayed)
}
