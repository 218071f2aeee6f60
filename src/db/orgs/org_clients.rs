//! The settings of an organization for a client: its scopes restriction, whether it is disabled,
//! and its id for operators once a user has authorized it.
//!
//! Every change begins with [`lock`], an upsert of the row, so that two changes cannot overlap.

use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::db::clients::like_pattern;
use crate::db::engine::column::{Column, JsonText, count};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::rules::client::ClientId;
use crate::rules::client::disabled_reason::{DisabledReason, Disabling};
use crate::rules::id::{AuthorizedClientId, OrgId};
use crate::rules::scope::ScopeToken;
use crate::rules::scope::scopes_restriction::ScopesRestriction;
use crate::rules::timestamp::Timestamp;

/// The JSON of the column `scopes_restriction`.
#[derive(Serialize, Deserialize)]
struct Stored {
    oidc_scopes: Vec<ScopeToken>,
    permission_scopes: Vec<ScopeToken>,
}

pub(in crate::db) fn restriction(
    column: Option<JsonText>,
) -> Result<Option<ScopesRestriction>, DbError> {
    let Some(text) = column else { return Ok(None) };
    let Stored { oidc_scopes, permission_scopes } =
        Column::of("org_clients", "scopes_restriction").json(text)?;
    Ok(Some(ScopesRestriction::from_stored(oidc_scopes, permission_scopes)))
}

/// Returns `None` if there is no such client, and `Some(None)` if the organization does not
/// restrict it.
pub async fn find_restriction(
    db: &Db,
    org_id: OrgId,
    client_id: ClientId,
) -> Result<Option<Option<ScopesRestriction>>, DbError> {
    let row: Option<(Option<JsonText>,)> = read_with_conn!(db, |conn| sqlx::query_as(
        "SELECT scopes_restriction FROM org_clients WHERE org_id = $1 AND client_id = $2"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .fetch_optional(conn)
    .await)?;
    match row {
        Some((column,)) => restriction(column).map(Some),
        // The organization has no settings for the client, if the client exists.
        None => Ok(crate::db::clients::exists(db, client_id).await?.then_some(None)),
    }
}

/// Locks the row and returns the current restriction. Fails with [`DbError::Reference`] if there is
/// no such client.
pub async fn lock(
    tx: &mut Tx,
    org_id: OrgId,
    client_id: ClientId,
    now: Timestamp,
) -> Result<Option<ScopesRestriction>, DbError> {
    let (column,): (Option<JsonText>,) = with_conn!(tx, |conn| sqlx::query_as(
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

/// Locks the rows of a client in all organizations, in a fixed order.
pub async fn lock_all_of_client(tx: &mut Tx, client_id: ClientId) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| {
            sqlx::query(
                "SELECT org_id FROM org_clients WHERE client_id = $1 ORDER BY org_id FOR NO KEY UPDATE",
            )
            .bind(client_id.uuid())
            .execute(postgres)
            .await
            .map(drop)
        },
        // SQLite has only one writing transaction at a time.
        |_sqlite| Ok::<(), sqlx::Error>(())
    )
}

/// Locks all rows of the organization, in a fixed order.
pub async fn lock_all(tx: &mut Tx, org_id: OrgId) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| {
            sqlx::query(
            "SELECT client_id FROM org_clients WHERE org_id = $1 ORDER BY client_id FOR NO KEY UPDATE"
        )
        .bind(org_id.0)
        .execute(postgres)
        .await
        .map(drop)
        },
        // SQLite has only one writing transaction at a time.
        |_sqlite| Ok::<(), sqlx::Error>(())
    )
}

/// Sets the restriction, or removes it if `None`. The row stays, because it may have other
/// settings. Returns the name of the client. Requires [`lock`].
pub async fn update_restriction(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
    restriction: Option<&ScopesRestriction>,
) -> Result<String, DbError> {
    let column = restriction.map(|restriction| {
        Json(Stored {
            oidc_scopes: restriction.oidc_scopes().to_vec(),
            permission_scopes: restriction.permission_scopes().to_vec(),
        })
    });
    let name: Option<String> = with_conn!(db, |conn| sqlx::query_scalar(
        "UPDATE org_clients SET scopes_restriction = $3 WHERE org_id = $1 AND client_id = $2
         RETURNING (SELECT client_name FROM clients WHERE id = $2)"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(&column)
    .fetch_optional(conn)
    .await)?;
    name.ok_or(DbError::Reference)
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrgClient {
    /// `None` if no user ever authorized the client.
    pub authorized_id: Option<AuthorizedClientId>,
    pub disabled_at: Option<Timestamp>,
    /// `None` if the client is enabled, or if no reason was given.
    pub disabled_reason: Option<DisabledReason>,
    pub restriction: Option<ScopesRestriction>,
    pub first_authorized_at: Option<Timestamp>,
}

impl OrgClient {
    pub fn disabling(&self) -> Disabling {
        Disabling { is_disabled: self.disabled_at.is_some(), reason: self.disabled_reason.clone() }
    }
}

/// Returns `None` if the organization has no settings for the client, which may not exist.
pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
) -> Result<Option<OrgClient>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        authorized_id: Option<Uuid>,
        disabled_at: Option<i64>,
        disabled_reason: Option<String>,
        scopes_restriction: Option<JsonText>,
        first_authorized_at: Option<i64>,
    }
    let row: Option<Row> = with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT authorized_id, disabled_at, disabled_reason, scopes_restriction, first_authorized_at
           FROM org_clients WHERE org_id = $1 AND client_id = $2"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .fetch_optional(conn)
    .await
    })?;
    row.map(|row| {
        Ok(OrgClient {
            authorized_id: row.authorized_id.map(AuthorizedClientId),
            disabled_at: row.disabled_at.map(Timestamp::from_seconds),
            disabled_reason: row.disabled_reason.map(DisabledReason::from_stored),
            restriction: restriction(row.scopes_restriction)?,
            first_authorized_at: row.first_authorized_at.map(Timestamp::from_seconds),
        })
    })
    .transpose()
}

