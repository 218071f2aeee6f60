//! The versions of private clients that were submitted for review. Every change begins with
//! [`lock`](crate::db::clients::own::lock) or [`lock_pair`](crate::db::clients::own::lock_pair).

use std::collections::BTreeMap;

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::{Column, JsonText, count};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::rules::client::ClientId;
use crate::rules::client::version::{Snapshot, VersionState};
use crate::rules::id::{OrgId, UserId, VersionId};
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub id: VersionId,
    pub org_id: OrgId,
    pub private_client_id: ClientId,
    /// The client that it publishes.
    pub published_client_id: ClientId,
    /// Counts the versions of the client, from 1.
    pub number: i64,
    pub state: VersionState,
    pub snapshot: Snapshot,
    pub note: Option<String>,
    pub scope_reasons: BTreeMap<String, String>,
    /// `None` if it was submitted on the command line.
    pub submitted_by: Option<UserId>,
    pub submitted_at: Timestamp,
    pub decided_at: Option<Timestamp>,
    pub decision_note: Option<String>,
}

/// A decision on a version that is in review, or what became of a published one.
#[derive(Clone, Copy, Debug)]
pub struct VersionDecision<'a> {
    pub state: VersionState,
    pub by: Option<UserId>,
    pub at: Timestamp,
    pub note: Option<&'a str>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    org_id: Uuid,
    private_client_id: Uuid,
    published_client_id: Uuid,
    number: i64,
    state: String,
    snapshot: JsonText,
    note: Option<String>,
    scope_reasons: JsonText,
    submitted_by: Option<Uuid>,
    submitted_at: i64,
    decided_at: Option<i64>,
    decision_note: Option<String>,
}

impl TryFrom<Row> for Version {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let column = |name| Column::of("client_versions", name);
        Ok(Self {
            id: VersionId(row.id),
            org_id: OrgId(row.org_id),
            private_client_id: ClientId::from_uuid(row.private_client_id),
            published_client_id: ClientId::from_uuid(row.published_client_id),
            number: row.number,
            state: VersionState::parse(&row.state)
                .map_err(|cause| column("state").corrupt(cause))?,
            snapshot: column("snapshot").json(row.snapshot)?,
            note: row.note,
            scope_reasons: column("scope_reasons").json(row.scope_reasons)?,
            submitted_by: row.submitted_by.map(UserId),
            submitted_at: Timestamp::from_seconds(row.submitted_at),
            decided_at: row.decided_at.map(Timestamp::from_seconds),
            decision_note: row.decision_note,
        })
    }
}

/// A version of the client that is in review already is [`DbError::Duplicate`].
pub async fn insert(tx: &mut Tx, version: &Version) -> Result<(), DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
        "INSERT INTO client_versions
           (id, private_client_id, number, state, snapshot, note, scope_reasons, submitted_by, submitted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    )
    .bind(version.id.0)
    .bind(version.private_client_id.uuid())
    .bind(version.number)
    .bind(version.state.as_str())
    .bind(Json(&version.snapshot))
    .bind(&version.note)
    .bind(Json(&version.scope_reasons))
    .bind(version.submitted_by.map(|id| id.0))
    .bind(version.submitted_at.seconds())
    .execute(conn)
    .await
    .map(drop)
    })
}

/// The number of the client's newest version, or 0.
pub async fn newest_number(db: impl DbHandle, private: ClientId) -> Result<i64, DbError> {
    with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT COALESCE(max(number), 0) FROM client_versions WHERE private_client_id = $1"
    )
    .bind(private.uuid())
    .fetch_one(conn)
    .await)
}

/// Stores the decision on a version, or what became of it.
pub async fn decide(
    tx: &mut Tx,
    id: VersionId,
    decision: VersionDecision<'_>,
) -> Result<(), DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
        "UPDATE client_versions SET state = $2, decided_by = $3, decided_at = $4, decision_note = $5
          WHERE id = $1"
    )
    .bind(id.0)
    .bind(decision.state.as_str())
    .bind(decision.by.map(|id| id.0))
    .bind(decision.at.seconds())
    .bind(decision.note)
    .execute(conn)
    .await
    .map(drop)
    })
}

