//! How a refresh token takes the place of another.
//!
//! On Postgres the usual case is one statement for all that wait, which checks everything that decides and answers with
//! it. What it does not do, because something is in the way or on SQLite, is left to a read, a decision and [`rotate`].

use sqlx::types::Json;

use super::column::json;
use super::families::{ForRefresh, ForRefreshRow};
use super::together::in_order;
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
                previous_rotated_at = rotated_at, rotated_at = $6, last_used_at = $6,
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
pub struct Presented {
    pub id: FamilyId,
    pub client_id: ClientId,
    pub digest: Digest,
    pub scopes: Option<ScopeSet>,
    pub resources: Vec<Resource>,
    /// Seconds for which a token may stay unused; 0 is for ever.
    pub idle: i64,
    pub key_id: String,
    pub new_digest: Digest,
    pub now: Timestamp,
    /// By the idle time alone: the row may stay for longer than its absolute end asks.
    pub forget_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct RotatedRow {
    #[sqlx(flatten)]
    row: ForRefreshRow,
    position: i64,
}

const ROTATE_TOGETHER: &str = "\
    WITH presented AS (
      SELECT id, digest, client_id, scopes::jsonb AS scopes, resources::jsonb AS resources, key_id, new_digest,
             now, forget_at, idle, position
        FROM UNNEST($1::uuid[], $2::bytea[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[],
                    $8::bigint[], $9::bigint[], $10::bigint[]) WITH ORDINALITY
          AS p (id, digest, client_id, scopes, resources, key_id, new_digest, now, forget_at, idle, position)),
    free AS (
      SELECT f.id FROM families f JOIN presented p ON f.id = p.id AND f.current_digest = p.digest
         FOR NO KEY UPDATE OF f SKIP LOCKED)
    UPDATE families AS f
       SET previous_digest = f.current_digest, current_digest = p.new_digest, sequence = f.sequence + 1,
           key_id = p.key_id, previous_rotated_at = f.rotated_at, rotated_at = p.now, last_used_at = p.now,
           forget_at = CASE WHEN p.forget_at IS NULL THEN f.ends_at + $11
                            WHEN f.forget_at < p.forget_at - $11 THEN p.forget_at ELSE f.forget_at END
      FROM free, presented p, orgs o, memberships m, org_clients c
     WHERE f.id = free.id AND p.id = f.id
       AND f.current_digest = p.digest AND f.client_id = p.client_id AND f.revoked_at IS NULL
       AND f.scopes <> '[]' AND (f.ends_at IS NULL OR f.ends_at > p.now)
       AND (p.idle = 0 OR p.now - f.rotated_at < p.idle)
       AND (p.scopes IS NULL OR f.scopes @> p.scopes)
       AND (p.resources IS NULL OR f.resources @> p.resources)
       AND o.id = f.org_id
       AND m.org_id = f.org_id AND m.user_id = f.user_id AND m.disabled_at IS NULL
       AND c.org_id = f.org_id AND c.client_id = f.client_id AND c.disabled_at IS NULL
    RETURNING p.position, f.id, f.grant_id, f.org_id, f.client_id, f.user_id, f.scopes, f.resources,
              f.signed_in_at, f.created_at, f.key_id, f.sequence, f.current_digest, f.previous_digest,
              f.previous_rotated_at, f.rotated_at, f.ends_at, f.revoked_at, NULL::bigint AS user_disabled_at, m.role,
              c.disabled_at AS client_disabled_at, c.scopes_restriction, o.default_client_scopes";

/// For each, in their order: the family after its rotation, with what decides about scopes. `None`: something is in the
/// way, and nothing happened to it. A row that somebody else holds is in the way too, so that nobody here waits for one
/// client's row. Whoever disables a user ends the user's families in the same transaction, so `users` is not asked.
pub(super) async fn rotate_together(
    db: &Db,
    presented: &[Presented],
) -> Result<Vec<Result<Option<ForRefresh>, DbError>>, DbError> {
    let each = || presented.iter();
    let rows: Vec<RotatedRow> = with_conn!(
        db,
        postgres
            | conn
            | sqlx::query_as(ROTATE_TOGETHER)
                .bind(each().map(|one| one.id.0).collect::<Vec<_>>())
                .bind(each().map(|one| one.digest.bytes().as_slice()).collect::<Vec<_>>())
                .bind(each().map(|one| one.client_id.uuid()).collect::<Vec<_>>())
                .bind(each().map(|one| one.scopes.as_ref().map(json)).collect::<Vec<_>>())
                .bind(each().map(|one| (!one.resources.is_empty()).then(|| json(&one.resources))).collect::<Vec<_>>())
                .bind(each().map(|one| one.key_id.as_str()).collect::<Vec<_>>())
                .bind(each().map(|one| one.new_digest.bytes().as_slice()).collect::<Vec<_>>())
                .bind(each().map(|one| one.now.seconds()).collect::<Vec<_>>())
                .bind(each().map(|one| one.forget_at.map(Timestamp::seconds)).collect::<Vec<_>>())
                .bind(each().map(|one| one.idle).collect::<Vec<_>>())
                .bind(FORGET_AT_LAGS)
                .fetch_all(conn)
                .await,
        sqlite | _conn | Ok(Vec::new())
    )?;
    let rows = rows.into_iter().map(|found| (found.position, found.row));
    Ok(in_order(presented.len(), rows, ForRefresh::try_from))
}
