//! Leases of delivery lanes: claiming and extending them. `releases.rs` releases them.

use uuid::Uuid;

use crate::db::engine::column::json;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::rules::id::{OrgId, WebhookId};
use crate::rules::secret::hex;
use crate::rules::timestamp::Timestamp;

/// The events of one client for one webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    pub webhook_id: WebhookId,
    /// The nil UUID for events that are not about a client.
    pub client_id: Uuid,
}

/// A lane that a server has leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimedLane {
    pub lane: Lane,
    pub org_id: OrgId,
    /// Identifies this lease, because the lane can be claimed again after the lease expires.
    pub holder: Uuid,
    /// Increases with each event that is added.
    pub version: i64,
}

/// Limits for a claim.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRules<'a> {
    pub max_lanes: u32,
    pub max_per_webhook: u32,
    pub max_per_org: u32,
    /// The lanes that the caller already holds. They count towards the limits per webhook and
    /// organization.
    pub held: &'a [ClaimedLane],
}

#[derive(sqlx::FromRow)]
struct ClaimedRow {
    webhook_id: Uuid,
    client_id: Uuid,
    version: i64,
    org_id: Uuid,
}

impl ClaimedRow {
    fn claimed_by(self, holder: Uuid) -> ClaimedLane {
        let lane = Lane { webhook_id: WebhookId(self.webhook_id), client_id: self.client_id };
        ClaimedLane { lane, org_id: OrgId(self.org_id), holder, version: self.version }
    }
}

/// $1 holder, $2 now, $3 end of the lease, $4 maximum of lanes, $5 maximum per webhook, $6 maximum
/// per organization, then the lanes that are already held.
const CLAIM_ON_POSTGRES: &str = "\
    WITH held AS (SELECT * FROM UNNEST($7::uuid[], $8::uuid[]) AS h (webhook_id, org_id)),
    due AS (
      SELECT w.id AS webhook_id, w.org_id, lane.client_id, lane.due_at
        FROM webhooks w
       CROSS JOIN LATERAL (
         SELECT client_id, due_at FROM delivery_lanes l
          WHERE l.webhook_id = w.id AND l.due_at <= $2 AND (l.leased_until IS NULL OR l.leased_until <= $2)
          ORDER BY l.due_at
          LIMIT GREATEST(0, $5 - (SELECT COUNT(*) FROM held WHERE held.webhook_id = w.id))) AS lane),
    ranked AS (
      SELECT due.*, row_number() OVER (PARTITION BY due.org_id ORDER BY due.due_at)
                    + (SELECT COUNT(*) FROM held WHERE held.org_id = due.org_id) AS turn
        FROM due),
    free AS (
      SELECT l.webhook_id, l.client_id, ranked.org_id
        FROM ranked JOIN delivery_lanes l ON l.webhook_id = ranked.webhook_id AND l.client_id = ranked.client_id
       WHERE ranked.turn <= $6 AND l.due_at <= $2 AND (l.leased_until IS NULL OR l.leased_until <= $2)
       ORDER BY ranked.turn, l.due_at LIMIT $4
         FOR NO KEY UPDATE OF l SKIP LOCKED)
    UPDATE delivery_lanes l SET holder = $1, leased_until = $3
      FROM free WHERE l.webhook_id = free.webhook_id AND l.client_id = free.client_id
    RETURNING l.webhook_id, l.client_id, l.version, free.org_id";

const CLAIM_ON_SQLITE: &str = "\
    UPDATE delivery_lanes SET holder = $1, leased_until = $3
     WHERE (webhook_id, client_id) IN (
       SELECT webhook_id, client_id FROM (
         SELECT due.*, row_number() OVER (PARTITION BY org_id ORDER BY due_at)
                       + (SELECT COUNT(*) FROM json_each($7) WHERE unhex(value ->> 1) = org_id) AS org_turn
           FROM (SELECT l.webhook_id, l.client_id, l.due_at, w.org_id,
                        row_number() OVER (PARTITION BY l.webhook_id ORDER BY l.due_at)
                        + (SELECT COUNT(*) FROM json_each($7) WHERE unhex(value ->> 0) = l.webhook_id) AS turn
                   FROM delivery_lanes l JOIN webhooks w ON w.id = l.webhook_id
                  WHERE l.due_at <= $2 AND (l.leased_until IS NULL OR l.leased_until <= $2)) AS due
          WHERE turn <= $5)
       WHERE org_turn <= $6 ORDER BY org_turn, due_at LIMIT $4)
    RETURNING webhook_id, client_id, version,
              (SELECT org_id FROM webhooks w WHERE w.id = webhook_id) AS org_id";

