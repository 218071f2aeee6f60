//! The ids of grants that a change affects. A live grant is one that is not revoked.

use std::collections::HashSet;

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::ids_as_json;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::client::ClientId;
use crate::rules::id::{GrantId, OrgId, UserId};
use crate::rules::scope::ScopeSet;

/// Returns the given grants that have no scopes left.
pub async fn without_scopes(tx: &mut Tx, ids: &[GrantId]) -> Result<Vec<GrantId>, DbError> {
    let with_scopes: Vec<Uuid> = with_conn!(
        tx,
        |postgres| sqlx::query_scalar(
            "SELECT DISTINCT grant_id FROM grant_scopes WHERE grant_id = ANY($1)"
        )
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(postgres)
        .await,
        |sqlite| {
            sqlx::query_scalar(
            "SELECT DISTINCT grant_id FROM grant_scopes WHERE grant_id IN (SELECT unhex(value) FROM json_each($1))"
        )
        .bind(ids_as_json(ids.iter().map(|id| id.0)))
        .fetch_all(sqlite)
        .await
        }
    )?;
    let with_scopes: HashSet<Uuid> = with_scopes.into_iter().collect();
    Ok(ids.iter().copied().filter(|id| !with_scopes.contains(&id.0)).collect())
}

/// Returns the live grants of a client in all organizations.
pub async fn of_client_everywhere(
    tx: &mut Tx,
    client_id: ClientId,
) -> Result<Vec<GrantId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(tx, |conn| sqlx::query_scalar(
        "SELECT id FROM grants WHERE client_id = $1 AND revoked_at IS NULL ORDER BY id"
    )
    .bind(client_id.uuid())
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(GrantId).collect())
}

/// Returns the live grants of a client that have at least one of the scopes, with their users.
pub async fn with_any_scope(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
    scopes: &ScopeSet,
) -> Result<Vec<(GrantId, UserId)>, DbError> {
    let ids: Vec<(Uuid, Uuid)> = with_conn!(
        db,
        |postgres| {
            sqlx::query_as(
            "SELECT g.id, g.user_id FROM grants g
              WHERE g.org_id = $1 AND g.client_id = $2 AND g.revoked_at IS NULL
                AND EXISTS (SELECT 1 FROM grant_scopes s WHERE s.grant_id = g.id AND s.scope = ANY($3))
              ORDER BY g.id",
        )
        .bind(org_id.0)
        .bind(client_id.uuid())
        .bind(scopes.names().collect::<Vec<_>>())
        .fetch_all(postgres)
        .await
        },
        |sqlite| {
            sqlx::query_as(
            "SELECT g.id, g.user_id FROM grants g
              WHERE g.org_id = $1 AND g.client_id = $2 AND g.revoked_at IS NULL
                AND EXISTS (SELECT 1 FROM grant_scopes s
                             WHERE s.grant_id = g.id AND s.scope IN (SELECT value FROM json_each($3)))
              ORDER BY g.id",
        )
        .bind(org_id.0)
        .bind(client_id.uuid())
        .bind(Json(scopes))
        .fetch_all(sqlite)
        .await
        }
    )?;
    Ok(ids.into_iter().map(|(id, user_id)| (GrantId(id), UserId(user_id))).collect())
}

/// Returns the live grants of a client in one organization.
pub async fn of_client(
    tx: &mut Tx,
    org_id: OrgId,
    client_id: ClientId,
) -> Result<Vec<GrantId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(tx, |conn| {
        sqlx::query_scalar(
        "SELECT id FROM grants WHERE org_id = $1 AND client_id = $2 AND revoked_at IS NULL ORDER BY id"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .fetch_all(conn)
    .await
    })?;
    Ok(ids.into_iter().map(GrantId).collect())
}

/// Returns the live grants of a user in one organization, or in all of them.
pub async fn of_user(
    tx: &mut Tx,
    user_id: UserId,
    org_id: Option<OrgId>,
) -> Result<Vec<GrantId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(tx, |conn| sqlx::query_scalar(
        "SELECT id FROM grants
          WHERE user_id = $1 AND ($2 IS NULL OR org_id = $2) AND revoked_at IS NULL ORDER BY id"
    )
    .bind(user_id.0)
    .bind(org_id.map(|id| id.0))
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(GrantId).collect())
}
