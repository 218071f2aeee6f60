//! Publishes to all organizations that a key will soon be too old, while there is time to prepare.
//! Each key is announced once, even if several servers run.

use crate::actions::context::Context;
use crate::actions::keys::rotate_signing_keys::SigningRules;
use crate::actions::webhooks::publish_events::publish_events;
use crate::db::engine::error::DbError;
use crate::db::keys::{sealing_keys, signing_keys};
use crate::rules::webhook::event::Event;

/// How long before another key signs, in seconds.
const SIGNING: i64 = 7 * 86_400;
/// How long before the sealing key is too old, in seconds.
const SEALING: i64 = 30 * 86_400;

/// Returns the number of announced keys. `sealing_max_age` is `secrets.key_max_age`; 0 means never.
pub async fn announce_expiring_keys(
    context: &Context,
    rules: SigningRules,
    sealing_max_age: i64,
) -> Result<usize, DbError> {
    let signing = announce_signing_keys(context, rules.max_age).await?;
    let sealing = announce_sealing_key(context, context.ring.newest().id(), sealing_max_age).await?;
    Ok(signing + sealing)
}

async fn announce_signing_keys(context: &Context, max_age: i64) -> Result<usize, DbError> {
    if max_age == 0 {
        return Ok(0);
    }
    let now = context.clock.now();
    context
        .transact("signing_keys.announce", |tx| {
            Box::pin(async move {
                let keys = signing_keys::announce(tx, now.minus(max_age).plus(SIGNING), now).await?;
                let expiring = keys.iter().map(|(key, algorithm, signs_from)| Event::SigningKeyExpiring {
                    key,
                    algorithm: *algorithm,
                    signs_from: *signs_from,
                    replaced_at: signs_from.plus(max_age),
                });
                let events: Vec<Event<'_>> = expiring.collect();
                publish_events(context, tx, &events).await?;
                Ok(keys.len())
            })
        })
        .await
}

/// A key that was replaced no longer seals anything, so its age does not matter.
async fn announce_sealing_key(context: &Context, newest: &str, max_age: i64) -> Result<usize, DbError> {
    if max_age == 0 {
        return Ok(0);
    }
    let now = context.clock.now();
    let due = sealing_keys::list_due(&context.db, now.minus(max_age).plus(SEALING)).await?;
    let Some((key, first_used_at)) = due.into_iter().find(|(key, _)| key == newest) else { return Ok(0) };
    let key = &key;
    context
        .transact("sealing_key.announce", |tx| {
            Box::pin(async move {
                if !sealing_keys::set_announced(tx, key, now).await? {
                    return Ok(0);
                }
                let event = Event::SealingKeyExpiring { key, first_used_at, expires_at: first_used_at.plus(max_age) };
                publish_events(context, tx, &[event]).await?;
                Ok(1)
            })
        })
        .await
}