/// Sets the state of the published version. Its decision stays.
pub async fn end_published(
    tx: &mut Tx,
    private: ClientId,
    state: VersionState,
) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE client_versions SET state = $2 WHERE private_client_id = $1 AND state = 'published'"
    )
    .bind(private.uuid())
    .bind(state.as_str())
    .execute(conn)
    .await
    .map(drop))
}

macro_rules! select_versions {
    ($rest:literal) => {
        concat!(
            "SELECT v.id, p.org_id, v.private_client_id, p.published_client_id, v.number, v.state, v.snapshot,
                    v.note, v.scope_reasons, v.submitted_by, v.submitted_at, v.decided_at, v.decision_note
               FROM client_versions v JOIN app_pairs p ON p.private_client_id = v.private_client_id ",
            $rest
        )
    };
}

/// Finds a version of any organization, for a reviewer.
pub async fn find(db: impl DbHandle, id: VersionId) -> Result<Option<Version>, DbError> {
    let row: Option<Row> =
        with_conn!(db, |conn| sqlx::query_as(select_versions!("WHERE v.id = $1"))
            .bind(id.0)
            .fetch_optional(conn)
            .await)?;
    row.map(Version::try_from).transpose()
}

/// Finds the version of a client that has a state of which there is one at most.
pub async fn find_in_state(
    db: impl DbHandle,
    private: ClientId,
    state: VersionState,
) -> Result<Option<Version>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(select_versions!(
        "WHERE v.private_client_id = $1 AND v.state = $2 ORDER BY v.number DESC LIMIT 1"
    ))
    .bind(private.uuid())
    .bind(state.as_str())
    .fetch_optional(conn)
    .await)?;
    row.map(Version::try_from).transpose()
}

/// Returns a page of the versions of a client, newest first, and their number.
pub async fn list(
    db: &Db,
    private: ClientId,
    size: u32,
    number: u32,
) -> Result<(Vec<Version>, u64), DbError> {
    let all: i64 = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT count(*) FROM client_versions WHERE private_client_id = $1"
    )
    .bind(private.uuid())
    .fetch_one(conn)
    .await)?;
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(select_versions!(
        "WHERE v.private_client_id = $1 ORDER BY v.number DESC LIMIT $2 OFFSET $3"
    ))
    .bind(private.uuid())
    .bind(i64::from(size))
    .bind(i64::from(size) * i64::from(number))
    .fetch_all(conn)
    .await)?;
    let page = rows.into_iter().map(Version::try_from).collect::<Result<_, _>>()?;
    Ok((page, count(all)))
}

/// Returns a page of the versions of all organizations in a state, oldest first, and their number.
pub async fn list_in_state(
    db: &Db,
    state: VersionState,
    size: u32,
    number: u32,
) -> Result<(Vec<Version>, u64), DbError> {
    let all: i64 = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT count(*) FROM client_versions WHERE state = $1"
    )
    .bind(state.as_str())
    .fetch_one(conn)
    .await)?;
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(select_versions!(
        "WHERE v.state = $1 ORDER BY v.submitted_at, v.id LIMIT $2 OFFSET $3"
    ))
    .bind(state.as_str())
    .bind(i64::from(size))
    .bind(i64::from(size) * i64::from(number))
    .fetch_all(conn)
    .await)?;
    let page = rows.into_iter().map(Version::try_from).collect::<Result<_, _>>()?;
    Ok((page, count(all)))
}

/// Whether the organization submitted no version before this one.
pub async fn is_first_of_org(
    db: impl DbHandle,
    org_id: OrgId,
    id: VersionId,
) -> Result<bool, DbError> {
    let other: Option<i32> = with_conn!(db, |conn| {
        sqlx::query_scalar(
        "SELECT 1 FROM client_versions v JOIN app_pairs p ON p.private_client_id = v.private_client_id
          WHERE p.org_id = $1 AND v.id < $2 LIMIT 1"
    )
    .bind(org_id.0)
    .bind(id.0)
    .fetch_optional(conn)
    .await
    })?;
    Ok(other.is_none())
}
