//! Webhooks inserted directly, and their waiting events.

use grantor::rules::id::OrgId;
use grantor::sealing::{KeyRing, Place, seal};
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use super::{START, TestApp};

/// One event for one webhook.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Delivery {
    pub position: i64,
    pub webhook_id: Uuid,
    pub client_id: Uuid,
    pub event_id: Uuid,
    pub kind: String,
    pub data: String,
    pub occurred_at: i64,
    pub waiting_since: i64,
    pub state: String,
}

impl Delivery {
    pub fn data(&self) -> Value {
        serde_json::from_str(&self.data).expect("JSON")
    }
}

#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Lane {
    pub webhook_id: Uuid,
    pub client_id: Uuid,
    pub due_at: Option<i64>,
    pub version: i64,
}

pub fn webhook_id(number: u64) -> Uuid {
    Uuid::from_u64_pair(7, number)
}

/// Inserts a webhook. Without `kinds`, it gets all events.
pub async fn insert_webhook(app: &TestApp, number: u64, org_id: OrgId, kinds: Option<&[&str]>) {
    const INSERT: &str = "INSERT INTO webhooks (id, org_id, name, url, encode_as, event_kinds, signing_secret_sealed,
                                                key_id, created_at, modified_at)
                          VALUES ($1, $2, $3, 'https://receiver.example/', 'json', $4, $5, 'development', $6, $6)";
    let kinds = kinds.map(sqlx::types::Json);
    let row = webhook_id(number).to_string();
    let place =
        Place { table: "webhooks", column: "signing_secret_sealed", row: &row, org: Some(org_id) };
    let sealed = seal(&KeyRing::development(), &app.context().random, place, b"whsec_AQEB").bytes;
    on_connection!(&app.target.location, |conn| sqlx::query(INSERT)
        .bind(webhook_id(number))
        .bind(org_id.0)
        .bind(format!("Webhook {number}"))
        .bind(kinds)
        .bind(sealed)
        .bind(START.seconds())
        .execute(conn)
        .await
        .map(drop))
    .expect("is inserted");
}

/// An event that has been waiting, delivered or parked since [`START`]. It has no lane, so no
/// server sends it.
pub async fn insert_delivery(
    app: &TestApp,
    webhook_id: Uuid,
    client_id: Uuid,
    event_id: Uuid,
    state: &str,
) {
    const INSERT: &str =
        "INSERT INTO deliveries (webhook_id, client_id, event_id, kind, data, occurred_at, waiting_since,
                                                  state, attempts, attempted_at, status, failure, finished_at)
                          VALUES ($1, $2, $3, 'grant.given', '{}', $4, $4, $5, $6, $7, $8, $9, $7)";
    let (at, status, failure) = match state {
        "waiting" => (None, None, None),
        "delivered" => (Some(START.seconds()), Some(204), None),
        _ => (Some(START.seconds()), Some(500), Some("the receiver returned 500")),
    };
    on_connection!(&app.target.location, |conn| sqlx::query(INSERT)
        .bind(webhook_id)
        .bind(client_id)
        .bind(event_id)
        .bind(START.seconds())
        .bind(state)
        .bind(i64::from(at.is_some()))
        .bind(at)
        .bind(status.map(i64::from))
        .bind(failure)
        .execute(conn)
        .await
        .map(drop))
    .expect("is inserted");
}

/// All deliveries by position.
pub async fn deliveries(app: &TestApp) -> Vec<Delivery> {
    const SELECT: &str =
        "SELECT position, webhook_id, client_id, event_id, kind, data, occurred_at, waiting_since, state
                            FROM deliveries ORDER BY position";
    on_connection!(&app.target.location, |conn| sqlx::query_as(SELECT).fetch_all(conn).await)
        .expect("are listed")
}

pub async fn lanes(app: &TestApp) -> Vec<Lane> {
    const SELECT: &str = "SELECT webhook_id, client_id, due_at, version FROM delivery_lanes ORDER BY webhook_id, client_id";
    on_connection!(&app.target.location, |conn| sqlx::query_as(SELECT).fetch_all(conn).await)
        .expect("are listed")
}

/// Kind and data of all deliveries, by position.
pub async fn queued_events(app: &TestApp) -> Vec<(String, Value)> {
    deliveries(app)
        .await
        .into_iter()
        .map(|delivery| (delivery.kind.clone(), delivery.data()))
        .collect()
}

pub async fn kinds(app: &TestApp) -> Vec<String> {
    deliveries(app).await.into_iter().map(|delivery| delivery.kind).collect()
}
