//! Removes what has expired, in small batches, on a timer, and puts young signing keys in the place of old ones.

use std::sync::Arc;
use std::time::Duration;

use crate::actions::clients::forget::{Bounded, bound_unused_clients, forget_clients};
use crate::actions::keys::announce_expiring_keys::announce_expiring_keys;
use crate::actions::keys::rotate_signing_keys::{forget_signing_keys, rotate_aged_signing_keys};
use crate::actions::sign_in::audit_refused::audit_refused_sign_ins;
use crate::actions::upkeep::forget_expired::{
    Forgotten, forget_deliveries, forget_expired, forget_requests, is_a_turn,
};
use crate::app::{App, seconds};
use crate::db::authorizations::requests;
use crate::db::engine::error::DbError;
use crate::signing::SigningError;

/// What is over leaves within a minute or so.
const EVERY: Duration = Duration::from_secs(60);
/// First uses that are written together.
const GATHERED_FOR: Duration = Duration::from_secs(1);
/// Beyond this only authorization requests are deleted by the time of day. Every server uses the database's time, so a wrong
/// host is harmless; but the wrong clock may be the database's, as after a failover, and what was deleted does not come back
/// when it is set right.
const MAX_SKEW_MS: i64 = 3_600_000;

pub async fn sweep_until_stopped(app: Arc<App>) {
    let mut timer = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = timer.tick() => sweep_until_done(&app).await,
            () = app.registrar.unused.too_many() => { bound_clients(&app).await; }
            () = app.issuer.uses.first_use() => write_first_uses(&app).await,
            () = app.stop.stopped() => return,
        }
    }
}

/// Turn after turn while there is more to delete than one may, so that the sweeper keeps up with whatever comes in.
async fn sweep_until_done(app: &App) {
    while sweep(app).await == Turn::CutShort && !app.is_stopping() {}
}

/// How a turn of the sweeper ended. Each turn is bounded, so that it keeps nothing else waiting for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Done,
    /// There is more to delete than one turn may: the next one follows at once.
    CutShort,
}

/// One turn. A failure is logged and left to the next turn. While this host's clock and the database's are far apart,
/// only authorization requests are deleted by the time of day.
pub async fn sweep(app: &App) -> Turn {
    let bounded = bound_clients(app).await;
    warn_of_many_clients(app, bounded);
    count_waiting_requests(app).await;
    record(app).await;
    look_after_keys(app).await;
    match app.context.clock.skew_ms() {
        Some(skew_ms) if skew_ms.saturating_abs() > MAX_SKEW_MS => sweep_requests(app).await,
        _ => delete(app).await,
    }
}

/// Writes what was only counted or noted in memory.
async fn record(app: &App) {
    tell_unwritten(app.issuer.uses.write(&app.context.db).await);
    app.issuer.uses.age();
    if let Err(error) = app.report_access_lifetime().await {
        tracing::warn!(%error, "the lifetime of access tokens was not reported");
    }
    match audit_refused_sign_ins(&app.context).await {
        Ok(0) => {}
        Ok(events) => tracing::info!(events, "failed sign-in attempts were written to the audit trail"),
        Err(error) => tracing::warn!(%error, "failed sign-in attempts were not written to the audit trail"),
    }
}

async fn look_after_keys(app: &App) {
    if let Err(error) = sweep_signing_keys(app).await {
        tracing::warn!(%error, "the signing keys were not looked after");
    }
    match announce_expiring_keys(&app.context, &app.issuer.ring, app.signing_rules(), app.sealing_max_age()).await {
        Ok(0) => {}
        Ok(announced) => tracing::info!(announced, "webhooks are told of keys that grow old"),
        Err(error) => tracing::warn!(%error, "webhooks were not told of keys that grow old"),
    }
}

/// Deletes everything that has expired, as much as one turn may.
async fn delete(app: &App) -> Turn {
    let mut is_cut_short = false;
    match forget_expired(&app.context).await {
        Ok(forgotten) if forgotten == Forgotten::default() => {}
        Ok(forgotten @ Forgotten { requests, codes, sessions, families }) => {
            is_cut_short |= forgotten.is_cut_short();
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
            is_cut_short |= is_a_turn(forgotten);
            app.metrics.clients_forgotten.inc_by(forgotten);
            tracing::info!(forgotten, "clients that nobody used were forgotten");
        }
        Err(error) => tracing::warn!(%error, "the sweep did not finish"),
    }
    if is_cut_short { Turn::CutShort } else { Turn::Done }
}

/// A lost authorization request costs its user one more attempt; a table that only grows would cost more.
async fn sweep_requests(app: &App) -> Turn {
    match forget_requests(&app.context).await {
        Ok(requests) if is_a_turn(requests) => Turn::CutShort,
        Ok(_) => Turn::Done,
        Err(error) => {
            tracing::warn!(%error, "the sweep did not finish");
            Turn::Done
        }
    }
}

/// Keeps the number and the size of clients that nobody uses within their bounds.
async fn bound_clients(app: &App) -> Bounded {
    let registrar = &app.registrar;
    match bound_unused_clients(&app.context, &registrar.unused, &registrar.known).await {
        Ok(bounded) => {
            app.metrics.unused_clients.set(saturated(bounded.unused.clients));
            app.metrics.unused_client_bytes.set(saturated(bounded.unused.bytes));
            app.metrics.clients_forgotten.inc_by(bounded.forgotten);
            bounded
        }
        Err(error) => {
            tracing::warn!(%error, "clients that nobody uses were not counted");
            Bounded::default()
        }
    }
}

/// At most once a turn of the timer.
fn warn_of_many_clients(app: &App, Bounded { unused, forgotten }: Bounded) {
    let bounds = app.registrar.unused.bounds();
    if forgotten > 0 || bounds.are_nearly_reached_by(unused) {
        tracing::warn!(
            clients = unused.clients,
            max_clients = bounds.clients,
            bytes = unused.bytes,
            max_bytes = bounds.bytes,
            deleted = forgotten,
            "there are nearly as many unused clients as registration.max_unused_clients and max_unused_bytes allow; beyond \
             them the least recently seen clients are deleted"
        );
    }
}

async fn count_waiting_requests(app: &App) {
    let now = app.context.clock.now();
    match requests::count(&app.context.db, now, app.waiting.counted_up_to()).await {
        Ok(waiting) => {
            app.waiting.set(waiting);
            app.metrics.requests_waiting.set(saturated(waiting));
        }
        Err(error) => tracing::warn!(%error, "authorization requests that wait for their user were not counted"),
    }
}

fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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