/// Claims lanes that are due. Organizations take turns, so that no organization waits for the
/// backlog of another one. Within an organization, the lanes that have been due longest come first.
/// Lanes that another server is claiming are skipped.
pub async fn claim(
    db: &Db,
    holder: Uuid,
    now: Timestamp,
    leased_until: Timestamp,
    rules: ClaimRules<'_>,
) -> Result<Vec<ClaimedLane>, DbError> {
    let rows: Vec<ClaimedRow> = with_conn!(
        db,
        |postgres| sqlx::query_as(CLAIM_ON_POSTGRES)
            .bind(holder)
            .bind(now.seconds())
            .bind(leased_until.seconds())
            .bind(i64::from(rules.max_lanes))
            .bind(i64::from(rules.max_per_webhook))
            .bind(i64::from(rules.max_per_org))
            .bind(rules.held.iter().map(|held| held.lane.webhook_id.0).collect::<Vec<_>>())
            .bind(rules.held.iter().map(|held| held.org_id.0).collect::<Vec<_>>())
            .fetch_all(postgres)
            .await,
        |sqlite| sqlx::query_as(CLAIM_ON_SQLITE)
            .bind(holder)
            .bind(now.seconds())
            .bind(leased_until.seconds())
            .bind(i64::from(rules.max_lanes))
            .bind(i64::from(rules.max_per_webhook))
            .bind(i64::from(rules.max_per_org))
            .bind(held_as_json(rules))
            .fetch_all(sqlite)
            .await
    )?;
    Ok(rows.into_iter().map(|row| row.claimed_by(holder)).collect())
}

fn held_as_json(rules: ClaimRules<'_>) -> String {
    let hex = |id: Uuid| hex(id.as_bytes());
    let held: Vec<_> =
        rules.held.iter().map(|held| (hex(held.lane.webhook_id.0), hex(held.org_id.0))).collect();
    json(&held)
}

/// Extends the leases of lanes that the caller still holds.
pub async fn extend(db: &Db, held: &[ClaimedLane], leased_until: Timestamp) -> Result<(), DbError> {
    with_conn!(
        db,
        |postgres| {
            sqlx::query(
            "UPDATE delivery_lanes l SET leased_until = $4
               FROM (SELECT l.webhook_id, l.client_id
                       FROM delivery_lanes l
                       JOIN UNNEST($1::uuid[], $2::uuid[], $3::uuid[]) AS mine (webhook_id, client_id, holder)
                         ON l.webhook_id = mine.webhook_id AND l.client_id = mine.client_id AND l.holder = mine.holder
                      ORDER BY l.webhook_id, l.client_id FOR NO KEY UPDATE OF l) AS mine
              WHERE l.webhook_id = mine.webhook_id AND l.client_id = mine.client_id",
        )
        .bind(held.iter().map(|held| held.lane.webhook_id.0).collect::<Vec<_>>())
        .bind(held.iter().map(|held| held.lane.client_id).collect::<Vec<_>>())
        .bind(held.iter().map(|held| held.holder).collect::<Vec<_>>())
        .bind(leased_until.seconds())
        .execute(postgres)
        .await
        .map(drop)
        },
        |sqlite| {
            sqlx::query(
            "UPDATE delivery_lanes SET leased_until = $2
              WHERE (webhook_id, client_id, holder) IN (
                SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2) FROM json_each($1))",
        )
        .bind(json(&held.iter().map(ClaimedLane::as_hex).collect::<Vec<_>>()))
        .bind(leased_until.seconds())
        .execute(sqlite)
        .await
        .map(drop)
        }
    )
}

/// Deletes lanes of deleted webhooks, and at most `limit` deliveries in them. Such rows are written
/// by transactions that ran at the same time as the deletion.
pub async fn delete_orphaned(db: &Db, limit: u32) -> Result<u64, DbError> {
    let deliveries = with_conn!(db, |conn| {
        sqlx::query(
        "DELETE FROM deliveries WHERE (webhook_id, event_id) IN (
           SELECT d.webhook_id, d.event_id
             FROM delivery_lanes l JOIN deliveries d ON d.webhook_id = l.webhook_id AND d.client_id = l.client_id
            WHERE NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.id = l.webhook_id) LIMIT $1)"
    )
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
    })?;
    if deliveries == u64::from(limit) {
        return Ok(deliveries);
    }
    with_conn!(db, |conn| {
        sqlx::query(
        "DELETE FROM delivery_lanes
          WHERE NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.id = delivery_lanes.webhook_id)
            AND NOT EXISTS (SELECT 1 FROM deliveries d
                             WHERE d.webhook_id = delivery_lanes.webhook_id AND d.client_id = delivery_lanes.client_id)"
    )
    .execute(conn)
    .await
    .map(drop)
    })?;
    Ok(deliveries)
}

impl ClaimedLane {
    fn as_hex(&self) -> [String; 3] {
        [self.lane.webhook_id.0, self.lane.client_id, self.holder].map(|id| hex(id.as_bytes()))
    }
}
