//! Removes what has expired, in small batches, on a timer; and compares the clocks while it is at it.

use std::sync::Arc;
use std::time::Duration;

use crate::actions::forget_clients;
use crate::app::App;

const EVERY: Duration = Duration::from_secs(600);
/// Beyond this the times of tokens and of rows disagree noticeably.
const CLOCKS_MAY_DIFFER_MS: i64 = 1_000;

pub async fn sweep_until_stopped(app: Arc<App>) {
    let mut timer = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            _ = timer.tick() => sweep(&app).await,
            () = app.stop.stopped() => return,
        }
    }
}

/// One round. A failure is logged and left to the next round.
pub async fn sweep(app: &App) {
    match forget_clients(&app.context, app.forget_after()).await {
        Ok(0) => {}
        Ok(forgotten) => {
            app.metrics.clients_forgotten.inc_by(forgotten);
            tracing::info!(forgotten, "clients that nobody used were forgotten");
        }
        Err(error) => tracing::warn!(%error, "the sweep did not finish"),
    }
    compare_clocks(app).await;
}

async fn compare_clocks(app: &App) {
    let Ok(theirs) = app.context.db.unix_millis().await else { return };
    let ours = i64::try_from(app.context.clock.unix_millis()).unwrap_or(i64::MAX);
    let skew_ms = ours.saturating_sub(theirs);
    app.metrics.clock_skew.set(skew_ms as f64 / 1000.0);
    if skew_ms.abs() > CLOCKS_MAY_DIFFER_MS {
        tracing::warn!(skew_ms, "this host's clock and the database's differ: synchronise them");
    }
}
