//! Publishes to all organizations that the newest key of the ring will soon be too old, while there
//! is time to prepare. Each key is announced once, even if several servers run.

use crate::actions::context::Context;
use crate::actions::webhooks::publish_events::publish_events;
use crate::db::engine::error::DbError;
use crate::db::keys::sealing_keys;
use crate::rules::webhook::event::Event;

/// How long before the key is too old, in seconds.
const AHEAD: i64 = 30 * 86_400;

/// Returns the number of announced keys. `max_age` is `secrets.key_max_age`; 0 means never. A key
/// that was replaced no longer seals anything, so its age does not matter.
pub async fn announce_sealing_key(context: &Context, max_age: i64) -> Result<usize, DbError> {
    if max_age == 0 {
        return Ok(0);
    }
    let newest = context.ring.newest().id();
    let now = context.clock.now();
    let due = sealing_keys::list_due(&context.db, now.minus(max_age).plus(AHEAD)).await?;
    let Some((key, first_used_at)) = due.into_iter().find(|(key, _)| key == newest) else {
        return Ok(0);
    };
    let key = &key;
    context
        .transact("sealing_key.announce", |tx| {
            Box::pin(async move {
                if !sealing_keys::set_announced(tx, key, now).await? {
                    return Ok(0);
                }
                let event = Event::SealingKeyExpiring {
                    key,
                    first_used_at,
                    expires_at: first_used_at.plus(max_age),
                };
                publish_events(context, tx, &[event]).await?;
                Ok(1)
            })
        })
        .await
}
