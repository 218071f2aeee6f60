//! Revokes families, or some of their scopes.

use sqlx::types::Json;

use crate::db::engine::column::ids_as_json;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::db::families::REVOKED_RETENTION;
use crate::rules::id::{FamilyId, GrantId};
use crate::rules::scope::ScopeSet;
use crate::rules::timestamp::Timestamp;

/// Returns false if the family is already revoked or does not exist.
pub async fn revoke(
    db: impl DbHandle,
    id: FamilyId,
    now: Timestamp,
    forget_at: Timestamp,
) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE families SET revoked_at = $2, forget_at = $3 WHERE id = $1 AND revoked_at IS NULL"
    )
    .bind(id.0)
    .bind(now.seconds())
    .bind(forget_at.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Revokes the families of grants that this transaction has locked.
pub(in crate::db) async fn revoke_of_grants(
    tx: &mut Tx,
    grants: &[GrantId],
    now: Timestamp,
) -> Result<(), DbError> {
    let forget_at = now.plus(REVOKED_RETENTION).seconds();
    let now = now.seconds();
    with_conn!(
        tx,
        |postgres| {
            sqlx::query(
            "UPDATE families SET revoked_at = $2, forget_at = $3 WHERE grant_id = ANY($1) AND revoked_at IS NULL",
        )
        .bind(grants.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(now)
        .bind(forget_at)
        .execute(postgres)
        .await
        .map(drop)
        },
        |sqlite| sqlx::query(
            "UPDATE families SET revoked_at = $2, forget_at = $3
              WHERE grant_id IN (SELECT unhex(value) FROM json_each($1)) AND revoked_at IS NULL",
        )
        .bind(ids_as_json(grants.iter().map(|id| id.0)))
        .bind(now)
        .bind(forget_at)
        .execute(sqlite)
        .await
        .map(drop)
    )
}

/// Revokes the families of a grant that have a scope. The transaction must have locked the grant.
pub async fn revoke_with_scope(
    tx: &mut Tx,
    grant: GrantId,
    scope: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    let forget_at = now.plus(REVOKED_RETENTION).seconds();
    let now = now.seconds();
    with_conn!(
        tx,
        |postgres| sqlx::query(
            "UPDATE families SET revoked_at = $2, forget_at = $3
              WHERE grant_id = $1 AND revoked_at IS NULL AND scopes ? $4",
        )
        .bind(grant.0)
        .bind(now)
        .bind(forget_at)
        .bind(scope)
        .execute(postgres)
        .await
        .map(drop),
        |sqlite| sqlx::query(
            "UPDATE families SET revoked_at = $2, forget_at = $3
              WHERE grant_id = $1 AND revoked_at IS NULL
                AND EXISTS (SELECT 1 FROM json_each(families.scopes) WHERE value = $4)",
        )
        .bind(grant.0)
        .bind(now)
        .bind(forget_at)
        .bind(scope)
        .execute(sqlite)
        .await
        .map(drop)
    )
}

/// Removes scopes from the families of grants that this transaction has locked. The remaining
/// scopes keep their order.
pub(in crate::db) async fn remove_scopes_of_grants(
    tx: &mut Tx,
    grants: &[GrantId],
    scopes: &ScopeSet,
) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| sqlx::query(
            "UPDATE families SET scopes = scopes - $2::text[]
              WHERE grant_id = ANY($1) AND revoked_at IS NULL AND scopes ?| $2::text[]",
        )
        .bind(grants.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(scopes.names().collect::<Vec<_>>())
        .execute(postgres)
        .await
        .map(drop),
        |sqlite| {
            sqlx::query(
            "UPDATE families
                SET scopes = (SELECT json_group_array(value ORDER BY key) FROM json_each(families.scopes)
                               WHERE value NOT IN (SELECT value FROM json_each($2)))
              WHERE grant_id IN (SELECT unhex(value) FROM json_each($1)) AND revoked_at IS NULL",
        )
        .bind(ids_as_json(grants.iter().map(|id| id.0)))
        .bind(Json(scopes))
        .execute(sqlite)
        .await
        .map(drop)
        }
    )
}
