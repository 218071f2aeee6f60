//! Deletes expired rows in small batches on a timer, and rotates old signing keys.

use std::sync::Arc;
use std::time::Duration;

use crate::actions::clients::forget::{Bounded, bound_unused_clients, forget_clients};
use crate::actions::sealing_keys::announce::announce_sealing_key;
use crate::actions::sign_in::audit_refused::audit_refused_sign_ins;
use crate::actions::signing_keys::announce::announce_signing_keys;
use crate::actions::signing_keys::rotate::{forget_signing_keys, rotate_aged_signing_keys};
use crate::actions::upkeep::forget_expired::{
    Forgotten, forget_deliveries, forget_expired, forget_requests, is_full_run,
};
use crate::app::{App, seconds};
use crate::db::authorizations::requests;
use crate::db::engine::error::DbError;
use crate::signing::SigningError;

/// Expired rows are deleted within about a minute.
const INTERVAL: Duration = Duration::from_secs(60);
/// First uses of tokens within this time are written together.
const BATCH_WINDOW: Duration = Duration::from_secs(1);
/// With a larger difference, only authorization requests are deleted. Every server uses the time of
/// the database, so a wrong host is harmless. But the clock of the database may be wrong, for
/// example after a failover, and deleted rows do not come back when it is corrected.
const MAX_SKEW_MS: i64 = 3_600_000;

pub async fn sweep_until_stopped(app: Arc<App>) {
    let mut timer = tokio::time::interval(INTERVAL);
    loop {
        tokio::select! {
            _ = timer.tick() => sweep_until_done(&app).await,
            () = app.registrar.unused.too_many() => { bound_clients(&app).await; }
            () = app.issuer.uses.wait_for_first_use() => write_first_uses(&app).await,
            () = app.stop.stopped() => return,
        }
    }
}

/// Sweeps until nothing is left to delete, so that the sweeper keeps up with any load.
async fn sweep_until_done(app: &App) {
    while sweep(app).await == SweepOutcome::CutShort && !app.is_stopping() {}
}

/// The outcome of a sweep. Each sweep has a limit, so that it does not delay other tasks for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepOutcome {
    Done,
    /// There may be more to delete, so the next sweep follows at once.
    CutShort,
}

/// Sweeps once. Failures are logged and left to the next sweep. While the clocks of this host and
/// the database differ too much, only expired authorization requests are deleted.
pub async fn sweep(app: &App) -> SweepOutcome {
    let bounded = bound_clients(app).await;
    warn_of_many_clients(app, bounded);
    count_waiting_requests(app).await;
    record(app).await;
    maintain_keys(app).await;
    match app.context.clock.skew_ms() {
        Some(skew_ms) if skew_ms.saturating_abs() > MAX_SKEW_MS => sweep_requests(app).await,
        _ => delete(app).await,
    }
}

/// Stores what was counted or noted in memory.
async fn record(app: &App) {
    log_unwritten(app.issuer.uses.write(&app.context.db).await);
    app.issuer.uses.expire_written();
    if let Err(error) = app.key_uses.write(&app.context.db).await {
        tracing::warn!(%error, "could not store when keys were last used");
    }
    if let Err(error) = app.report_access_lifetime().await {
        tracing::warn!(%error, "could not report the lifetime of access tokens");
    }
    match audit_refused_sign_ins(&app.context).await {
        Ok(0) => {}
        Ok(events) => {
            tracing::info!(events, "failed sign-in attempts were written to the audit trail")
        }
        Err(error) => {
            tracing::warn!(%error, "could not write failed sign-in attempts to the audit trail");
        }
    }
}

async fn maintain_keys(app: &App) {
    if let Err(error) = sweep_signing_keys(app).await {
        tracing::warn!(%error, "could not rotate or delete signing keys");
    }
    match announce_expiring_keys(app).await {
        Ok(0) => {}
        Ok(announced) => tracing::info!(announced, "expiring keys were announced to webhooks"),
        Err(error) => tracing::warn!(%error, "could not announce expiring keys to webhooks"),
    }
}

