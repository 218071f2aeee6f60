//! The transactional outbox: an event is written in the transaction that causes it, so it is sent
//! if and only if that transaction commits.
//!
//! Lanes are the last rows that a transaction locks, in a fixed order. A position is assigned after
//! its lane is locked, and the lock is held until the commit, so the positions of a lane follow the
//! order of the commits, on all servers. Organizations are locked before the lanes, because a
//! change of an organization also locks its row before a lane. The foreign key of the audit table
//! would lock them too late, at the end of the statement. Webhooks are not locked, because all
//! events for a webhook would then wait for each other. An event that is written for a webhook
//! during its deletion is never sent, and is deleted later.

use serde_json::{Value, json};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, SqliteConnection};
use uuid::Uuid;

use crate::db::audit_events;
use crate::db::audit_events::AuditEvent;
use crate::db::engine::column::json;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::with_conn;
use crate::rules::client::ClientId;
use crate::rules::id::{EventId, OrgId};
use crate::rules::secret::hex;
use crate::rules::timestamp::Timestamp;

/// An event to insert, once for each webhook that receives its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    pub id: EventId,
    /// `None` sends the event to the webhooks of all organizations.
    pub org_id: Option<OrgId>,
    pub client_id: Option<ClientId>,
    pub kind: &'static str,
    /// The event data as JSON.
    pub data: String,
}

impl NewEvent {
    fn lane(&self) -> Uuid {
        self.client_id.map_or(Uuid::nil(), ClientId::uuid)
    }

    fn org(&self) -> Option<Uuid> {
        self.org_id.map(|id| id.0)
    }
}

/// Writes events for delivery and `recorded` to the audit trail. On Postgres this is one statement,
/// which should be the last one of its transaction. Nothing is written for events that no webhook
/// receives.
pub async fn enqueue(
    tx: &mut Tx,
    recorded: &[AuditEvent],
    events: &[NewEvent],
    now: Timestamp,
) -> Result<(), DbError> {
    let (of_orgs, of_all): (Vec<&NewEvent>, Vec<&NewEvent>) =
        events.iter().partition(|event| event.org_id.is_some());
    let recorded = with_conn!(
        &mut *tx,
        |postgres| enqueue_on_postgres(postgres, recorded, &of_orgs, &of_all, now).await,
        |sqlite| enqueue_on_sqlite(sqlite, &of_orgs, &of_all, now).await.map(|()| recorded)
    )?;
    for event in recorded {
        audit_events::insert(&mut *tx, event).await?;
    }
    Ok(())
}

/// `event` has the events, `receiver` the webhooks that receive at least one of them, and `target`
/// each pair of an event and a webhook.
macro_rules! enqueue {
    ($recording:expr, $receivers:literal, $condition:literal) => {
        concat!(
            "WITH ",
            $recording,
            "event AS (
               SELECT id, org_id, client_id, kind, data, place
                 FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[]) WITH ORDINALITY
                   AS e (id, org_id, client_id, kind, data, place)),
             receiver AS (
               SELECT w.id, w.org_id, w.event_kinds FROM webhooks w JOIN orgs o ON o.id = w.org_id
                WHERE (w.event_kinds IS NULL OR w.event_kinds ?| $4::text[])",
            $receivers,
            " ORDER BY w.id FOR KEY SHARE OF o),
             target AS (
               SELECT r.id AS webhook_id, e.client_id, e.id AS event_id, e.kind, e.data, e.place
                 FROM event e JOIN receiver r ON (r.event_kinds IS NULL OR r.event_kinds ? e.kind)",
            $condition,
            "),
             lane AS (
               INSERT INTO delivery_lanes (webhook_id, client_id, due_at, version)
               SELECT DISTINCT webhook_id, client_id, $6::bigint, 1 FROM target ORDER BY webhook_id, client_id
               ON CONFLICT (webhook_id, client_id) DO UPDATE
                 SET version = delivery_lanes.version + 1,
                     due_at = COALESCE(delivery_lanes.due_at, excluded.due_at)
               RETURNING webhook_id, client_id)
             INSERT INTO deliveries (webhook_id, client_id, event_id, kind, data, occurred_at, waiting_since)
             SELECT t.webhook_id, t.client_id, t.event_id, t.kind, t.data, $6, $6
               FROM target t JOIN lane l ON l.webhook_id = t.webhook_id AND l.client_id = t.client_id
              ORDER BY t.place, t.webhook_id"
        )
    };
}

const FOR_ORGS: &str = enqueue!("", " AND w.org_id = ANY($2::uuid[])", " AND r.org_id = e.org_id");
const FOR_ALL: &str = enqueue!("", "", "");
const FOR_ORGS_RECORDED: &str = enqueue!(
    "recorded AS (
       INSERT INTO audit_events (id, org_id, at, actor, action, subject, before, after, request_id, address)
       SELECT id, org_id, at, actor, action, subject, before::jsonb, after::jsonb, request_id, address
         FROM UNNEST($7::uuid[], $8::uuid[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::text[],
                     $14::text[], $15::text[], $16::text[])
           AS a (id, org_id, at, actor, action, subject, before, after, request_id, address)),
     ",
    " AND w.org_id = ANY($2::uuid[])",
    " AND r.org_id = e.org_id"
);

