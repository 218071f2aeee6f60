//! Publishes to all organizations that another key will soon sign, while there is time to prepare.
//! Each key is announced once, even if several servers run.

use crate::actions::context::Context;
use crate::actions::signing_keys::rotate::SigningRules;
use crate::actions::webhooks::publish_events::publish_events;
use crate::db::engine::error::DbError;
use crate::db::keys::signing_keys;
use crate::rules::webhook::event::Event;

/// How long before another key signs, in seconds.
const AHEAD: i64 = 7 * 86_400;

/// Returns the number of announced keys.
pub async fn announce_signing_keys(
    context: &Context,
    rules: SigningRules,
) -> Result<usize, DbError> {
    let max_age = rules.max_age;
    if max_age == 0 {
        return Ok(0);
    }
    let now = context.clock.now();
    context
        .transact("signing_keys.announce", |tx| {
            Box::pin(async move {
                let keys = signing_keys::announce(tx, now.minus(max_age).plus(AHEAD), now).await?;
                let expiring =
                    keys.iter().map(|(key, algorithm, signs_from)| Event::SigningKeyExpiring {
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
