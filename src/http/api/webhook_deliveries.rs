//! `…/webhooks/{webhook_name}/deliveries`: the waiting, delivered and parked deliveries of a
//! webhook. Parked ones can be replayed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::actions::webhooks::replay_deliveries::replay_deliveries;
use crate::app::App;
use crate::db::webhooks;
use crate::db::webhooks::deliveries::Delivery;
use crate::db::webhooks::{Webhook, deliveries};
use crate::http::error::ApiError;
use crate::http::extract::{Caller, Integrations, Named, NamedWithId, Query};
use crate::rules::id::{EventId, OrgId};

pub const DEFAULT_SIZE: u32 = 100;
pub const MAX_SIZE: u32 = 1_000;

/// Lists deliveries, newest first. `before` is the id of the last delivery on the previous page.
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    Named(name): Named,
    Query(query): Query,
) -> Result<Json<Value>, ApiError> {
    let state = query.get("state").map(deliveries::State::parse);
    let state = state.map(|state| {
        state.ok_or_else(|| {
            ApiError::bad_parameter("state", "state must be waiting, delivered or parked")
        })
    });
    let before = query.get("before").map(|id| {
        parse_id(id)
            .ok_or_else(|| ApiError::bad_parameter("before", "before must be the id of a delivery"))
    });
    let size = match query.get("page_size").map(str::parse) {
        None => DEFAULT_SIZE,
        Some(Ok(size @ 1..=MAX_SIZE)) => size,
        Some(_) => {
            let detail = format!("page_size must be a whole number from 1 to {MAX_SIZE}");
            return Err(ApiError::bad_parameter("page_size", detail));
        }
    };
    let webhook = find_webhook(&app, caller.org_id, &name).await?;
    let listed = deliveries::list(
        &app.context.db,
        webhook.id,
        state.transpose()?,
        before.transpose()?,
        size,
    )
    .await?;
    let data: Vec<Value> = listed.iter().map(resource).collect();
    Ok(Json(json!({"data": data})))
}

pub async fn replay_one(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    NamedWithId { name, id }: NamedWithId,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let webhook = find_webhook(&app, caller.org_id, &name).await?;
    let event_id = parse_id(&id).ok_or(ApiError::NoSuchDelivery)?;
    match replay_deliveries(&app.context, &webhook, Some(event_id), &caller.by()).await? {
        0 => Err(ApiError::NoSuchDelivery),
        replayed => Ok(accepted(replayed)),
    }
}

/// Replays all parked deliveries of the webhook.
pub async fn replay(
    State(app): State<Arc<App>>,
    caller: Caller<Integrations>,
    Named(name): Named,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let webhook = find_webhook(&app, caller.org_id, &name).await?;
    Ok(accepted(replay_deliveries(&app.context, &webhook, None, &caller.by()).await?))
}

async fn find_webhook(app: &App, org_id: OrgId, name: &str) -> Result<Webhook, ApiError> {
    webhooks::find(&app.context.db, org_id, name).await?.ok_or(ApiError::NoSuchWebhook)
}

fn parse_id(id: &str) -> Option<EventId> {
    Uuid::try_parse(id).ok().map(EventId)
}

fn accepted(replayed: u64) -> (StatusCode, Json<Value>) {
    (StatusCode::ACCEPTED, Json(json!({"meta": {"replayed": replayed}})))
}

fn resource(delivery: &Delivery) -> Value {
    let at = |at: Option<crate::rules::timestamp::Timestamp>| at.map(|at| at.to_rfc3339());
    json!({
        "id": delivery.event_id,
        "type": "webhook_deliveries",
        "attributes": {
            "event": delivery.kind,
            "client_id": delivery.client_id,
            "occurred_at": delivery.occurred_at.to_rfc3339(),
            "state": delivery.state.as_str(),
            "attempts": delivery.attempts,
            "attempted_at": at(delivery.attempted_at),
            "status": delivery.status,
            "failure": delivery.failure,
            "finished_at": at(delivery.finished_at),
        },
    })
}