/// Returns the id for operators, which is `new` if this is the first consent of any user. Requires
/// [`lock`].
pub async fn assign_authorized_id(
    tx: &mut Tx,
    org_id: OrgId,
    client_id: ClientId,
    new: AuthorizedClientId,
    now: Timestamp,
) -> Result<AuthorizedClientId, DbError> {
    let id: Option<Uuid> = with_conn!(tx, |conn| {
        sqlx::query_scalar(
        "UPDATE org_clients
            SET authorized_id = COALESCE(authorized_id, $3), first_authorized_at = COALESCE(first_authorized_at, $4)
          WHERE org_id = $1 AND client_id = $2
         RETURNING authorized_id"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(new.0)
    .bind(now.seconds())
    .fetch_optional(conn)
    .await
    })?;
    id.map(AuthorizedClientId).ok_or(DbError::Reference)
}

/// Disables or enables the client. A client that is disabled already keeps its time. Requires
/// [`lock`].
pub async fn set_disabling(
    tx: &mut Tx,
    org_id: OrgId,
    client_id: ClientId,
    disabling: &Disabling,
    now: Timestamp,
) -> Result<(), DbError> {
    let disabled_at = disabling.is_disabled.then_some(now.seconds());
    let reason = disabling.reason.as_ref().map(DisabledReason::as_str);
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE org_clients
            SET disabled_at = CASE WHEN $3 IS NULL THEN NULL ELSE COALESCE(disabled_at, $3) END,
                disabled_reason = $4
          WHERE org_id = $1 AND client_id = $2"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(disabled_at)
    .bind(reason)
    .execute(conn)
    .await
    .map(drop))
}

/// A client that a user of the organization authorized, as shown to operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedClient {
    pub id: AuthorizedClientId,
    pub client_id: ClientId,
    pub client_name: String,
    pub disabled_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
    /// The number of users whose grant is not revoked.
    pub user_count: u64,
    pub first_authorized_at: Timestamp,
}

/// Selects a page of authorized clients.
#[derive(Clone, Debug, Default)]
pub struct AuthorizedFilter {
    /// A substring of the client's name. Case is ignored.
    pub name: Option<String>,
    /// Another substring that the name must contain.
    pub also_in_name: Option<String>,
    pub disabled: Option<bool>,
    pub descending: bool,
    /// Sorts by name instead of by the time of the first authorization.
    pub by_name: bool,
    pub size: u32,
    /// The number of the page, starting at 0.
    pub number: u32,
}

#[derive(sqlx::FromRow)]
struct AuthorizedRow {
    authorized_id: Uuid,
    client_id: Uuid,
    client_name: String,
    disabled_at: Option<i64>,
    last_used_at: Option<i64>,
    user_count: i64,
    first_authorized_at: i64,
}

impl From<AuthorizedRow> for AuthorizedClient {
    fn from(row: AuthorizedRow) -> Self {
        Self {
            id: AuthorizedClientId(row.authorized_id),
            client_id: ClientId::from_uuid(row.client_id),
            client_name: row.client_name,
            disabled_at: row.disabled_at.map(Timestamp::from_seconds),
            last_used_at: row.last_used_at.map(Timestamp::from_seconds),
            user_count: count(row.user_count),
            first_authorized_at: Timestamp::from_seconds(row.first_authorized_at),
        }
    }
}

