//! Deliveries of events to webhooks. `outbox.rs` writes them.
//!
//! Deliveries wait in lanes. A lane contains the events of one client for one webhook. A server
//! leases a lane, so that no other server sends from it and its events are sent in order. If the
//! server disappears, the lease expires and another server claims the lane. Events that were sent
//! but not recorded are then sent again.

use std::collections::HashMap;

use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::db::webhooks::lanes::Lane;
use crate::rules::id::{EventId, WebhookId};
use crate::rules::timestamp::Timestamp;

/// A delivery that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingDelivery {
    /// The order within the lane.
    pub position: i64,
    pub event_id: EventId,
    pub kind: String,
    /// The event data as JSON.
    pub data: String,
    pub occurred_at: Timestamp,
    pub waiting_since: Timestamp,
    pub attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    Delivered,
    Parked,
}

impl State {
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Parked];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Parked => "parked",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// The result of an attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptResult {
    pub event_id: EventId,
    pub state: State,
    pub attempts: u32,
    pub at: Timestamp,
    pub status: Option<u16>,
    pub failure: Option<String>,
}

#[derive(sqlx::FromRow)]
struct WaitingRow {
    webhook_id: Uuid,
    client_id: Uuid,
    position: i64,
    event_id: Uuid,
    kind: String,
    data: String,
    occurred_at: i64,
    waiting_since: i64,
    attempts: i64,
}

impl From<WaitingRow> for WaitingDelivery {
    fn from(row: WaitingRow) -> Self {
        Self {
            position: row.position,
            event_id: EventId(row.event_id),
            kind: row.kind,
            data: row.data,
            occurred_at: Timestamp::from_seconds(row.occurred_at),
            waiting_since: Timestamp::from_seconds(row.waiting_since),
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
        }
    }
}

/// Lists the first waiting deliveries of each lane, in order.
pub async fn list_waiting(
    db: &Db,
    lanes: &[Lane],
    limit_per_lane: u32,
) -> Result<HashMap<Lane, Vec<WaitingDelivery>>, DbError> {
    let mut waiting = HashMap::<Lane, Vec<WaitingDelivery>>::with_capacity(lanes.len());
    let mut add = |row: WaitingRow| {
        let lane = Lane { webhook_id: WebhookId(row.webhook_id), client_id: row.client_id };
        waiting.entry(lane).or_default().push(row.into());
    };
    if db.is_postgres() {
        list_of_lanes(db, lanes, limit_per_lane).await?.into_iter().for_each(add);
    } else {
        for lane in lanes {
            list_of_lane(db, *lane, limit_per_lane).await?.into_iter().for_each(&mut add);
        }
    }
    Ok(waiting)
}

async fn list_of_lanes(
    db: &Db,
    lanes: &[Lane],
    limit_per_lane: u32,
) -> Result<Vec<WaitingRow>, DbError> {
    read_with_conn!(
        db,
        |postgres| {
            sqlx::query_as(
            "SELECT d.webhook_id, d.client_id, d.position, d.event_id, d.kind, d.data, d.occurred_at, d.waiting_since,
                    d.attempts
               FROM UNNEST($1::uuid[], $2::uuid[]) AS lane (webhook_id, client_id)
              CROSS JOIN LATERAL (
                SELECT * FROM deliveries
                 WHERE webhook_id = lane.webhook_id AND client_id = lane.client_id AND state = 'waiting'
                 ORDER BY position LIMIT $3) AS d
              ORDER BY d.position",
        )
        .bind(lanes.iter().map(|lane| lane.webhook_id.0).collect::<Vec<_>>())
        .bind(lanes.iter().map(|lane| lane.client_id).collect::<Vec<_>>())
        .bind(i64::from(limit_per_lane))
        .fetch_all(postgres)
        .await
        },
        |_sqlite| Ok(Vec::new())
    )
}

async fn list_of_lane(db: &Db, lane: Lane, limit: u32) -> Result<Vec<WaitingRow>, DbError> {
    read_with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT webhook_id, client_id, position, event_id, kind, data, occurred_at, waiting_since, attempts
           FROM deliveries WHERE webhook_id = $1 AND client_id = $2 AND state = 'waiting' ORDER BY position LIMIT $3"
    )
    .bind(lane.webhook_id.0)
    .bind(lane.client_id)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await
    })
}

/// A delivery as shown to operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub event_id: EventId,
    /// `None` if the event is not about a client.
    pub client_id: Option<Uuid>,
    pub kind: String,
    pub occurred_at: Timestamp,
    pub state: State,
    pub attempts: u32,
    pub attempted_at: Option<Timestamp>,
    pub status: Option<u16>,
    pub failure: Option<String>,
    pub finished_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    event_id: Uuid,
    client_id: Uuid,
    kind: String,
    occurred_at: i64,
    state: String,
    attempts: i64,
    attempted_at: Option<i64>,
    status: Option<i64>,
    failure: Option<String>,
    finished_at: Option<i64>,
}

