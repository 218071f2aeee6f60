//! Reads everything that a consent decision depends on, from six tables in one query, and stores
//! what the user agreed to: the redirect URI, the resource and the scopes.

use std::collections::BTreeMap;

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::{Column, JsonText, ids_as_json};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::db::orgs::{memberships, org_clients};
use crate::rules::client::ClientId;
use crate::rules::id::{GrantId, OrgId, UserId};
use crate::rules::identity::permission::Role;
use crate::rules::scope::ScopeSet;
use crate::rules::scope::scopes_restriction::ScopesRestriction;
use crate::rules::timestamp::Timestamp;

/// Everything that a consent decision depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentContext {
    pub org_name: String,
    pub role: Role,
    pub default_client_scopes: Option<ScopeSet>,
    pub restriction: Option<ScopesRestriction>,
    /// When the organization disabled this client.
    pub disabled_at: Option<Timestamp>,
    /// The user's grant, unless it is revoked.
    pub granted: Option<ConsentedGrant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentedGrant {
    pub id: GrantId,
    pub scopes: ScopeSet,
    /// Scopes whose checkboxes the user cleared.
    pub declined: ScopeSet,
    /// The digest of the last consent page that the user answered.
    pub consent_digest: [u8; 32],
    /// The scopes that the user agreed to for this redirect URI, by canonical resource URI. The
    /// empty string stands for this server.
    pub agreed: BTreeMap<String, ScopeSet>,
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
    agreed: Option<String>,
}

/// Returns `None` if the user is not a member of the organization.
pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
    user_id: UserId,
    redirect_uri: &str,
) -> Result<Option<ConsentContext>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| {
        sqlx::query_as(concat!(
        "SELECT o.name AS org_name, m.role, o.default_client_scopes, c.scopes_restriction, c.disabled_at,
                g.id AS grant_id, g.consent_digest, g.declined_scopes,
                (SELECT string_agg(scope, ' ') FROM grant_scopes WHERE grant_id = g.id) AS scopes,
                (SELECT string_agg(resource || ' ' || CAST(scopes AS TEXT), '\n') FROM consents
                  WHERE grant_id = g.id AND redirect_uri = $4) AS agreed
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
    .await
    })?;
    row.map(ConsentContext::try_from).transpose()
}

impl TryFrom<Row> for ConsentContext {
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
    fn granted(&self) -> Result<Option<ConsentedGrant>, DbError> {
        let (Some(id), Some(digest)) = (self.grant_id, &self.consent_digest) else {
            return Ok(None);
        };
        Ok(Some(ConsentedGrant {
            id: GrantId(id),
            scopes: Column::of("grant_scopes", "scope").scopes(self.scopes.as_deref())?,
            declined: self
                .declined_scopes
                .as_ref()
                .map(|Json(scopes)| scopes.clone())
                .unwrap_or_default(),
            consent_digest: Column::of("grants", "consent_digest").bytes(digest)?,
            agreed: self
                .agreed
                .as_deref()
                .unwrap_or_default()
                .lines()
                .map(agreed)
                .collect::<Result<_, _>>()?,
        }))
    }
}

/// Parses a line of `agreed`: a resource, which contains no spaces, and its scopes as JSON. A
/// consent without stored scopes has no line.
fn agreed(line: &str) -> Result<(String, ScopeSet), DbError> {
    let (resource, scopes) = line.split_once(' ').unwrap_or((line, ""));
    let scopes = serde_json::from_str(scopes)
        .map_err(|cause| Column::of("consents", "scopes").corrupt(cause))?;
    Ok((resource.to_owned(), scopes))
}

/// Replaces the set of scopes whose checkboxes the user cleared.
pub async fn set_declined_scopes(
    tx: &mut Tx,
    id: GrantId,
    scopes: &ScopeSet,
) -> Result<(), DbError> {
    let scopes = (!scopes.is_empty()).then_some(Json(scopes));
    with_conn!(tx, |conn| sqlx::query("UPDATE grants SET declined_scopes = $2 WHERE id = $1")
        .bind(id.0)
        .bind(scopes)
        .execute(conn)
        .await
        .map(drop))
}

/// Adds scopes that the user saw and agreed to, for a redirect URI and each of the resources. The
/// transaction must have locked the grant, so that no scopes are removed from it between the read
/// and the write.
pub async fn add_agreed_scopes(
    tx: &mut Tx,
    id: GrantId,
    redirect_uri: &str,
    resources: &[&str],
    scopes: &ScopeSet,
) -> Result<(), DbError> {
    for resource in resources {
        let before: Option<Option<JsonText>> = with_conn!(&mut *tx, |conn| {
            sqlx::query_scalar(
            "SELECT scopes FROM consents WHERE grant_id = $1 AND redirect_uri = $2 AND resource = $3"
        )
        .bind(id.0)
        .bind(redirect_uri)
        .bind(resource)
        .fetch_optional(conn)
        .await
        })?;
        let before =
            before.flatten().map(|text| Column::of("consents", "scopes").json(text)).transpose()?;
        let agreed = before.map_or_else(|| scopes.clone(), |before: ScopeSet| before.union(scopes));
        with_conn!(&mut *tx, |conn| {
            sqlx::query(
            "INSERT INTO consents (grant_id, redirect_uri, resource, scopes) VALUES ($1, $2, $3, $4)
             ON CONFLICT (grant_id, redirect_uri, resource) DO UPDATE SET scopes = excluded.scopes"
        )
        .bind(id.0)
        .bind(redirect_uri)
        .bind(resource)
        .bind(Json(&agreed))
        .execute(conn)
        .await
        .map(drop)
        })?;
    }
    Ok(())
}

/// Returns the scopes that the user agreed to for this server's own API. `None` means that no
/// consent page showed the user that the client can use this API.
pub async fn find_scopes_for_this_server(
    db: impl DbHandle,
    id: GrantId,
) -> Result<Option<ScopeSet>, DbError> {
    let rows: Vec<JsonText> = with_conn!(db, |conn| {
        sqlx::query_scalar(
        "SELECT scopes FROM consents WHERE grant_id = $1 AND resource = '' AND scopes IS NOT NULL"
    )
    .bind(id.0)
    .fetch_all(conn)
    .await
    })?;
    let sets =
        rows.into_iter().map(|scopes| Column::of("consents", "scopes").json::<ScopeSet>(scopes));
    sets.reduce(|all, more| Ok(all?.union(&more?))).transpose()
}

/// Removes scopes from the stored consents of grants that this transaction has locked, so that
/// users are asked for them again.
pub(in crate::db) async fn remove_scopes_of_grants(
    tx: &mut Tx,
    grants: &[GrantId],
    scopes: &ScopeSet,
) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| sqlx::query(
            "UPDATE consents SET scopes = scopes - $2::text[]
              WHERE grant_id = ANY($1) AND scopes ?| $2::text[]",
        )
        .bind(grants.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(scopes.names().collect::<Vec<_>>())
        .execute(postgres)
        .await
        .map(drop),
        |sqlite| {
            sqlx::query(
            "UPDATE consents
                SET scopes = (SELECT json_group_array(value ORDER BY key) FROM json_each(consents.scopes)
                               WHERE value NOT IN (SELECT value FROM json_each($2)))
              WHERE grant_id IN (SELECT unhex(value) FROM json_each($1)) AND scopes IS NOT NULL",
        )
        .bind(ids_as_json(grants.iter().map(|id| id.0)))
        .bind(Json(scopes))
        .execute(sqlite)
        .await
        .map(drop)
        }
    )
}