/// Returns the part of `recorded` that is not in the audit trail yet.
async fn enqueue_on_postgres<'r>(
    conn: &mut PgConnection,
    recorded: &'r [AuditEvent],
    of_orgs: &[&NewEvent],
    of_all: &[&NewEvent],
    now: Timestamp,
) -> Result<&'r [AuditEvent], sqlx::Error> {
    let mut remaining = recorded;
    if !of_orgs.is_empty() {
        let sql = if recorded.is_empty() { FOR_ORGS } else { FOR_ORGS_RECORDED };
        with_recorded(with_events(sqlx::query(sql), of_orgs, now), recorded)
            .execute(&mut *conn)
            .await?;
        remaining = &[];
    }
    if !of_all.is_empty() {
        with_events(sqlx::query(FOR_ALL), of_all, now).execute(conn).await?;
    }
    Ok(remaining)
}

type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

fn with_events<'q>(query: PgQuery<'q>, events: &[&NewEvent], now: Timestamp) -> PgQuery<'q> {
    let each = || events.iter();
    query
        .bind(each().map(|event| event.id.0).collect::<Vec<_>>())
        .bind(each().map(|event| event.org()).collect::<Vec<_>>())
        .bind(each().map(|event| event.lane()).collect::<Vec<_>>())
        .bind(each().map(|event| event.kind).collect::<Vec<_>>())
        .bind(each().map(|event| event.data.clone()).collect::<Vec<_>>())
        .bind(now.seconds())
}

fn with_recorded<'q>(query: PgQuery<'q>, recorded: &[AuditEvent]) -> PgQuery<'q> {
    if recorded.is_empty() {
        return query;
    }
    let each = || recorded.iter();
    query
        .bind(each().map(|event| event.id).collect::<Vec<_>>())
        .bind(each().map(|event| event.org_id.map(|id| id.0)).collect::<Vec<_>>())
        .bind(each().map(|event| event.at.seconds()).collect::<Vec<_>>())
        .bind(each().map(|event| event.actor.clone()).collect::<Vec<_>>())
        .bind(each().map(|event| event.action.clone()).collect::<Vec<_>>())
        .bind(each().map(|event| event.subject.clone()).collect::<Vec<_>>())
        .bind(each().map(|event| event.before.as_ref().map(json)).collect::<Vec<_>>())
        .bind(each().map(|event| event.after.as_ref().map(json)).collect::<Vec<_>>())
        .bind(each().map(|event| event.request_id.clone()).collect::<Vec<_>>())
        .bind(each().map(|event| event.address.clone()).collect::<Vec<_>>())
}

/// Joins an event `e` with the webhooks that receive it.
macro_rules! targets {
    ($condition:literal) => {
        concat!(
            " FROM json_each($1) e
              JOIN webhooks w ON ",
            $condition,
            " WHERE (w.event_kinds IS NULL
                     OR EXISTS (SELECT 1 FROM json_each(w.event_kinds) k WHERE k.value = e.value ->> 3))"
        )
    };
}

macro_rules! upsert_lanes {
    ($condition:literal) => {
        concat!(
            "INSERT INTO delivery_lanes (webhook_id, client_id, due_at, version)
             SELECT DISTINCT w.id, unhex(e.value ->> 2), $2, 1",
            targets!($condition),
            " ON CONFLICT (webhook_id, client_id) DO UPDATE
                SET version = version + 1, due_at = COALESCE(due_at, excluded.due_at)"
        )
    };
}

macro_rules! insert_deliveries {
    ($condition:literal) => {
        concat!(
            "INSERT INTO deliveries (webhook_id, client_id, event_id, kind, data, occurred_at, waiting_since)
             SELECT w.id, unhex(e.value ->> 2), unhex(e.value ->> 0), e.value ->> 3, e.value ->> 4, $2, $2",
            targets!($condition),
            " ORDER BY e.key, w.id"
        )
    };
}

/// SQLite needs no locks, because it has only one writing transaction at a time.
async fn enqueue_on_sqlite(
    conn: &mut SqliteConnection,
    of_orgs: &[&NewEvent],
    of_all: &[&NewEvent],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    const OF_ORG: [&str; 2] = [
        upsert_lanes!("w.org_id = unhex(e.value ->> 1)"),
        insert_deliveries!("w.org_id = unhex(e.value ->> 1)"),
    ];
    const OF_ANY: [&str; 2] = [upsert_lanes!("TRUE"), insert_deliveries!("TRUE")];
    for (events, [lanes, deliveries]) in [(of_orgs, OF_ORG), (of_all, OF_ANY)] {
        if events.is_empty() {
            continue;
        }
        let rows = as_json_rows(events);
        let upserted =
            sqlx::query(lanes).bind(&rows).bind(now.seconds()).execute(&mut *conn).await?;
        if upserted.rows_affected() > 0 {
            sqlx::query(deliveries).bind(&rows).bind(now.seconds()).execute(&mut *conn).await?;
        }
    }
    Ok(())
}

fn as_json_rows(events: &[&NewEvent]) -> String {
    let hex = |id: Uuid| hex(id.as_bytes());
    let row = |event: &&NewEvent| {
        json!([hex(event.id.0), event.org().map(hex), hex(event.lane()), event.kind, event.data])
    };
    Value::Array(events.iter().map(row).collect()).to_string()
}