/// Only the grants of the clients on the page are counted. A page after the last one is a single
/// row with the counts.
macro_rules! list_authorized_by {
    ($order:literal) => {
        concat!(
            "WITH authorized AS (
               SELECT c.authorized_id, c.client_id, c.disabled_at, c.first_authorized_at, k.client_name
                 FROM org_clients c
                 JOIN clients k ON k.id = c.client_id
                WHERE c.org_id = $1 AND c.authorized_id IS NOT NULL
             ), filtered AS (
               SELECT authorized_id, client_id, disabled_at, first_authorized_at, client_name FROM authorized
                WHERE ($2 IS NULL OR lower(client_name) LIKE lower($2) ESCAPE '\\')
                  AND ($3 IS NULL OR lower(client_name) LIKE lower($3) ESCAPE '\\')
                  AND ($4 IS NULL OR (disabled_at IS NOT NULL) = $4)
             ), page AS (
               SELECT authorized_id, client_id, disabled_at, first_authorized_at, client_name FROM filtered
                ORDER BY ",
            $order,
            " LIMIT $5 OFFSET $6
             )
             SELECT (SELECT count(*) FROM authorized) AS total, (SELECT count(*) FROM filtered) AS filtered,
                    page.authorized_id, page.client_id, page.client_name, page.disabled_at, page.first_authorized_at,
                    (SELECT max(g.last_used_at) FROM grants g
                      WHERE g.org_id = $1 AND g.client_id = page.client_id) AS last_used_at,
                    (SELECT count(*) FROM grants g
                      WHERE g.org_id = $1 AND g.client_id = page.client_id AND g.revoked_at IS NULL) AS user_count
               FROM (SELECT 1 AS one) AS always
               LEFT JOIN page ON TRUE
              ORDER BY ",
            $order
        )
    };
}

/// Returns a page, the number of all authorized clients, and the number of those that match the
/// filter.
pub async fn list_authorized(
    db: impl DbHandle,
    org_id: OrgId,
    filter: &AuthorizedFilter,
) -> Result<(Vec<AuthorizedClient>, u64, u64), DbError> {
    let sql = match (filter.by_name, filter.descending) {
        (true, false) => list_authorized_by!("lower(client_name), authorized_id"),
        (true, true) => list_authorized_by!("lower(client_name) DESC, authorized_id DESC"),
        (false, false) => list_authorized_by!("first_authorized_at, authorized_id"),
        (false, true) => list_authorized_by!("first_authorized_at DESC, authorized_id DESC"),
    };
    let rows: Vec<PageRow> = with_conn!(db, |conn| sqlx::query_as(sql)
        .bind(org_id.0)
        .bind(filter.name.as_deref().map(like_pattern))
        .bind(filter.also_in_name.as_deref().map(like_pattern))
        .bind(filter.disabled)
        .bind(i64::from(filter.size))
        .bind(i64::from(filter.size) * i64::from(filter.number))
        .fetch_all(conn)
        .await)?;
    let (total, filtered) =
        rows.first().map(|row| (count(row.total), count(row.filtered))).unwrap_or_default();
    Ok((rows.into_iter().filter_map(PageRow::client).collect(), total, filtered))
}

/// A client of the page, if there is one, and the counts.
#[derive(sqlx::FromRow)]
struct PageRow {
    total: i64,
    filtered: i64,
    authorized_id: Option<Uuid>,
    client_id: Option<Uuid>,
    client_name: Option<String>,
    disabled_at: Option<i64>,
    last_used_at: Option<i64>,
    user_count: i64,
    first_authorized_at: Option<i64>,
}

impl PageRow {
    fn client(self) -> Option<AuthorizedClient> {
        let row = AuthorizedRow {
            authorized_id: self.authorized_id?,
            client_id: self.client_id?,
            client_name: self.client_name?,
            disabled_at: self.disabled_at,
            last_used_at: self.last_used_at,
            user_count: self.user_count,
            first_authorized_at: self.first_authorized_at?,
        };
        Some(row.into())
    }
}

pub async fn find_authorized(
    db: impl DbHandle,
    org_id: OrgId,
    id: AuthorizedClientId,
) -> Result<Option<AuthorizedClient>, DbError> {
    let row: Option<AuthorizedRow> = with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT c.authorized_id, c.client_id, k.client_name, c.disabled_at, c.first_authorized_at,
                (SELECT max(g.last_used_at) FROM grants g
                  WHERE g.org_id = c.org_id AND g.client_id = c.client_id) AS last_used_at,
                (SELECT count(*) FROM grants g
                  WHERE g.org_id = c.org_id AND g.client_id = c.client_id AND g.revoked_at IS NULL) AS user_count
           FROM org_clients c
           JOIN clients k ON k.id = c.client_id
          WHERE c.authorized_id = $2 AND c.org_id = $1"
    )
    .bind(org_id.0)
    .bind(id.0)
    .fetch_optional(conn)
    .await
    })?;
    Ok(row.map(AuthorizedClient::from))
}

/// Deletes the row if the organization neither restricts nor disables the client and has no grants
/// for it. Returns true if a row was deleted. Fails with [`DbError::Reference`] if a user granted
/// access in the meantime.
pub async fn delete_undecided(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
) -> Result<bool, DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "DELETE FROM org_clients WHERE org_id = $1 AND client_id = $2 AND scopes_restriction IS NULL
         AND disabled_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.org_id = $1 AND grants.client_id = $2)"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
    })
}
