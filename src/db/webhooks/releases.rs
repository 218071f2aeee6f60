//! Releases leased lanes, with the results of the attempts to deliver their events.

use std::collections::HashSet;

use uuid::Uuid;

use crate::db::engine::batching::{Batcher, fail_all};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, with_conn};
use crate::db::webhooks::deliveries::{AttemptResult, State};
use crate::db::webhooks::lanes::{ClaimedLane, Lane};
use crate::rules::id::WebhookId;
use crate::rules::timestamp::Timestamp;

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
    let released = |release: &Release| {
        if recorded.contains(&release.claimed.lane) { Released::Recorded } else { Released::Lost }
    };
    Ok(releases.iter().map(released).collect())
}

/// Locks the lanes in the order of their keys, as `outbox.rs` does. Returns the lanes that the
/// callers still held.
async fn release_batch(db: &Db, releases: &[Release]) -> Result<Vec<Lane>, DbError> {
    let lanes = || releases.iter().map(|release| release.claimed.lane);
    let attempted = || {
        releases.iter().flat_map(|release| {
            release.attempted.iter().map(move |result| (release.claimed.lane, result))
        })
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
    let Release { claimed: ClaimedLane { lane, holder, version, .. }, attempted, due_at, now } =
        release;
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

async fn record(
    tx: &mut Tx,
    webhook_id: WebhookId,
    attempted: &AttemptResult,
) -> Result<(), DbError> {
    let finished_at = (attempted.state != State::Waiting).then_some(attempted.at.seconds());
    with_conn!(tx, |conn| {
        sqlx::query(
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
    .map(drop)
    })
}
