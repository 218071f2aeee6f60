//! What a consent is decided by: what six tables say of a user, an organisation and a client, read at once; and what
//! was agreed to beside the scopes.

use sqlx::types::Json;
use uuid::Uuid;

use super::column::{Column, JsonText};
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
    /// Boxes that the user cleared.
    pub declined: ScopeSet,
    /// Of the page that the user answered last.
    pub consent_digest: [u8; 32],
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
    consent_digest: Option<Vec<u8>>,
    declined_scopes: Option<Json<ScopeSet>>,
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
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(concat!(
        "SELECT o.name AS org_name, m.role, o.default_client_scopes, c.scopes_restriction, c.disabled_at,
                g.id AS grant_id, g.consent_digest, g.declined_scopes,
                (SELECT string_agg(scope, ' ') FROM grant_scopes WHERE grant_id = g.id) AS scopes,
                (SELECT string_agg(resource, ' ') FROM consents
                  WHERE grant_id = g.id AND redirect_uri = $4) AS resources
           FROM memberships m
           JOIN orgs o ON o.id = m.org_id
           LEFT JOIN org_clients c ON c.org_id = m.org_id AND c.client_id = $2
           LEFT JOIN grants g ON g.org_id = m.org_id AND g.client_id = $2 AND g.user_id = m.user_id
                             AND g.revoked_at IS NULL
          WHERE m.org_id = $1 AND m.user_id = $3 AND ",
        memberships::is_active!()
    ))
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
        let granted = row.granted()?;
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

impl Row {
    fn granted(&self) -> Result<Option<Granted>, DbError> {
        let (Some(id), Some(digest)) = (self.grant_id, &self.consent_digest) else { return Ok(None) };
        let resources = self.resources.as_deref().map(|text| text.split(' ').map(str::to_owned).collect());
        Ok(Some(Granted {
            id: GrantId(id),
            scopes: Column::of("grant_scopes", "scope").scopes(self.scopes.as_deref())?,
            declined: self.declined_scopes.as_ref().map(|Json(scopes)| scopes.clone()).unwrap_or_default(),
            consent_digest: Column::of("grants", "consent_digest").bytes(digest)?,
            resources: resources.unwrap_or_default(),
        }))
    }
}

/// Keeps which boxes the user of a grant has cleared, in the place of what was kept before.
pub async fn decline(tx: &mut Tx, id: GrantId, scopes: &ScopeSet) -> Result<(), DbError> {
    let scopes = (!scopes.is_empty()).then_some(Json(scopes));
    with_conn!(tx, |conn| sqlx::query("UPDATE grants SET declined_scopes = $2 WHERE id = $1")
        .bind(id.0)
        .bind(scopes)
        .execute(conn)
        .await
        .map(drop))
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
