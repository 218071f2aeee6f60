//! What takes a grant away, or a part of it, with all that came of it.
//!
//! Rows are taken in one order everywhere: the client of the organisation, the user, codes, grants, families. So whoever
//! ends a grant and whoever exchanges a code of it follow each other, and neither waits for the other in a ring.

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

/// Ends grants with all that came of them, for good: given again, a grant brings back neither tokens nor codes. Returns
/// those that lived, by their ids.
pub async fn end(tx: &mut Tx, ids: &[GrantId], now: Timestamp) -> Result<Vec<NamedGrant>, DbError> {
    codes::delete_of_grants(tx, ids).await?;
    let ended = revoke(tx, ids, now).await?;
    families::revoke_of_grants(tx, ids, now).await?;
    // Once more for what a consent wrote before the grants were taken.
    codes::delete_of_grants(tx, ids).await?;
    Ok(ended)
}

async fn revoke(tx: &mut Tx, ids: &[GrantId], now: Timestamp) -> Result<Vec<NamedGrant>, DbError> {
    let rows: Vec<NamedRow> = with_conn!(
        tx,
        postgres
            | conn
            | sqlx::query_as(concat!(
                "UPDATE grants SET revoked_at = $2, modified_at = $2
              WHERE id IN (SELECT id FROM grants WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)
                AND revoked_at IS NULL
             RETURNING ",
                named!()
            ))
            .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
            .bind(now.seconds())
            .fetch_all(conn)
            .await,
        sqlite
            | conn
            | sqlx::query_as(concat!(
                "UPDATE grants SET revoked_at = $2, modified_at = $2
              WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND revoked_at IS NULL
             RETURNING ",
                named!()
            ))
            .bind(ids_as_json(ids.iter().map(|id| id.0)))
            .bind(now.seconds())
            .fetch_all(conn)
            .await
    )?;
    let mut ended = rows.into_iter().map(NamedGrant::try_from).collect::<Result<Vec<_>, _>>()?;
    ended.sort_by_key(|grant| grant.id);
    Ok(ended)
}

/// Takes scopes from grants and from what came of them, which lives on without. Codes under way are lost: the client asks
/// again. Used ones stay, since a second use of them must still be noticed. A grant may be left with nothing, which is for the caller to end.
pub async fn take_scopes(tx: &mut Tx, ids: &[GrantId], scopes: &ScopeSet, now: Timestamp) -> Result<(), DbError> {
    codes::delete_unused_of_grants(tx, ids).await?;
    touch(tx, ids, now).await?;
    delete_scopes(tx, ids, scopes).await?;
    consents::take_scopes_of_grants(tx, ids, scopes).await?;
    families::take_scopes_of_grants(tx, ids, scopes).await?;
    codes::delete_unused_of_grants(tx, ids).await
}

/// Takes the rows for this transaction.
async fn touch(tx: &mut Tx, ids: &[GrantId], now: Timestamp) -> Result<(), DbError> {
    with_conn!(
        tx,
        postgres
            | conn
            | sqlx::query(
                "UPDATE grants SET modified_at = $2
              WHERE id IN (SELECT id FROM grants WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE)",
            )
            .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
            .bind(now.seconds())
            .execute(conn)
            .await
            .map(drop),
        sqlite
            | conn
            | sqlx::query("UPDATE grants SET modified_at = $2 WHERE id IN (SELECT unhex(value) FROM json_each($1))",)
                .bind(ids_as_json(ids.iter().map(|id| id.0)))
                .bind(now.seconds())
                .execute(conn)
                .await
                .map(drop)
    )
}

async fn delete_scopes(tx: &mut Tx, ids: &[GrantId], scopes: &ScopeSet) -> Result<(), DbError> {
    with_conn!(
        tx,
        postgres
            | conn
            | sqlx::query("DELETE FROM grant_scopes WHERE grant_id = ANY($1) AND scope = ANY($2)")
                .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
                .bind(scopes.names().collect::<Vec<_>>())
                .execute(conn)
                .await
                .map(drop),
        sqlite
            | conn
            | sqlx::query(
                "DELETE FROM grant_scopes
              WHERE grant_id IN (SELECT unhex(value) FROM json_each($1))
                AND scope IN (SELECT value FROM json_each($2))",
            )
            .bind(ids_as_json(ids.iter().map(|id| id.0)))
            .bind(Json(scopes))
            .execute(conn)
            .await
            .map(drop)
    )
}
