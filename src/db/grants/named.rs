//! Grants with the names of their client and user, for events and messages.

use uuid::Uuid;

use crate::db::engine::column::Column;
use crate::db::engine::error::DbError;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::client::ClientId;
use crate::rules::id::{GrantId, OrgId, UserId};
use crate::rules::scope::ScopeSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedGrant {
    pub id: GrantId,
    pub org_id: OrgId,
    pub client_id: ClientId,
    pub client_name: String,
    pub user_id: UserId,
    pub email: String,
    pub scopes: ScopeSet,
}

#[derive(sqlx::FromRow)]
pub(in crate::db) struct NamedRow {
    id: Uuid,
    org_id: Uuid,
    client_id: Uuid,
    user_id: Uuid,
    client_name: String,
    email: String,
    scopes: Option<String>,
}

/// The columns of [`NamedRow`], for statements on `grants`.
macro_rules! named {
    () => {
        "id, org_id, client_id, user_id,
         (SELECT client_name FROM clients WHERE clients.id = grants.client_id) AS client_name,
         (SELECT email FROM users WHERE users.id = grants.user_id) AS email,
         (SELECT string_agg(scope, ' ') FROM grant_scopes WHERE grant_id = grants.id) AS scopes"
    };
}

pub(in crate::db) use named;

impl TryFrom<NamedRow> for NamedGrant {
    type Error = DbError;

    fn try_from(row: NamedRow) -> Result<Self, DbError> {
        Ok(Self {
            id: GrantId(row.id),
            org_id: OrgId(row.org_id),
            client_id: ClientId::from_uuid(row.client_id),
            client_name: row.client_name,
            user_id: UserId(row.user_id),
            email: row.email,
            scopes: Column::of("grant_scopes", "scope").scopes(row.scopes.as_deref())?,
        })
    }
}

/// Finds a grant, revoked or not.
pub async fn find_named(db: impl DbHandle, id: GrantId) -> Result<Option<NamedGrant>, DbError> {
    let row: Option<NamedRow> = with_conn!(db, |conn| sqlx::query_as(concat!(
        "SELECT ",
        named!(),
        " FROM grants WHERE id = $1"
    ))
    .bind(id.0)
    .fetch_optional(conn)
    .await)?;
    row.map(NamedGrant::try_from).transpose()
}
