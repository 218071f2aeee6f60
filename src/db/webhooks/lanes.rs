//! Leases of delivery lanes: claiming, extending, and releasing them with the results of the
//! attempts.

use std::collections::HashSet;

use uuid::Uuid;

use crate::db::engine::batching::{Batcher, fail_all};
use crate::db::engine::column::json;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, with_conn};
use crate::db::webhooks::deliveries::{AttemptResult, State};
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
    let held: Vec<_> = rules.held.iter().map(|held| (hex(held.lane.webhook_id.0), hex(held.org_id.0))).collect();
    json(&held)
}

/// Extends the leases of lanes that the caller still holds.
pub async fn extend(db: &Db, held: &[ClaimedLane], leased_until: Timestamp) -> Result<(), DbError> {
    with_conn!(
        db,
        |postgres| sqlx::query(
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
        .map(drop),
        |sqlite| sqlx::query(
            "UPDATE delivery_lanes SET leased_until = $2
              WHERE (webhook_id, client_id, holder) IN (
                SELECT unhex(value ->> 0), unhex(value ->> 1), unhex(value ->> 2) FROM json_each($1))",
        )
        .bind(json(&held.iter().map(ClaimedLane::as_hex).collect::<Vec<_>>()))
        .bind(leased_until.seconds())
        .execute(sqlite)
        .await
        .map(drop)
    )
}

/// Deletes lanes of deleted webhooks, and at most `limit` deliveries in them. Such rows are written
/// by transactions that ran at the same time as the deletion.
pub async fn delete_orphaned(db: &Db, limit: u32) -> Result<u64, DbError> {
    let deliveries = with_conn!(db, |conn| sqlx::query(
        "DELETE FROM deliveries WHERE (webhook_id, event_id) IN (
           SELECT d.webhook_id, d.event_id
             FROM delivery_lanes l JOIN deliveries d ON d.webhook_id = l.webhook_id AND d.client_id = l.client_id
            WHERE NOT EXISTS (SELECT 1 FROM webhooks w WHERE w.id = l.webhook_id) LIMIT $1)"
    )
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))?;
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

/// A lane to release, with the results of its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub claimed: ClaimedLane,
    pub attempted: Vec<AttemptResult>,
    /// When the lane is due again. `None` if nothing is left; it is then due only if an event was
    /// added in the meantime.
    pub due_at: Option<Timestamp>,
    pub now: Timestamp,
}

/// Whether the caller still held the lane. If not, nothing is recorded, and another server sends
/// the same events again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    Recorded,
    Lost,
}

/// Records the results of attempts and releases their lanes, many lanes per statement.
#[derive(Clone, Debug)]
pub struct LaneReleases(Batcher<Release, Released>);

const MAX_QUEUED_RELEASES: usize = 10_000;

impl LaneReleases {
    /// Must be called from within a Tokio runtime.
    pub fn start(db: Db) -> Self {
        Self(Batcher::start(MAX_QUEUED_RELEASES, 1, move |releases: Vec<Release>| {
            let db = db.clone();
            async move {
                let count = releases.len();
                match release(&db, releases).await {
                    Ok(released) => released.into_iter().map(Ok).collect(),
                    Err(error) => fail_all(count, error),
                }
            }
        }))
    }

    pub async fn release(&self, release: Release) -> Result<Released, DbError> {
        self.0.submit(release).await
    }
}

/// Returns one outcome per release, in the same order.
async fn release(db: &Db, releases: Vec<Release>) -> Result<Vec<Released>, DbError> {
    let recorded = if db.is_postgres() {
        release_batch(db, &releases).await?
    } else {
        let mut tx = db.begin().await?;
        let mut recorded = Vec::new();
        for release in &releases {
            if release_one(&mut tx, release).await? {
                recorded.push(release.claimed.lane);
            }
        }
        tx.commit().await?;
        recorded
    };
    let recorded: HashSet<Lane> = recorded.into_iter().collect();
    let released =
        |release: &Release| if recorded.contains(&release.claimed.lane) { Released::Recorded } else { Released::Lost };
    Ok(releases.iter().map(released).collect())
}

