//! What one organisation decided about one client: for now its scopes restriction.
//!
//! Every decision begins with [`lock`], an upsert of the row, so that two of them cannot overlap.

use sqlx::types::Json;
use uuid::Uuid;

use super::{Db, DbError, DbHandle, Tx, read_with_conn, with_conn};
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeToken;
use crate::oauth::scopes_restriction::ScopesRestriction;
use crate::oauth::{OrgId, Timestamp};

#[derive(sqlx::FromRow)]
struct Row {
    oidc_scopes: Option<Json<Vec<String>>>,
    permission_scopes: Option<Json<Vec<String>>>,
}

impl TryFrom<Row> for Option<ScopesRestriction> {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        match (row.oidc_scopes, row.permission_scopes) {
            (Some(Json(oidc)), Some(Json(permission))) => Ok(Some(ScopesRestriction::from_stored(
                tokens(&oidc, "oidc_scopes")?,
                tokens(&permission, "permission_scopes")?,
            ))),
            _ => Ok(None),
        }
    }
}

fn tokens(names: &[String], column: &'static str) -> Result<Vec<ScopeToken>, DbError> {
    let corrupt = |cause| DbError::corrupt("org_clients", column, cause);
    names.iter().map(|name| ScopeToken::parse(name).map_err(corrupt)).collect()
}

/// `None`: there is no such client. `Some(None)`: this organisation does not restrict it.
pub async fn find_restriction(
    db: &Db,
    org_id: OrgId,
    client_id: ClientId,
) -> Result<Option<Option<ScopesRestriction>>, DbError> {
    let row: Option<Row> = read_with_conn!(db, |conn| sqlx::query_as(
        "SELECT o.oidc_scopes, o.permission_scopes
           FROM clients c LEFT JOIN org_clients o ON o.client_id = c.id AND o.org_id = $1
          WHERE c.id = $2"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .fetch_optional(conn)
    .await)?;
    row.map(TryInto::try_into).transpose()
}

/// Takes the row for this transaction and says what the restriction was. [`DbError::Reference`]: no such client.
pub async fn lock(
    tx: &mut Tx,
    org_id: OrgId,
    client_id: ClientId,
    now: Timestamp,
) -> Result<Option<ScopesRestriction>, DbError> {
    let row: Row = with_conn!(tx, |conn| sqlx::query_as(
        "INSERT INTO org_clients (org_id, client_id, changed_at) VALUES ($1, $2, $3)
         ON CONFLICT (org_id, client_id) DO UPDATE SET changed_at = excluded.changed_at
         RETURNING oidc_scopes, permission_scopes"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(now.seconds())
    .fetch_one(conn)
    .await)?;
    row.try_into()
}

/// `None` lifts the restriction; the row stays, since other decisions may stand in it.
pub async fn update_restriction(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
    restriction: Option<&ScopesRestriction>,
) -> Result<(), DbError> {
    let names = |list: &[ScopeToken]| Json(list.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>());
    let oidc_scopes = restriction.map(|restriction| names(restriction.oidc_scopes()));
    let permission_scopes = restriction.map(|restriction| names(restriction.permission_scopes()));
    with_conn!(db, |conn| sqlx::query(
        "UPDATE org_clients SET oidc_scopes = $3, permission_scopes = $4 WHERE org_id = $1 AND client_id = $2"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(&oidc_scopes)
    .bind(&permission_scopes)
    .execute(conn)
    .await
    .map(drop))
}

/// The clients that an organisation restricts, for a list that shows it.
pub async fn list_restricted(db: impl DbHandle, org_id: OrgId) -> Result<Vec<ClientId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT client_id FROM org_clients WHERE org_id = $1 AND oidc_scopes IS NOT NULL ORDER BY client_id"
    )
    .bind(org_id.0)
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(ClientId::from_uuid).collect())
}
