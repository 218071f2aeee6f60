//! Who changed what: added in the transaction of the change itself, never altered. An action that was renamed since reads
//! by its present name.

use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{DbError, DbHandle, with_conn};
use crate::oauth::{OrgId, Timestamp, audit_action};

#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent {
    pub id: Uuid,
    pub org_id: Option<OrgId>,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub request_id: Option<String>,
    pub address: Option<String>,
}

pub async fn insert(db: impl DbHandle, event: &AuditEvent) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO audit_events (id, org_id, at, actor, action, subject, before, after, request_id, address)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    )
    .bind(event.id)
    .bind(event.org_id.map(|id| id.0))
    .bind(event.at.seconds())
    .bind(&event.actor)
    .bind(&event.action)
    .bind(&event.subject)
    .bind(event.before.as_ref().map(Json))
    .bind(event.after.as_ref().map(Json))
    .bind(&event.request_id)
    .bind(&event.address)
    .execute(conn)
    .await
    .map(drop))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    org_id: Option<Uuid>,
    at: i64,
    actor: String,
    action: String,
    subject: String,
    before: Option<Json<Value>>,
    after: Option<Json<Value>>,
    request_id: Option<String>,
    address: Option<String>,
}

impl From<Row> for AuditEvent {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            org_id: row.org_id.map(OrgId),
            at: Timestamp::from_seconds(row.at),
            actor: row.actor,
            action: audit_action::current_name(&row.action).to_owned(),
            subject: row.subject,
            before: row.before.map(|Json(value)| value),
            after: row.after.map(|Json(value)| value),
            request_id: row.request_id,
            address: row.address,
        }
    }
}

/// The newest events of an organisation, oldest first.
pub async fn list(db: impl DbHandle, org_id: OrgId, most: u32) -> Result<Vec<AuditEvent>, DbError> {
    let mut rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT id, org_id, at, actor, action, subject, before, after, request_id, address
           FROM audit_events WHERE org_id = $1 ORDER BY id DESC LIMIT $2"
    )
    .bind(org_id.0)
    .bind(i64::from(most))
    .fetch_all(conn)
    .await)?;
    rows.reverse();
    Ok(rows.into_iter().map(AuditEvent::from).collect())
}

/// The newest events outside every organisation, oldest first.
pub async fn list_of_server(db: impl DbHandle, most: u32) -> Result<Vec<AuditEvent>, DbError> {
    let mut rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT id, org_id, at, actor, action, subject, before, after, request_id, address
           FROM audit_events WHERE org_id IS NULL ORDER BY id DESC LIMIT $1"
    )
    .bind(i64::from(most))
    .fetch_all(conn)
    .await)?;
    rows.reverse();
    Ok(rows.into_iter().map(AuditEvent::from).collect())
}