/// Deletes expired rows, up to the limit of one sweep.
async fn delete(app: &App) -> SweepOutcome {
    let mut is_cut_short = false;
    match forget_expired(&app.context).await {
        Ok(forgotten) if forgotten == Forgotten::default() => {}
        Ok(forgotten @ Forgotten { requests, codes, sessions, families }) => {
            is_cut_short |= forgotten.is_cut_short();
            tracing::debug!(requests, codes, sessions, families, "expired rows were deleted");
        }
        Err(error) => tracing::warn!(%error, "could not delete expired rows"),
    }
    let webhooks = &app.config.webhooks;
    let parked = (webhooks.keep_parked > 0).then(|| seconds(webhooks.keep_parked));
    match forget_deliveries(&app.context, seconds(webhooks.keep_delivered), parked).await {
        Ok(0) => {}
        Ok(deliveries) => tracing::debug!(deliveries, "old webhook deliveries were deleted"),
        Err(error) => tracing::warn!(%error, "could not delete old webhook deliveries"),
    }
    match forget_clients(&app.context, app.forget_after()).await {
        Ok(0) => {}
        Ok(forgotten) => {
            is_cut_short |= is_full_run(forgotten);
            app.metrics.clients_forgotten.inc_by(forgotten);
            tracing::info!(forgotten, "unused clients were deleted");
        }
        Err(error) => tracing::warn!(%error, "could not delete unused clients"),
    }
    if is_cut_short { SweepOutcome::CutShort } else { SweepOutcome::Done }
}

/// A lost authorization request costs its user one more attempt; a table that only grows would cost
/// more.
async fn sweep_requests(app: &App) -> SweepOutcome {
    match forget_requests(&app.context).await {
        Ok(requests) if is_full_run(requests) => SweepOutcome::CutShort,
        Ok(_) => SweepOutcome::Done,
        Err(error) => {
            tracing::warn!(%error, "could not delete expired authorization requests");
            SweepOutcome::Done
        }
    }
}

/// Keeps the number and the size of unused clients within their bounds.
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
            tracing::warn!(%error, "could not count unused clients");
            Bounded::default()
        }
    }
}

/// Logs a warning, at most once per sweep.
fn warn_of_many_clients(app: &App, Bounded { unused, forgotten }: Bounded) {
    let bounds = app.registrar.unused.bounds();
    if forgotten > 0 || bounds.are_nearly_reached_by(unused) {
        tracing::warn!(
            clients = unused.clients,
            max_clients = bounds.clients,
            bytes = unused.bytes,
            max_bytes = bounds.bytes,
            deleted = forgotten,
            "the unused clients almost reach registration.max_unused_clients or max_unused_bytes; \
             beyond these limits, the least recently seen clients are deleted"
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
        Err(error) => tracing::warn!(%error, "could not count pending authorization requests"),
    }
}

fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Waits for more first uses, so that they are written together.
async fn write_first_uses(app: &App) {
    tokio::time::sleep(BATCH_WINDOW).await;
    log_unwritten(app.issuer.uses.write_first_uses(&app.context.db).await);
}

fn log_unwritten(written: Result<(), DbError>) {
    if let Err(error) = written {
        tracing::warn!(%error, "could not store when tokens were last used");
    }
}

async fn announce_expiring_keys(app: &App) -> Result<usize, DbError> {
    let signing = announce_signing_keys(&app.context, app.signing_rules()).await?;
    let sealing = announce_sealing_key(&app.context, app.sealing_max_age()).await?;
    Ok(signing + sealing)
}

async fn sweep_signing_keys(app: &App) -> Result<(), SigningError> {
    let rules = app.signing_rules();
    let created = rotate_aged_signing_keys(&app.context, rules).await?;
    let forgotten = forget_signing_keys(&app.context, rules).await?;
    if created.is_some() || forgotten > 0 {
        app.issuer.signing.reload().await?;
    }
    Ok(())
}
