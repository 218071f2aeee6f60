//! What a consent is decided by: what six tables say of a user, an organisation and a client, read at once; and what
//! was agreed to beside the scopes.

use sqlx::types::Json;
use uuid::Uuid;

use super::column::JsonText;
use super::{DbError, DbHandle, Tx, memberships, org_clients, with_conn};
use crate::oauth::client::ClientId;
use crate::oauth::permission::Role;
use crate::oauth::scope::ScopeSet;
use crate::oauth::scopes_restriction::ScopesRestriction;
use crate::oauth::{GrantId, OrgId, Timestamp, UserId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circumstances {
    pub org_name: String,
    pub role: Role,
    pub default_client_scopes: Option<ScopeSet>,
    pub restriction: Option<ScopesRestriction>,
    /// Since when the organisation lets nobody use this client.
    pub disabled_at: Option<Timestamp>,
    /// What the user has authorised and not revoked.
    pub granted: Option<Granted>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    pub id: GrantId,
    pub scopes: ScopeSet,
    /// The resources that were agreed to for this redirect; "" is none.
    pub resources: Vec<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    org_name: String,
    role: String,
    default_client_scopes: Option<Json<ScopeSet>>,
    scopes_restriction: Option<JsonText>,
    disabled_at: Option<i64>,
    grant_id: Option<Uuid>,
    scopes: Option<String>,
    resources: Option<String>,
}

/// `None`: the user does not belong to the organisation.
pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
    user_id: UserId,
    redirect_uri: &str,
) -> Result<Option<Circumstances>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT o.name AS org_name, m.role, o.default_client_scopes, c.scopes_restriction, c.disabled_at,
                g.id AS grant_id,
                (SELECT string_agg(scope, ' ') FROM grant_scopes WHERE grant_id = g.id) AS scopes,
                (SELECT string_agg(resource, ' ') FROM consents
                  WHERE grant_id = g.id AND redirect_uri = $4) AS resources
           FROM memberships m
           JOIN orgs o ON o.id = m.org_id
           LEFT JOIN org_clients c ON c.org_id = m.org_id AND c.client_id = $2
           LEFT JOIN grants g ON g.org_id = m.org_id AND g.client_id = $2 AND g.user_id = m.user_id
                             AND g.revoked_at IS NULL
          WHERE m.org_id = $1 AND m.user_id = $3"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(user_id.0)
    .bind(redirect_uri)
    .fetch_optional(conn)
    .await)?;
    row.map(Circumstances::try_from).transpose()
}

impl TryFrom<Row> for Circumstances {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let scopes = ScopeSet::from_spaced(&row.scopes.unwrap_or_default())
            .map_err(|cause| DbError::corrupt("grant_scopes", "scope", cause))?;
        let resources = row.resources.map(|text| text.split(' ').map(str::to_owned).collect()).unwrap_or_default();
        let granted = row.grant_id.map(|id| Granted { id: GrantId(id), scopes, resources });
        Ok(Self {
            org_name: row.org_name,
            role: memberships::role(&row.role)?,
            default_client_scopes: row.default_client_scopes.map(|Json(scopes)| scopes),
            restriction: org_clients::restriction(row.scopes_restriction)?,
            disabled_at: row.disabled_at.map(Timestamp::from_seconds),
            granted,
        })
    }
}

/// Adds what the user of a grant was shown and agreed to.
pub async fn agree(tx: &mut Tx, id: GrantId, redirect_uri: &str, resources: &[&str]) -> Result<(), DbError> {
    for resource in resources {
        with_conn!(&mut *tx, |conn| sqlx::query(
            "INSERT INTO consents (grant_id, redirect_uri, resource) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
        )
        .bind(id.0)
        .bind(redirect_uri)
        .bind(resource)
        .execute(conn)
        .await
        .map(drop))?;
    }
    Ok(())
}
