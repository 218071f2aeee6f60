//! What one organisation decided about one client: for now its scopes restriction.
//!
//! Every decision begins with [`lock`], an upsert of the row, so that two of them cannot overlap.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Db, DbError, DbHandle, Tx, read_with_conn, with_conn};
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeToken;
use crate::oauth::scopes_restriction::ScopesRestriction;
use crate::oauth::{OrgId, Timestamp};

/// The column's form.
#[derive(Serialize, Deserialize)]
struct Stored {
    oidc_scopes: Vec<ScopeToken>,
    permission_scopes: Vec<ScopeToken>,
}

/// As it is read: parsed by hand, so that an error names the column.
type Column = Option<Json<Box<RawValue>>>;

fn restriction(column: Column) -> Result<Option<ScopesRestriction>, DbError> {
    let Some(Json(text)) = column else { return Ok(None) };
    let corrupt = |cause| DbError::corrupt("org_clients", "scopes_restriction", cause);
    let Stored { oidc_scopes, permission_scopes } = serde_json::from_str(text.get()).map_err(corrupt)?;
    Ok(Some(ScopesRestriction::from_stored(oidc_scopes, permission_scopes)))
}

/// `None`: there is no such client. `Some(None)`: this organisation does not restrict it.
pub async fn find_restriction(
    db: &Db,
    org_id: OrgId,
    client_id: ClientId,
) -> Result<Option<Option<ScopesRestriction>>, DbError> {
    let row: Option<(Column,)> = read_with_conn!(db, |conn| sqlx::query_as(
        "SELECT scopes_restriction FROM org_clients WHERE org_id = $1 AND client_id = $2"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .fetch_optional(conn)
    .await)?;
    match row {
        Some((column,)) => restriction(column).map(Some),
        // Nothing was ever decided about it, if it exists.
        None => Ok(super::clients::exists(db, client_id).await?.then_some(None)),
    }
}

/// Takes the row for this transaction and says what the restriction was. [`DbError::Reference`]: no such client.
pub async fn lock(
    tx: &mut Tx,
    org_id: OrgId,
    client_id: ClientId,
    now: Timestamp,
) -> Result<Option<ScopesRestriction>, DbError> {
    let (column,): (Column,) = with_conn!(tx, |conn| sqlx::query_as(
        "INSERT INTO org_clients (org_id, client_id, changed_at) VALUES ($1, $2, $3)
         ON CONFLICT (org_id, client_id) DO UPDATE SET changed_at = excluded.changed_at
         RETURNING scopes_restriction"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(now.seconds())
    .fetch_one(conn)
    .await)?;
    restriction(column)
}

/// `None` lifts the restriction; the row stays, since other decisions may stand in it.
pub async fn update_restriction(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
    restriction: Option<&ScopesRestriction>,
) -> Result<(), DbError> {
    let column = restriction.map(|restriction| {
        Json(Stored {
            oidc_scopes: restriction.oidc_scopes().to_vec(),
            permission_scopes: restriction.permission_scopes().to_vec(),
        })
    });
    with_conn!(db, |conn| sqlx::query(
        "UPDATE org_clients SET scopes_restriction = $3 WHERE org_id = $1 AND client_id = $2"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(&column)
    .execute(conn)
    .await
    .map(drop))
}

/// The clients that an organisation restricts, for a list that shows it.
pub async fn list_restricted(db: impl DbHandle, org_id: OrgId) -> Result<Vec<ClientId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT client_id FROM org_clients WHERE org_id = $1 AND scopes_restriction IS NOT NULL ORDER BY client_id"
    )
    .bind(org_id.0)
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(ClientId::from_uuid).collect())
}
