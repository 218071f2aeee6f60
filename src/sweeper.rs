//! Removes what has expired, in small batches, on a timer, and puts young signing keys in the place of old ones.

use std::sync::Arc;
use std::time::Duration;

use crate::actions::{
    Forgotten, announce_expiring_keys, forget_clients, forget_deliveries, forget_expired, forget_signing_keys,
    rotate_aged_signing_keys,
};
use crate::app::{App, seconds};
use crate::db::DbError;
use crate::signing::SigningError;

/// What is over leaves within a minute or so.
const EVERY: Duration = Duration::from_secs(60);
/// First uses that are written together.
const GATHERED_FOR: Duration = Duration::from_secs(1);
/// Beyond this nothing is deleted by the time of day. Every server uses the database's time, so a wrong host is harmless; but
/// the wrong clock may be the database's, as after a failover, and what was deleted does not come back when it is set right.
const MAX_SKEW_MS: i64 = 3_600_000;

pub async fn sweep_until_stopped(app: Arc<App>) {
    let mut timer = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = timer.tick() => sweep(&app).await,
            () = app.issuer.uses.first_use() => write_first_uses(&app).await,
            () = app.stop.stopped() => return,
        }
    }
}

/// One round. A failure is logged and left to the next round. While this host's clock and the database's are far apart,
/// nothing is deleted.
pub async fn sweep(app: &App) {
    if app.context.clock.skew_ms().is_some_and(|skew_ms| skew_ms.saturating_abs() > MAX_SKEW_MS) {
        return;
    }
    tell_unwritten(app.issuer.uses.write(&app.context.db).await);
    app.issuer.uses.age();
    match forget_expired(&app.context).await {
        Ok(forgotten) if forgotten == Forgotten::default() => {}
        Ok(Forgotten { requests, codes, sessions, families }) => {
            tracing::debug!(requests, codes, sessions, families, "what was over was deleted");
        }
        Err(error) => tracing::warn!(%error, "the sweep did not finish"),
    }
    let webhooks = &app.config.webhooks;
    let parked = (webhooks.keep_parked > 0).then(|| seconds(webhooks.keep_parked));
    match forget_deliveries(&app.context, seconds(webhooks.keep_delivered), parked).await {
        Ok(0) => {}
        Ok(deliveries) => tracing::debug!(deliveries, "deliveries of webhooks were forgotten"),
        Err(error) => tracing::warn!(%error, "the sweep did not finish"),
    }
    match forget_clients(&app.context, app.forget_after()).await {
        Ok(0) => {}
        Ok(forgotten) => {
            app.metrics.clients_forgotten.inc_by(forgotten);
            tracing::info!(forgotten, "clients that nobody used were forgotten");
        }
        Err(error) => tracing::warn!(%error, "the sweep did not finish"),
    }
    if let Err(error) = sweep_signing_keys(app).await {
        tracing::warn!(%error, "the signing keys were not looked after");
    }
    match announce_expiring_keys(&app.context, &app.issuer.ring, app.signing_rules(), app.sealing_max_age()).await {
        Ok(0) => {}
        Ok(announced) => tracing::info!(announced, "webhooks are told of keys that grow old"),
        Err(error) => tracing::warn!(%error, "webhooks were not told of keys that grow old"),
    }
}

/// Those of the next moment with them, so that many are one write.
async fn write_first_uses(app: &App) {
    tokio::time::sleep(GATHERED_FOR).await;
    tell_unwritten(app.issuer.uses.write_first(&app.context.db).await);
}

fn tell_unwritten(written: Result<(), DbError>) {
    if let Err(error) = written {
        tracing::warn!(%error, "when tokens were last used was not written");
    }
}

async fn sweep_signing_keys(app: &App) -> Result<(), SigningError> {
    let rules = app.signing_rules();
    let made = rotate_aged_signing_keys(&app.context, &app.issuer.ring, rules).await?;
    let forgotten = forget_signing_keys(&app.context, rules).await?;
    if made.is_some() || forgotten > 0 {
        app.issuer.signing.reload().await?;
    }
    Ok(())
}
