//! How a refresh token takes the place of another.
//!
//! On Postgres the usual case is one statement, which checks everything that decides and answers with it: a second round
//! trip would cost as much as all the rest. What it does not do, because something is in the way or on SQLite, is left to a
//! read, a decision and [`rotate`].

use sqlx::types::Json;

use super::families::{ForRefresh, ForRefreshRow};
use super::{Db, DbError, with_conn};
use crate::oauth::client::ClientId;
use crate::oauth::resource::Resource;
use crate::oauth::scope::ScopeSet;
use crate::oauth::{FamilyId, Timestamp};
use crate::secret::Digest;

/// `forget_at` is indexed, so it moves once a day and not with each rotation, which then touches no index.
pub const FORGET_AT_LAGS: i64 = 86_400;

/// What was decided on a row that was read.
#[derive(Clone, Debug)]
pub struct Rotation<'a> {
    pub id: FamilyId,
    /// As they were read.
    pub from_sequence: u32,
    pub scopes: &'a ScopeSet,
    pub key_id: &'a str,
    pub new_digest: Digest,
    pub now: Timestamp,
    pub forget_at: Option<Timestamp>,
}

/// False where the row is no longer what was decided on: somebody else rotated, ended or narrowed it.
pub async fn rotate(db: &Db, rotation: &Rotation<'_>) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE families
            SET previous_digest = current_digest, current_digest = $4, sequence = sequence + 1, key_id = $5,
                rotated_at = $6, last_used_at = $6,
                forget_at = CASE WHEN forget_at IS NULL OR $7 IS NULL OR abs(forget_at - $7) > $8 THEN $7
                                 ELSE forget_at END
          WHERE id = $1 AND sequence = $2 AND revoked_at IS NULL AND scopes = $3"
    )
    .bind(rotation.id.0)
    .bind(i64::from(rotation.from_sequence))
    .bind(Json(rotation.scopes))
    .bind(rotation.new_digest.bytes().as_slice())
    .bind(rotation.key_id)
    .bind(rotation.now.seconds())
    .bind(rotation.forget_at.map(Timestamp::seconds))
    .bind(FORGET_AT_LAGS)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// A token that is presented, and what takes its place where nothing is in the way.
#[derive(Clone, Debug)]
pub struct Presented<'a> {
    pub id: FamilyId,
    pub client_id: ClientId,
    pub digest: Digest,
    pub scopes: Option<&'a ScopeSet>,
    pub resources: &'a [Resource],
    /// Seconds for which a token may stay unused; 0 is for ever.
    pub idle: i64,
    pub key_id: &'a str,
    pub new_digest: Digest,
    pub now: Timestamp,
    /// By the idle time alone: the row may stay for longer than its absolute end asks.
    pub forget_at: Option<Timestamp>,
}

/// The family after its rotation, with what decides about scopes. `None`: something is in the way, and nothing happened.
pub async fn rotate_at_once(db: &Db, presented: &Presented<'_>) -> Result<Option<ForRefresh>, DbError> {
    if !db.is_postgres() {
        return Ok(None);
    }
    let resources = (!presented.resources.is_empty()).then_some(Json(presented.resources));
    let row: Option<ForRefreshRow> = with_conn!(db, |conn| sqlx::query_as(
        "UPDATE families AS f
            SET previous_digest = f.current_digest, current_digest = $7, sequence = f.sequence + 1, key_id = $6,
                rotated_at = $8, last_used_at = $8,
                forget_at = CASE WHEN $9 IS NULL THEN f.ends_at + $10
                                 WHEN f.forget_at < $9 - $10 THEN $9 ELSE f.forget_at END
           FROM users u, orgs o, memberships m, org_clients c
          WHERE f.id = $1 AND f.current_digest = $2 AND f.client_id = $3 AND f.revoked_at IS NULL
            AND f.scopes <> '[]' AND (f.ends_at IS NULL OR f.ends_at > $8) AND ($11 = 0 OR $8 - f.rotated_at < $11)
            AND ($4::jsonb IS NULL OR f.scopes @> $4) AND ($5::jsonb IS NULL OR f.resources @> $5)
            AND u.id = f.user_id AND u.disabled_at IS NULL
            AND o.id = f.org_id
            AND m.org_id = f.org_id AND m.user_id = f.user_id
            AND c.org_id = f.org_id AND c.client_id = f.client_id AND c.disabled_at IS NULL
         RETURNING f.id, f.grant_id, f.org_id, f.client_id, f.user_id, f.scopes, f.resources, f.signed_in_at,
                   f.created_at, f.key_id, f.sequence, f.current_digest, f.previous_digest, f.rotated_at, f.ends_at,
                   f.revoked_at, u.email, u.name AS user_name, u.created_at AS user_created_at,
                   u.disabled_at AS user_disabled_at, m.role, c.disabled_at AS client_disabled_at,
                   c.scopes_restriction, o.default_client_scopes"
    )
    .bind(presented.id.0)
    .bind(presented.digest.bytes().as_slice())
    .bind(presented.client_id.uuid())
    .bind(presented.scopes.map(Json))
    .bind(resources)
    .bind(presented.key_id)
    .bind(presented.new_digest.bytes().as_slice())
    .bind(presented.now.seconds())
    .bind(presented.forget_at.map(Timestamp::seconds))
    .bind(FORGET_AT_LAGS)
    .bind(presented.idle)
    .fetch_optional(conn)
    .await)?;
    row.map(ForRefresh::try_from).transpose()
}