impl TryFrom<Row> for Delivery {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let state = State::parse(&row.state).ok_or_else(|| {
            DbError::corrupt("deliveries", "state", "this version does not know the state")
        })?;
        Ok(Self {
            event_id: EventId(row.event_id),
            client_id: (!row.client_id.is_nil()).then_some(row.client_id),
            kind: row.kind,
            occurred_at: Timestamp::from_seconds(row.occurred_at),
            state,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            attempted_at: row.attempted_at.map(Timestamp::from_seconds),
            status: row.status.and_then(|status| u16::try_from(status).ok()),
            failure: row.failure,
            finished_at: row.finished_at.map(Timestamp::from_seconds),
        })
    }
}

macro_rules! list {
    ($of_state:literal) => {
        concat!(
            "SELECT event_id, client_id, kind, occurred_at, state, attempts, attempted_at, status, failure, finished_at
               FROM deliveries WHERE webhook_id = $1 AND ($2 IS NULL OR event_id < $2)",
            $of_state,
            " ORDER BY event_id DESC LIMIT $3"
        )
    };
}

/// Lists the deliveries of a webhook, newest first, in one state or all, optionally only those
/// before an event.
pub async fn list(
    db: impl DbHandle,
    webhook_id: WebhookId,
    state: Option<State>,
    before: Option<EventId>,
    limit: u32,
) -> Result<Vec<Delivery>, DbError> {
    let sql = match state {
        None => list!(""),
        Some(State::Waiting) => list!(" AND state = 'waiting'"),
        Some(State::Delivered) => list!(" AND state = 'delivered'"),
        Some(State::Parked) => list!(" AND state = 'parked'"),
    };
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(sql)
        .bind(webhook_id.0)
        .bind(before.map(|id| id.0))
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await)?;
    rows.into_iter().map(Delivery::try_from).collect()
}

/// Deletes at most `limit` deliveries of a webhook, so that deleting the webhook itself is quick.
pub async fn delete_batch(db: &Db, webhook_id: WebhookId, limit: u32) -> Result<u64, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "DELETE FROM deliveries WHERE webhook_id = $1 AND event_id IN (
           SELECT event_id FROM deliveries WHERE webhook_id = $1 LIMIT $2)"
    )
    .bind(webhook_id.0)
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}

/// Queues one or all parked deliveries of a webhook again, before later ones. Their lanes become
/// due immediately, even during a retry pause, because the cause of the failures was probably
/// fixed. Returns the number of deliveries.
pub async fn replay(
    tx: &mut Tx,
    webhook_id: WebhookId,
    event_id: Option<EventId>,
    now: Timestamp,
) -> Result<u64, DbError> {
    // Lanes are locked before deliveries, in the same order as everywhere.
    with_conn!(&mut *tx, |conn| sqlx::query(
        "INSERT INTO delivery_lanes (webhook_id, client_id, due_at, version)
         SELECT DISTINCT webhook_id, client_id, CAST($3 AS BIGINT), 1 FROM deliveries
          WHERE webhook_id = $1 AND state = 'parked' AND ($2 IS NULL OR event_id = $2)
          ORDER BY webhook_id, client_id
         ON CONFLICT (webhook_id, client_id) DO UPDATE
            SET version = delivery_lanes.version + 1, due_at = EXCLUDED.due_at"
    )
    .bind(webhook_id.0)
    .bind(event_id.map(|id| id.0))
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))?;
    with_conn!(tx, |conn| {
        sqlx::query(
        "UPDATE deliveries SET state = 'waiting', attempts = 0, waiting_since = $3, finished_at = NULL
          WHERE webhook_id = $1 AND state = 'parked' AND ($2 IS NULL OR event_id = $2)"
    )
    .bind(webhook_id.0)
    .bind(event_id.map(|id| id.0))
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
    })
}

/// Deletes at most `limit` deliveries that were delivered, or parked, before a time.
pub async fn delete_finished(
    db: &Db,
    state: State,
    before: Timestamp,
    limit: u32,
) -> Result<u64, DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "DELETE FROM deliveries WHERE (webhook_id, event_id) IN (
           SELECT webhook_id, event_id FROM deliveries WHERE finished_at < $1 AND state = $2 ORDER BY finished_at LIMIT $3)
         AND finished_at < $1 AND state = $2"
    )
    .bind(before.seconds())
    .bind(state.as_str())
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
    })
}
