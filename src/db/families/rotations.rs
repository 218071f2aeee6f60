//! Rotates refresh tokens by a compare-and-swap on the row of the family, after
//! `rules::token::refresh` has decided.
//!
//! [`rotate`] waits for a row that another transaction has locked. On Postgres the first attempt is
//! [`rotate_batch`], one statement for all waiting rotations, which skips such rows.

use sqlx::types::Json;

use crate::db::engine::batching::in_order;
use crate::db::engine::column::json;
use crate::db::engine::decisions::CompareAndSwap;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::rules::id::FamilyId;
use crate::rules::scope::ScopeSet;
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

/// Seconds. `forget_at` is indexed, so it is updated at most once a day and not by each rotation.
/// Other rotations change no index.
pub const FORGET_AT_TOLERANCE: i64 = 86_400;

/// The decision to rotate, based on a row that was read.
#[derive(Clone, Debug)]
pub struct Rotation {
    pub id: FamilyId,
    /// As it was read.
    pub from_sequence: u32,
    /// As they were read.
    pub scopes: ScopeSet,
    pub key_id: String,
    pub new_digest: Digest,
    pub now: Timestamp,
    pub forget_at: Option<Timestamp>,
}

impl CompareAndSwap for Rotation {
    async fn swap(&self, db: &Db) -> Result<bool, DbError> {
        rotate(db, self).await
    }

    async fn swap_batch(db: &Db, all: &[Self]) -> Result<Vec<Result<bool, DbError>>, DbError> {
        rotate_batch(db, all).await
    }
}

/// Returns false if the family was rotated or revoked, or lost scopes, since the read.
pub async fn rotate(db: &Db, rotation: &Rotation) -> Result<bool, DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "UPDATE families
            SET previous_digest = current_digest, current_digest = $4, sequence = sequence + 1, key_id = $5,
                previous_rotated_at = rotated_at, rotated_at = $6, last_used_at = $6,
                forget_at = CASE WHEN forget_at IS NULL OR $7 IS NULL OR abs(forget_at - $7) > $8 THEN $7
                                 ELSE forget_at END
          WHERE id = $1 AND sequence = $2 AND revoked_at IS NULL AND scopes = $3"
    )
    .bind(rotation.id.0)
    .bind(i64::from(rotation.from_sequence))
    .bind(Json(&rotation.scopes))
    .bind(rotation.new_digest.bytes().as_slice())
    .bind(rotation.key_id.as_str())
    .bind(rotation.now.seconds())
    .bind(rotation.forget_at.map(Timestamp::seconds))
    .bind(FORGET_AT_TOLERANCE)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
    })
}

/// `free` locks the unchanged rows and skips those that another transaction has locked. So no
/// statement waits for another one, and a slow transaction does not delay the other families of the
/// batch. A locked row keeps its place, `ctid`, so it need not be searched for again.
const ROTATE_BATCH: &str = "\
    WITH free AS (
      SELECT f.ctid AS place, d.position, d.key_id, d.new_digest, d.now, d.forget_at
        FROM UNNEST($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[])
             WITH ORDINALITY AS d (id, from_sequence, scopes, key_id, new_digest, now, forget_at, position)
        JOIN families f ON f.id = d.id AND f.sequence = d.from_sequence AND f.revoked_at IS NULL
                       AND f.scopes = d.scopes::jsonb
         FOR NO KEY UPDATE OF f SKIP LOCKED)
    UPDATE families AS f
       SET previous_digest = f.current_digest, current_digest = free.new_digest, sequence = f.sequence + 1,
           key_id = free.key_id, previous_rotated_at = f.rotated_at, rotated_at = free.now, last_used_at = free.now,
           forget_at = CASE WHEN f.forget_at IS NULL OR free.forget_at IS NULL
                                 OR abs(f.forget_at - free.forget_at) > $8
                            THEN free.forget_at ELSE f.forget_at END
      FROM free
     WHERE f.ctid = free.place
    RETURNING free.position";

/// Returns whether each rotation succeeded, in the same order. At most one of several rotations of
/// a family succeeds.
async fn rotate_batch(
    db: &Db,
    rotations: &[Rotation],
) -> Result<Vec<Result<bool, DbError>>, DbError> {
    let each = || rotations.iter();
    let positions: Vec<i64> = with_conn!(
        db,
        |postgres| sqlx::query_scalar(ROTATE_BATCH)
            .bind(each().map(|rotation| rotation.id.0).collect::<Vec<_>>())
            .bind(each().map(|rotation| i64::from(rotation.from_sequence)).collect::<Vec<_>>())
            .bind(each().map(|rotation| json(&rotation.scopes)).collect::<Vec<_>>())
            .bind(each().map(|rotation| rotation.key_id.as_str()).collect::<Vec<_>>())
            .bind(each().map(|rotation| rotation.new_digest.bytes().as_slice()).collect::<Vec<_>>())
            .bind(each().map(|rotation| rotation.now.seconds()).collect::<Vec<_>>())
            .bind(
                each()
                    .map(|rotation| rotation.forget_at.map(Timestamp::seconds))
                    .collect::<Vec<_>>()
            )
            .bind(FORGET_AT_TOLERANCE)
            .fetch_all(postgres)
            .await,
        |_sqlite| Ok(Vec::new())
    )?;
    let done = in_order(rotations.len(), positions.into_iter().map(|position| (position, ())), Ok);
    Ok(done.into_iter().map(|outcome| outcome.map(|done| done.is_some())).collect())
}
