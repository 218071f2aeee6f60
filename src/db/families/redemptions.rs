//! Redeems authorization codes, which starts a family. `rules::token::exchange` has already
//! decided, based on the code as it was read. The compare-and-swap checks that the code is still
//! unused and that the grant is not revoked.
//!
//! [`begin`] waits for rows that another transaction has locked. On Postgres the first attempt is
//! [`begin_batch`], one statement for all waiting exchanges, which skips such rows.

use sqlx::types::Json;

use crate::db::authorizations::codes;
use crate::db::engine::batching::in_order;
use crate::db::engine::decisions::CompareAndSwap;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, with_conn};
use crate::db::families::Family;
use crate::db::grants;
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

/// Inserts a family. The transaction must have locked the grant with `grants::lock_live`, so that
/// no family is created under a revoked grant.
pub async fn insert(
    tx: &mut Tx,
    family: &Family,
    forget_at: Option<Timestamp>,
) -> Result<(), DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
        "INSERT INTO families
           (id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, created_at, key_id, sequence,
            current_digest, previous_digest, rotated_at, ends_at, revoked_at, forget_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    )
    .bind(family.id.0)
    .bind(family.grant_id.0)
    .bind(family.org_id.0)
    .bind(family.client_id.uuid())
    .bind(family.user_id.0)
    .bind(Json(&family.scopes))
    .bind(Json(&family.resources))
    .bind(family.signed_in_at.seconds())
    .bind(family.created_at.seconds())
    .bind(&family.key_id)
    .bind(i64::from(family.sequence))
    .bind(family.current_digest.as_ref().map(|digest| digest.bytes().as_slice()))
    .bind(family.previous_digest.as_ref().map(|digest| digest.bytes().as_slice()))
    .bind(family.rotated_at.seconds())
    .bind(family.ends_at.map(Timestamp::seconds))
    .bind(family.revoked_at.map(Timestamp::seconds))
    .bind(forget_at.map(Timestamp::seconds))
    .execute(conn)
    .await
    .map(drop)
    })
}

/// A code to redeem and the family that it starts. The client, user, scopes and resources of the
/// family are those of the code and its grant.
#[derive(Clone, Debug)]
pub struct Redemption {
    pub code: Digest,
    pub family: Family,
    pub forget_at: Option<Timestamp>,
}

impl CompareAndSwap for Redemption {
    async fn swap(&self, db: &Db) -> Result<bool, DbError> {
        begin(db, self).await
    }

    async fn swap_batch(db: &Db, all: &[Self]) -> Result<Vec<Result<bool, DbError>>, DbError> {
        begin_batch(db, all).await
    }
}

/// Returns false and changes nothing if the code was redeemed or its grant was revoked since the
/// read.
pub async fn begin(db: &Db, redemption: &Redemption) -> Result<bool, DbError> {
    let Redemption { code, family, forget_at } = redemption;
    let mut tx = db.begin().await?;
    let redeemed = codes::redeem(&mut tx, *code, family.id).await?;
    if !redeemed || !grants::lock_live(&mut tx, family.grant_id, family.created_at).await? {
        tx.roll_back().await?;
        return Ok(false);
    }
    insert(&mut tx, family, *forget_at).await?;
    tx.commit().await?;
    Ok(true)
}

/// `free` locks unused codes and their grants, and skips rows that another transaction has locked.
/// So no statement waits for another one. A locked code keeps its place, `ctid`, so it need not be
/// searched for again.
const BEGIN_BATCH: &str = "\
    WITH free AS (
      SELECT c.ctid AS place, g.org_id, g.user_id, d.position, d.family_id, d.now, d.key_id, d.refresh_token,
             d.ends_at, d.forget_at
        FROM UNNEST($1::uuid[], $2::bytea[], $3::bigint[], $4::text[], $5::bytea[], $6::bigint[], $7::bigint[])
             WITH ORDINALITY
          AS d (family_id, code, now, key_id, refresh_token, ends_at, forget_at, position)
        JOIN authorization_codes c ON c.digest = d.code AND c.family_id IS NULL
        JOIN grants g ON g.id = c.grant_id AND g.revoked_at IS NULL
         FOR NO KEY UPDATE OF c SKIP LOCKED FOR SHARE OF g SKIP LOCKED),
    redeemed AS (
      UPDATE authorization_codes c SET family_id = free.family_id
        FROM free
       WHERE c.ctid = free.place
      RETURNING free.position, free.now, free.key_id, free.refresh_token, free.ends_at, free.forget_at, free.org_id,
                free.user_id, c.family_id, c.grant_id, c.client_id, c.scopes, c.resources, c.signed_in_at),
    begun AS (
      INSERT INTO families
        (id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, created_at, key_id,
         sequence, current_digest, rotated_at, ends_at, forget_at)
      SELECT family_id, grant_id, org_id, client_id, user_id, scopes, resources, signed_in_at, now, key_id,
             0, refresh_token, now, ends_at, forget_at
        FROM redeemed)
    SELECT position FROM redeemed";

/// Returns whether each family was started, in the same order. At most one of several redemptions
/// of a code succeeds.
async fn begin_batch(
    db: &Db,
    redemptions: &[Redemption],
) -> Result<Vec<Result<bool, DbError>>, DbError> {
    let families = || redemptions.iter().map(|redemption| &redemption.family);
    let refresh_tokens = || families().map(|family| family.current_digest.as_ref());
    let positions: Vec<i64> = with_conn!(
        db,
        |postgres| sqlx::query_scalar(BEGIN_BATCH)
            .bind(families().map(|family| family.id.0).collect::<Vec<_>>())
            .bind(
                redemptions
                    .iter()
                    .map(|redemption| redemption.code.bytes().as_slice())
                    .collect::<Vec<_>>()
            )
            .bind(families().map(|family| family.created_at.seconds()).collect::<Vec<_>>())
            .bind(families().map(|family| family.key_id.as_str()).collect::<Vec<_>>())
            .bind(
                refresh_tokens()
                    .map(|token| token.map(|digest| digest.bytes().as_slice()))
                    .collect::<Vec<_>>()
            )
            .bind(
                families().map(|family| family.ends_at.map(Timestamp::seconds)).collect::<Vec<_>>()
            )
            .bind(
                redemptions
                    .iter()
                    .map(|redemption| redemption.forget_at.map(Timestamp::seconds))
                    .collect::<Vec<_>>()
            )
            .fetch_all(postgres)
            .await,
        |_sqlite| Ok(Vec::new())
    )?;
    let begun =
        in_order(redemptions.len(), positions.into_iter().map(|position| (position, ())), Ok);
    Ok(begun.into_iter().map(|outcome| outcome.map(|begun| begun.is_some())).collect())
}
