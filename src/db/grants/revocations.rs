//! Revokes grants, or some of their scopes, together with their codes and tokens.
//!
//! Every transaction locks rows in the same order: the client in the organization, the user, codes,
//! grants, families. So a revocation and the exchange of a code of the same grant run one after the
//! other and cannot deadlock.

use sqlx::types::Json;

use crate::db::authorizations::{codes, consents};
use crate::db::engine::column::ids_as_json;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::with_conn;
use crate::db::families;
use crate::db::grants::named::{NamedGrant, NamedRow, named};
use crate::rules::id::GrantId;
use crate::rules::scope::ScopeSet;
use crate::rules::timestamp::Timestamp;

/// Revokes grants and their tokens, and deletes their codes. A new consent later restores none of
/// these. Returns the grants that were not revoked before, ordered by id.
pub async fn revoke(
    tx: &mut Tx,
    ids: &[GrantId],
    now: Timestamp,
) -> Result<Vec<NamedGrant>, DbError> {
    codes::delete_of_grants(tx, ids).await?;
    let revoked = mark_revoked(tx, ids, now).await?;
    families::revocations::revoke_of_grants(tx, ids, now).await?;
    // A second time, because a consent may have added codes before the grants were locked.
    codes::delete_of_grants(tx, ids).await?;
    Ok(revoked)
}

async fn mark_revoked(
    tx: &mut Tx,
    ids: &[GrantId],
    now: Timestamp,
) -> Result<Vec<NamedGrant>, DbError> {
    let rows: Vec<NamedRow> = with_conn!(
        tx,
        |postgres| sqlx::query_as(concat!(
            "UPDATE grants SET revoked_at = $2, modified_at = $2
              WHERE id IN (SELECT id FROM grants WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
                AND revoked_at IS NULL
             RETURNING ",
            named!()
        ))
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(now.seconds())
        .fetch_all(postgres)
        .await,
        |sqlite| sqlx::query_as(concat!(
            "UPDATE grants SET revoked_at = $2, modified_at = $2
              WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND revoked_at IS NULL
             RETURNING ",
            named!()
        ))
        .bind(ids_as_json(ids.iter().map(|id| id.0)))
        .bind(now.seconds())
        .fetch_all(sqlite)
        .await
    )?;
    let mut revoked = rows.into_iter().map(NamedGrant::try_from).collect::<Result<Vec<_>, _>>()?;
    revoked.sort_by_key(|grant| grant.id);
    Ok(revoked)
}

/// Removes scopes from grants and their families, which stay valid for the other scopes. Unused
/// codes are deleted, so the client has to ask again. Used codes stay, because a second use must
/// still be detected. The caller must revoke grants that have no scopes left.
pub async fn remove_scopes(
    tx: &mut Tx,
    ids: &[GrantId],
    scopes: &ScopeSet,
    now: Timestamp,
) -> Result<(), DbError> {
    codes::delete_unused_of_grants(tx, ids).await?;
    touch(tx, ids, now).await?;
    delete_scopes(tx, ids, scopes).await?;
    consents::remove_scopes_of_grants(tx, ids, scopes).await?;
    families::revocations::remove_scopes_of_grants(tx, ids, scopes).await?;
    codes::delete_unused_of_grants(tx, ids).await
}

/// Locks the rows for this transaction.
async fn touch(tx: &mut Tx, ids: &[GrantId], now: Timestamp) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| sqlx::query(
            "UPDATE grants SET modified_at = $2
              WHERE id IN (SELECT id FROM grants WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)",
        )
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(now.seconds())
        .execute(postgres)
        .await
        .map(drop),
        |sqlite| {
            sqlx::query("UPDATE grants SET modified_at = $2 WHERE id IN (SELECT unhex(value) FROM json_each($1))")
                .bind(ids_as_json(ids.iter().map(|id| id.0)))
                .bind(now.seconds())
                .execute(sqlite)
                .await
                .map(drop)
        }
    )
}

async fn delete_scopes(tx: &mut Tx, ids: &[GrantId], scopes: &ScopeSet) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| sqlx::query(
            "DELETE FROM grant_scopes WHERE grant_id = ANY($1) AND scope = ANY($2)"
        )
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(scopes.names().collect::<Vec<_>>())
        .execute(postgres)
        .await
        .map(drop),
        |sqlite| sqlx::query(
            "DELETE FROM grant_scopes
              WHERE grant_id IN (SELECT unhex(value) FROM json_each($1))
                AND scope IN (SELECT value FROM json_each($2))",
        )
        .bind(ids_as_json(ids.iter().map(|id| id.0)))
        .bind(Json(scopes))
        .execute(sqlite)
        .await
        .map(drop)
    )
}
