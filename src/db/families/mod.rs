//! Token families. The exchange of a code starts a family: a chain of refresh tokens and the access
//! tokens issued with them.
//!
//! The row contains the digest of the current refresh token. A rotation is one UPDATE whose
//! condition is the state that the decision was based on. Only one of two concurrent rotations
//! succeeds, and none after the family was revoked or lost scopes. On Postgres a rotation usually
//! changes no indexed column, so it writes no index. Migration 0004 creates the table.

pub mod active_tokens;
pub mod last_tokens;
pub mod last_uses;
pub mod queues;
pub mod redemptions;
pub mod revocations;
pub mod rotations;
pub mod uses;

use std::collections::HashMap;
use std::fmt;

use uuid::Uuid;

use crate::db::engine::batching::in_order;
use crate::db::engine::column::{Column, JsonText};
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::db::grants::standing::{StandingRow, standing_columns, standing_joins};
use crate::db::orgs::memberships;
use crate::rules::authorization::resource::Resource;
use crate::rules::client::ClientId;
use crate::rules::id::{FamilyId, GrantId, OrgId, UserId};
use crate::rules::identity::permission::Role;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::standing::Standing;
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

const TABLE: &str = "families";

/// Seconds. A revoked family is kept for 30 days, for the investigation of incidents.
pub const REVOKED_RETENTION: i64 = 30 * 86_400;

#[derive(Clone, PartialEq, Eq)]
pub struct Family {
    pub id: FamilyId,
    pub grant_id: GrantId,
    pub org_id: OrgId,
    pub client_id: ClientId,
    pub user_id: UserId,
    pub scopes: ScopeSet,
    pub resources: Vec<Resource>,
    pub signed_in_at: Timestamp,
    pub created_at: Timestamp,
    pub key_id: String,
    pub sequence: u32,
    pub current_digest: Option<Digest>,
    pub previous_digest: Option<Digest>,
    pub rotated_at: Timestamp,
    pub ends_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl fmt::Debug for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Family")
            .field("id", &self.id)
            .field("grant_id", &self.grant_id)
            .field("scopes", &self.scopes)
            .field("sequence", &self.sequence)
            .field("rotated_at", &self.rotated_at)
            .field("ends_at", &self.ends_at)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    grant_id: Uuid,
    org_id: Uuid,
    client_id: Uuid,
    user_id: Uuid,
    scopes: JsonText,
    resources: JsonText,
    signed_in_at: i64,
    created_at: i64,
    key_id: String,
    sequence: i64,
    current_digest: Option<Vec<u8>>,
    previous_digest: Option<Vec<u8>>,
    rotated_at: i64,
    ends_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TryFrom<Row> for Family {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let digest = |name, bytes: Option<Vec<u8>>| {
            bytes.map(|bytes| Column::of(TABLE, name).digest(&bytes)).transpose()
        };
        Ok(Self {
            id: FamilyId(row.id),
            grant_id: GrantId(row.grant_id),
            org_id: OrgId(row.org_id),
            client_id: ClientId::from_uuid(row.client_id),
            user_id: UserId(row.user_id),
            scopes: Column::of(TABLE, "scopes").json(row.scopes)?,
            resources: Column::of(TABLE, "resources").json(row.resources)?,
            signed_in_at: Timestamp::from_seconds(row.signed_in_at),
            created_at: Timestamp::from_seconds(row.created_at),
            key_id: row.key_id,
            sequence: row
                .sequence
                .try_into()
                .map_err(|cause| Column::of(TABLE, "sequence").corrupt(cause))?,
            current_digest: digest("current_digest", row.current_digest)?,
            previous_digest: digest("previous_digest", row.previous_digest)?,
            rotated_at: Timestamp::from_seconds(row.rotated_at),
            ends_at: row.ends_at.map(Timestamp::from_seconds),
            revoked_at: row.revoked_at.map(Timestamp::from_seconds),
        })
    }
}

