//! For whoever runs the server: is it alive, may it be sent requests, what has it counted.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::json;

use crate::app::App;
use crate::db::MigrationState;

/// The process answers. Says nothing about the database: a restart does not bring that back.
pub async fn healthz() -> impl IntoResponse {
    Json(json!({"status": "ok"}))
}

/// Requests will be answered: not stopping, the database is there, and its schema is the one this program knows.
pub async fn readyz(State(app): State<Arc<App>>) -> impl IntoResponse {
    let (status, why) = match readiness(&app).await {
        Ok(()) => (StatusCode::OK, "ready"),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    };
    (status, Json(json!({"status": why})))
}

async fn readiness(app: &App) -> Result<(), &'static str> {
    if app.is_stopping() {
        return Err("stopping");
    }
    match app.context.db.migration_state().await {
        Ok(MigrationState::UpToDate) => Ok(()),
        Ok(MigrationState::Behind) => Err("migrations are missing: run `grantor migrate up`"),
        Ok(MigrationState::Newer(_)) => Err("the schema is newer than this version of grantor"),
        Err(cause) => {
            tracing::warn!(error = %cause, "the database does not answer");
            Err("the database does not answer")
        }
    }
}

pub async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    app.metrics.pool(app.context.db.pool_state());
    app.metrics.registrations_waiting.set(i64::try_from(app.registrar.writer.waiting()).unwrap_or(i64::MAX));
    app.metrics.intake(app.intake.in_flight(), app.intake.pending());
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], app.metrics.to_text())
}
