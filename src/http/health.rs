//! The management endpoints: liveness, readiness and metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock_sync::MAX_SKEW_MS;
use crate::db::engine::migrate::MigrationState;

/// Liveness: the process responds. It does not check the database, since a restart would not fix
/// that.
pub async fn healthz() -> impl IntoResponse {
    Json(json!({"status": "ok"}))
}

/// Readiness: 200 while the server is neither starting nor stopping, the database accepts writes,
/// and its schema is usable by this version. A newer schema may be usable. `?verbose` adds details.
pub async fn readyz(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let (status, text) = match readiness(&app).await {
        Ok(()) => (StatusCode::OK, "ready"),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason),
    };
    let mut body = json!({"status": text});
    if query.is_some_and(|query| query == "verbose" || query.starts_with("verbose=")) {
        body["version"] = json!(env!("CARGO_PKG_VERSION"));
        body["clock"] = clock(&app);
        body["schema"] = schema(&app).await;
    }
    (status, Json(body))
}

async fn readiness(app: &App) -> Result<(), &'static str> {
    if app.is_stopping() {
        return Err("stopping");
    }
    let db = &app.context.db;
    let state = db.migration_state().await.map_err(no_response)?;
    match state {
        MigrationState::UpToDate | MigrationState::Newer(_) => {}
        MigrationState::Behind if app.is_starting() => {
            return Err("starting: migrations are missing");
        }
        MigrationState::Behind => return Err("migrations are missing: run `grantor migrate up`"),
        MigrationState::Incompatible { .. } => {
            return Err("the schema requires a newer version of grantor");
        }
    }
    if app.is_starting() {
        return Err("starting");
    }
    match db.is_read_only().await.map_err(no_response)? {
        true => Err("the database is read-only"),
        false => Ok(()),
    }
}

fn no_response(cause: impl std::fmt::Display) -> &'static str {
    tracing::warn!(error = %cause, "the database does not answer");
    "the database does not answer"
}

fn clock(app: &App) -> Value {
    let skew_ms = app.context.clock.skew_ms();
    let is_off = skew_ms.is_some_and(|skew_ms| skew_ms.saturating_abs() > MAX_SKEW_MS);
    let warning =
        "this host's clock differs from the database's by more than 30 s: synchronize it with NTP";
    json!({
        "skew_seconds": skew_ms.map(|skew_ms| skew_ms as f64 / 1000.0),
        "warning": is_off.then_some(warning),
    })
}

async fn schema(app: &App) -> Value {
    let Ok(migrations) = app.context.db.migrations().await else { return Value::Null };
    let unknown: Vec<i64> = migrations
        .iter()
        .filter(|migration| !migration.known)
        .map(|migration| migration.version)
        .collect();
    let missing: Vec<i64> = migrations
        .iter()
        .filter(|migration| !migration.applied)
        .map(|migration| migration.version)
        .collect();
    json!({"missing_migrations": missing, "unknown_migrations": unknown})
}

pub async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    app.metrics.pool(app.context.db.pool_state());
    app.metrics
        .registrations_waiting
        .set(i64::try_from(app.registrar.writer.waiting()).unwrap_or(i64::MAX));
    let (pending_bodies, pending_bytes) = app.intake.pending();
    app.metrics.intake(app.intake.in_flight(), pending_bodies, pending_bytes);
    (
        [(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
        app.metrics.to_text(),
    )
}