/// Locks the lanes in the order of their keys, as `outbox.rs` does. Returns the lanes that the
/// callers still held.
async fn release_batch(db: &Db, releases: &[Release]) -> Result<Vec<Lane>, DbError> {
    let lanes = || releases.iter().map(|release| release.claimed.lane);
    let attempted = || {
        releases.iter().flat_map(|release| release.attempted.iter().map(move |result| (release.claimed.lane, result)))
    };
    let rows: Vec<(Uuid, Uuid)> = with_conn!(
        db,
        |postgres| {
            sqlx::query_as(
            "WITH given AS (
               SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[])
                 AS g (holder, webhook_id, client_id, version, due_at, now)),
             held AS (
               SELECT l.webhook_id, l.client_id FROM delivery_lanes l
                 JOIN given g ON l.webhook_id = g.webhook_id AND l.client_id = g.client_id AND l.holder = g.holder
                ORDER BY l.webhook_id, l.client_id FOR NO KEY UPDATE OF l),
             noted AS (
               UPDATE deliveries d
                  SET state = a.state, attempts = a.attempts, attempted_at = a.at, status = a.status, failure = a.failure,
                      finished_at = CASE WHEN a.state <> 'waiting' THEN a.at END
                 FROM UNNEST($7::uuid[], $8::uuid[], $9::uuid[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[],
                             $14::text[]) AS a (webhook_id, client_id, event_id, state, attempts, at, status, failure)
                 JOIN held ON held.webhook_id = a.webhook_id AND held.client_id = a.client_id
                WHERE d.webhook_id = a.webhook_id AND d.event_id = a.event_id AND d.state = 'waiting')
             UPDATE delivery_lanes l
                SET holder = NULL, leased_until = NULL,
                    due_at = CASE WHEN g.due_at IS NOT NULL THEN g.due_at WHEN l.version <> g.version THEN g.now END
               FROM held JOIN given g ON g.webhook_id = held.webhook_id AND g.client_id = held.client_id
              WHERE l.webhook_id = held.webhook_id AND l.client_id = held.client_id AND l.holder = g.holder
             RETURNING l.webhook_id, l.client_id",
        )
        .bind(releases.iter().map(|release| release.claimed.holder).collect::<Vec<_>>())
        .bind(lanes().map(|lane| lane.webhook_id.0).collect::<Vec<_>>())
        .bind(lanes().map(|lane| lane.client_id).collect::<Vec<_>>())
        .bind(releases.iter().map(|release| release.claimed.version).collect::<Vec<_>>())
        .bind(releases.iter().map(|release| release.due_at.map(Timestamp::seconds)).collect::<Vec<_>>())
        .bind(releases.iter().map(|release| release.now.seconds()).collect::<Vec<_>>())
        .bind(attempted().map(|(lane, _)| lane.webhook_id.0).collect::<Vec<_>>())
        .bind(attempted().map(|(lane, _)| lane.client_id).collect::<Vec<_>>())
        .bind(attempted().map(|(_, result)| result.event_id.0).collect::<Vec<_>>())
        .bind(attempted().map(|(_, result)| result.state.as_str()).collect::<Vec<_>>())
        .bind(attempted().map(|(_, result)| i64::from(result.attempts)).collect::<Vec<_>>())
        .bind(attempted().map(|(_, result)| result.at.seconds()).collect::<Vec<_>>())
        .bind(attempted().map(|(_, result)| result.status.map(i64::from)).collect::<Vec<_>>())
        .bind(attempted().map(|(_, result)| result.failure.as_deref()).collect::<Vec<_>>())
        .fetch_all(postgres)
        .await
        },
        |_sqlite| Ok(Vec::new())
    )?;
    let lane = |(webhook_id, client_id)| Lane { webhook_id: WebhookId(webhook_id), client_id };
    Ok(rows.into_iter().map(lane).collect())
}

async fn release_one(tx: &mut Tx, release: &Release) -> Result<bool, DbError> {
    let Release { claimed: ClaimedLane { lane, holder, version, .. }, attempted, due_at, now } = release;
    let held = with_conn!(&mut *tx, |conn| sqlx::query(
        "UPDATE delivery_lanes
            SET holder = NULL, leased_until = NULL,
                due_at = CASE WHEN $4 IS NOT NULL THEN $4 WHEN version <> $5 THEN $6 END
          WHERE webhook_id = $1 AND client_id = $2 AND holder = $3"
    )
    .bind(lane.webhook_id.0)
    .bind(lane.client_id)
    .bind(holder)
    .bind(due_at.map(Timestamp::seconds))
    .bind(version)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))?;
    if held {
        for result in attempted {
            record(tx, lane.webhook_id, result).await?;
        }
    }
    Ok(held)
}

async fn record(tx: &mut Tx, webhook_id: WebhookId, attempted: &AttemptResult) -> Result<(), DbError> {
    let finished_at = (attempted.state != State::Waiting).then_some(attempted.at.seconds());
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE deliveries
            SET state = $3, attempts = $4, attempted_at = $5, status = $6, failure = $7, finished_at = $8
          WHERE webhook_id = $1 AND event_id = $2 AND state = 'waiting'"
    )
    .bind(webhook_id.0)
    .bind(attempted.event_id.0)
    .bind(attempted.state.as_str())
    .bind(i64::from(attempted.attempts))
    .bind(attempted.at.seconds())
    .bind(attempted.status.map(i64::from))
    .bind(&attempted.failure)
    .bind(finished_at)
    .execute(conn)
    .await
    .map(drop))
}