/// Everything needed to decide whether a refresh token is valid, and for which scopes.
#[derive(Clone, Debug)]
pub struct ForRefresh {
    pub family: Family,
    pub standing: Standing,
    /// When the token before the current one was issued.
    pub previous_rotated_at: Option<Timestamp>,
    /// When a repeated response last issued an access token, as recorded by
    /// `last_tokens::note_reissue`.
    pub reissued_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct ForRefreshRow {
    #[sqlx(flatten)]
    family: Row,
    #[sqlx(flatten)]
    standing: StandingRow,
    previous_rotated_at: Option<i64>,
    reissued_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct PositionedRow {
    #[sqlx(flatten)]
    row: ForRefreshRow,
    position: i64,
}

impl TryFrom<ForRefreshRow> for ForRefresh {
    type Error = DbError;

    fn try_from(row: ForRefreshRow) -> Result<Self, DbError> {
        Ok(Self {
            family: row.family.try_into()?,
            standing: row.standing.try_into()?,
            previous_rotated_at: row.previous_rotated_at.map(Timestamp::from_seconds),
            reissued_at: row.reissued_at.map(Timestamp::from_seconds),
        })
    }
}

macro_rules! for_refresh_columns {
    () => {
        concat!(
            "f.id, f.grant_id, f.org_id, f.client_id, f.user_id, f.scopes, f.resources, f.signed_in_at, f.created_at,
             f.key_id, f.sequence, f.current_digest, f.previous_digest, f.rotated_at, f.ends_at, f.revoked_at,
             f.previous_rotated_at, f.reissued_at, ",
            standing_columns!()
        )
    };
}

/// Finds a family with one statement that reads every table by its primary key.
pub async fn find_for_refresh(db: &Db, id: FamilyId) -> Result<Option<ForRefresh>, DbError> {
    let row: Option<ForRefreshRow> = read_with_conn!(db, |conn| sqlx::query_as(concat!(
        "SELECT ",
        for_refresh_columns!(),
        " FROM families f",
        standing_joins!("f"),
        "WHERE f.id = $1"
    ))
    .bind(id.0)
    .fetch_optional(conn)
    .await)?;
    row.map(ForRefresh::try_from).transpose()
}

/// Like [`find_for_refresh`] for several families, with results in the same order. Postgres only.
pub(super) async fn find_for_refresh_batch(
    db: &Db,
    ids: &[FamilyId],
) -> Result<Vec<Result<Option<ForRefresh>, DbError>>, DbError> {
    let rows: Vec<PositionedRow> = read_with_conn!(
        db,
        |postgres| {
            sqlx::query_as(concat!(
            "SELECT asked.position, ",
            for_refresh_columns!(),
            " FROM UNNEST($1::uuid[]) WITH ORDINALITY AS asked (id, position) JOIN families f ON f.id = asked.id",
            standing_joins!("f")
        ))
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(postgres)
        .await
        },
        |_sqlite| Ok(Vec::new())
    )?;
    let rows = rows.into_iter().map(|found| (found.position, found.row));
    Ok(in_order(ids.len(), rows, ForRefresh::try_from))
}

/// Everything needed to decide whether an access token is active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liveness {
    pub org_id: OrgId,
    pub client_id: ClientId,
    pub user_id: UserId,
    pub grant_id: GrantId,
    pub scopes: ScopeSet,
    pub revoked_at: Option<Timestamp>,
    /// `None` if the user is no longer a member of the organization.
    pub role: Option<Role>,
}

/// Selects the columns of [`LivenessRow`]. The argument is the rest of the statement.
macro_rules! select_liveness {
    ($rest:literal) => {
        concat!(
            "SELECT f.id, f.org_id, f.client_id, f.user_id, f.grant_id, f.scopes, f.revoked_at, m.role
               FROM families f
               LEFT JOIN memberships m ON m.org_id = f.org_id AND m.user_id = f.user_id AND ",
            memberships::is_active!(),
            $rest
        )
    };
}

#[derive(Clone, sqlx::FromRow)]
struct LivenessRow {
    id: Uuid,
    org_id: Uuid,
    client_id: Uuid,
    user_id: Uuid,
    grant_id: Uuid,
    scopes: JsonText,
    revoked_at: Option<i64>,
    role: Option<String>,
}

impl TryFrom<LivenessRow> for Liveness {
    type Error = DbError;

    fn try_from(row: LivenessRow) -> Result<Self, DbError> {
        Ok(Self {
            org_id: OrgId(row.org_id),
            client_id: ClientId::from_uuid(row.client_id),
            user_id: UserId(row.user_id),
            grant_id: GrantId(row.grant_id),
            scopes: Column::of(TABLE, "scopes").json(row.scopes)?,
            revoked_at: row.revoked_at.map(Timestamp::from_seconds),
            role: row.role.as_deref().map(memberships::role).transpose()?,
        })
    }
}

/// Returns `None` if there is no such family, or if it was deleted a while after its end.
pub async fn find_liveness(db: &Db, id: FamilyId) -> Result<Option<Liveness>, DbError> {
    let row: Option<LivenessRow> =
        read_with_conn!(db, |conn| sqlx::query_as(select_liveness!(" WHERE f.id = $1"))
            .bind(id.0)
            .fetch_optional(conn)
            .await)?;
    row.map(Liveness::try_from).transpose()
}

/// Whether the family exists and is not revoked, for a transaction that must not follow a revocation.
pub async fn is_live(db: impl DbHandle, id: FamilyId) -> Result<bool, DbError> {
    let found: Option<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT id FROM families WHERE id = $1 AND revoked_at IS NULL"
    )
    .bind(id.0)
    .fetch_optional(conn)
    .await)?;
    Ok(found.is_some())
}

/// Like [`find_liveness`] for several families, with results in the same order. Postgres only.
pub(super) async fn find_liveness_batch(
    db: &Db,
    ids: &[FamilyId],
) -> Result<Vec<Result<Option<Liveness>, DbError>>, DbError> {
    let rows: Vec<LivenessRow> = read_with_conn!(
        db,
        |postgres| sqlx::query_as(select_liveness!(" WHERE f.id = ANY($1)"))
            .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
            .fetch_all(postgres)
            .await,
        |_sqlite| Ok(Vec::new())
    )?;
    let found: HashMap<FamilyId, LivenessRow> =
        rows.into_iter().map(|row| (FamilyId(row.id), row)).collect();
    Ok(ids.iter().map(|id| found.get(id).cloned().map(Liveness::try_from).transpose()).collect())
}

/// Deletes at most `limit` families whose retention is over. The condition is repeated because a
/// rotation may have extended it.
pub async fn forget(db: &Db, now: Timestamp, limit: u32) -> Result<u64, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "DELETE FROM families WHERE id IN (
           SELECT id FROM families WHERE forget_at < $1 ORDER BY forget_at LIMIT $2)
         AND forget_at < $1"
    )
    .bind(now.minus(rotations::FORGET_AT_TOLERANCE).seconds())
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected()))
}
