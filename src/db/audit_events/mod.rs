//! The audit trail. An event is inserted in the transaction of the change that it records, and
//! never changed. If an action was renamed later, old events are returned with its current name.

pub mod page;

use serde_json::{Value, json};
use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::audit::action;
use crate::rules::audit::action::StoredAction;
use crate::rules::id::OrgId;
use crate::rules::timestamp::Timestamp;

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
    with_conn!(db, |conn| {
        sqlx::query(
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
    .map(drop)
    })
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
            action: action::current_name(&row.action, &row.subject).to_owned(),
            subject: row.subject,
            before: row.before.map(|Json(value)| value),
            after: row.after.map(|Json(value)| value),
            request_id: row.request_id,
            address: row.address,
        }
    }
}

/// The conditions of a search.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter<'a> {
    /// `None` finds the events of all organizations and of the server itself.
    pub org_id: Option<OrgId>,
    /// `user:ID` also finds actions of the user with a key or a token.
    pub actor: Option<&'a str>,
    /// The names as stored. An empty list finds all actions.
    pub actions: &'a [StoredAction<'a>],
    pub since: Option<Timestamp>,
    pub limit: u32,
}

/// An event with the name of its organization.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedEvent {
    pub event: AuditEvent,
    pub org_name: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    event: Row,
    org_name: Option<String>,
}

/// The argument is the rest of a query of the actions, as `wanted (name, subject)`.
macro_rules! search_events {
    ($wanted:literal) => {
        concat!(
            "SELECT e.id, e.org_id, e.at, e.actor, e.action, e.subject, e.before, e.after, e.request_id, e.address,
                    o.name AS org_name
               FROM audit_events e
               LEFT JOIN orgs o ON o.id = e.org_id
              WHERE ($1 IS NULL OR e.org_id = $1)
                AND ($2 IS NULL OR e.actor = $2 OR substr(e.actor, 1, length($2) + 1) = $2 || ' ')
                AND ($3 IS NULL OR EXISTS (",
            $wanted,
            " WHERE e.action = wanted.name
                           AND substr(e.subject, 1, length(wanted.subject)) = wanted.subject))
                AND ($4 IS NULL OR (e.at >= $4 AND e.id >= $5))
              ORDER BY e.id DESC LIMIT $6"
        )
    };
}

/// Finds events, newest first.
pub async fn search(
    db: impl DbHandle,
    filter: &AuditFilter<'_>,
) -> Result<Vec<ListedEvent>, DbError> {
    let AuditFilter { org_id, actor, actions, since, limit } = filter;
    let first_id = since.map(first_id_since);
    let names: Vec<&str> = actions.iter().map(|action| action.name).collect();
    let subjects: Vec<&str> = actions.iter().map(|action| action.subject).collect();
    let pairs: Value = actions.iter().map(|action| json!([action.name, action.subject])).collect();
    let rows: Vec<ListedRow> = with_conn!(
        db,
        |postgres| sqlx::query_as(search_events!(
            "SELECT 1 FROM UNNEST($3::text[], $7::text[]) AS wanted (name, subject)"
        ))
        .bind(org_id.map(|id| id.0))
        .bind(*actor)
        .bind((!actions.is_empty()).then(|| names.clone()))
        .bind(since.map(Timestamp::seconds))
        .bind(first_id)
        .bind(i64::from(*limit))
        .bind(subjects.clone())
        .fetch_all(postgres)
        .await,
        |sqlite| {
            sqlx::query_as(search_events!(
            "SELECT 1 FROM (SELECT value ->> 0 AS name, value ->> 1 AS subject FROM json_each($3)) AS wanted"
        ))
            .bind(org_id.map(|id| id.0))
            .bind(*actor)
            .bind((!actions.is_empty()).then(|| pairs.to_string()))
            .bind(since.map(Timestamp::seconds))
            .bind(first_id)
            .bind(i64::from(*limit))
            .fetch_all(sqlite)
            .await
        }
    )?;
    Ok(rows
        .into_iter()
        .map(|row| ListedEvent { event: row.event.into(), org_name: row.org_name })
        .collect())
}

/// Returns a lower bound for the primary key, so that a search does not read earlier events. An id
/// begins with its time in milliseconds (RFC 9562 section 5.7), by the clock of the server that
/// created it, so the bound allows for clocks that are up to a day wrong.
fn first_id_since(since: Timestamp) -> Uuid {
    const SLACK: i64 = 86_400;
    const BITS_AFTER_TIME: u32 = 80;
    let millis = u128::try_from(since.minus(SLACK).seconds()).unwrap_or(0) * 1_000;
    Uuid::from_u128(millis.checked_shl(BITS_AFTER_TIME).unwrap_or(u128::MAX))
}
