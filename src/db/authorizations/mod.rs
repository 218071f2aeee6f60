//! Lists the grants of an organization by client, with their users.

pub mod codes;
pub mod connection_starts;
pub mod consents;
pub mod own;
pub mod requests;

use uuid::Uuid;

use crate::db::clients::like_pattern;
use crate::db::engine::column::{count, ids_as_json};
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, DbHandle, with_conn};
use crate::db::grants::{Grant, Row as GrantRow};
use crate::db::users::{JoinedUser, User};
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;

/// A grant, revoked or not, with its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    pub grant: Grant,
    pub user: User,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    grant: GrantRow,
    #[sqlx(flatten)]
    user: JoinedUser,
}

impl TryFrom<Row> for Authorization {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self { grant: row.grant.try_into()?, user: row.user.into() })
    }
}

/// Selects the columns of [`Row`] and further ones. The other arguments are the rest of the
/// statement.
macro_rules! select_authorizations {
    ($more:literal, $($rest:expr),+ $(,)?) => {
        concat!(
            "SELECT g.id, g.org_id, g.client_id, g.user_id, g.consented_at, g.created_at, g.modified_at, g.last_used_at,
                    g.revoked_at, (SELECT string_agg(s.scope, ' ') FROM grant_scopes s WHERE s.grant_id = g.id) AS scopes,
                    u.email, u.name AS user_name, u.created_at AS user_created_at, u.disabled_at AS user_disabled_at,
                    u.email_verified_at",
            $more,
            " FROM grants g JOIN users u ON u.id = g.user_id ",
            $($rest),+
        )
    };
}

use select_authorizations;

/// Lists at most $5 grants of each client, oldest first.
macro_rules! list_of_clients {
    ($clients:literal) => {
        concat!(
            "SELECT id, org_id, client_id, user_id, consented_at, created_at, modified_at, last_used_at, revoked_at, scopes,
                    email, user_name, user_created_at, user_disabled_at, email_verified_at
               FROM (",
            select_authorizations!(
                ", row_number() OVER (PARTITION BY g.client_id ORDER BY g.id) AS place",
                "WHERE g.org_id = $1 AND g.client_id ",
                $clients,
                " AND ($3 IS NULL OR (g.revoked_at IS NOT NULL) = $3)
                  AND ($4 IS NULL OR (u.disabled_at IS NOT NULL) = $4)"
            ),
            ") AS found
              WHERE place <= $5
              ORDER BY client_id, id"
        )
    };
}

/// Selects grants of several clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct RelatedGrants {
    /// `None` selects both live and revoked grants.
    pub revoked: Option<bool>,
    pub user_disabled: Option<bool>,
    /// The largest number of grants per client.
    pub limit: u32,
}

pub async fn list_of_clients(
    db: impl DbHandle,
    org_id: OrgId,
    clients: &[ClientId],
    related: RelatedGrants,
) -> Result<Vec<Authorization>, DbError> {
    let rows: Vec<Row> = with_conn!(
        db,
        |postgres| sqlx::query_as(list_of_clients!("= ANY($2)"))
            .bind(org_id.0)
            .bind(clients.iter().map(|id| id.uuid()).collect::<Vec<Uuid>>())
            .bind(related.revoked)
            .bind(related.user_disabled)
            .bind(i64::from(related.limit))
            .fetch_all(postgres)
            .await,
        |sqlite| sqlx::query_as(list_of_clients!("IN (SELECT unhex(value) FROM json_each($2))"))
            .bind(org_id.0)
            .bind(ids_as_json(clients.iter().map(|id| id.uuid())))
            .bind(related.revoked)
            .bind(related.user_disabled)
            .bind(i64::from(related.limit))
            .fetch_all(sqlite)
            .await
    )?;
    rows.into_iter().map(Authorization::try_from).collect()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By the time of the first consent.
    #[default]
    Age,
    UserName,
    UserEmail,
}

/// Selects a page of the grants of one client.
#[derive(Clone, Debug, Default)]
pub struct AuthorizationFilter {
    pub revoked: Option<bool>,
    /// A substring of the name. Case is ignored.
    pub user_name: Option<String>,
    /// A substring of the email address. Case is ignored.
    pub user_email: Option<String>,
    pub user_disabled: Option<bool>,
    pub order: Order,
    pub descending: bool,
    pub size: u32,
    /// The number of the page, starting at 0.
    pub number: u32,
}

macro_rules! filtered {
    () => {
        "($3 IS NULL OR (g.revoked_at IS NOT NULL) = $3)
         AND ($4 IS NULL OR lower(u.name) LIKE lower($4) ESCAPE '\\')
         AND ($5 IS NULL OR lower(u.email) LIKE lower($5) ESCAPE '\\')
         AND ($6 IS NULL OR (u.disabled_at IS NOT NULL) = $6)"
    };
}

macro_rules! page_by {
    ($order:literal) => {
        select_authorizations!(
            "",
            "WHERE g.org_id = $1 AND g.client_id = $2 AND ",
            filtered!(),
            " ORDER BY ",
            $order,
            " LIMIT $7 OFFSET $8"
        )
    };
}

impl AuthorizationFilter {
    const fn page(&self) -> &'static str {
        match (self.order, self.descending) {
            (Order::Age, false) => page_by!("g.id"),
            (Order::Age, true) => page_by!("g.id DESC"),
            (Order::UserName, false) => page_by!("lower(COALESCE(u.name, '')), g.id"),
            (Order::UserName, true) => page_by!("lower(COALESCE(u.name, '')) DESC, g.id DESC"),
            (Order::UserEmail, false) => page_by!("u.email, g.id"),
            (Order::UserEmail, true) => page_by!("u.email DESC, g.id DESC"),
        }
    }
}

/// Returns a page, the number of all grants of the client, and the number of those that match the
/// filter.
pub async fn list(
    db: &Db,
    org_id: OrgId,
    client_id: ClientId,
    filter: &AuthorizationFilter,
) -> Result<(Vec<Authorization>, u64, u64), DbError> {
    let name = filter.user_name.as_deref().map(like_pattern);
    let email = filter.user_email.as_deref().map(like_pattern);
    let (total, filtered): (i64, i64) = with_conn!(db, |conn| {
        sqlx::query_as(concat!(
        "SELECT count(*), count(*) FILTER (WHERE ",
        filtered!(),
        ") FROM grants g JOIN users u ON u.id = g.user_id WHERE g.org_id = $1 AND g.client_id = $2"
    ))
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(filter.revoked)
    .bind(&name)
    .bind(&email)
    .bind(filter.user_disabled)
    .fetch_one(conn)
    .await
    })?;
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(filter.page())
        .bind(org_id.0)
        .bind(client_id.uuid())
        .bind(filter.revoked)
        .bind(&name)
        .bind(&email)
        .bind(filter.user_disabled)
        .bind(i64::from(filter.size))
        .bind(i64::from(filter.size) * i64::from(filter.number))
        .fetch_all(conn)
        .await)?;
    let page = rows.into_iter().map(Authorization::try_from).collect::<Result<_, _>>()?;
    Ok((page, count(total), count(filtered)))
}

/// Lists clients that have live grants in the organization and no restriction of their own.
pub async fn list_unrestricted_clients(
    db: impl DbHandle,
    org_id: OrgId,
) -> Result<Vec<ClientId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(db, |conn| {
        sqlx::query_scalar(
        "SELECT c.client_id FROM org_clients c JOIN clients k ON k.id = c.client_id
          WHERE c.org_id = $1 AND c.scopes_restriction IS NULL AND k.owner_org_id IS NULL
            AND EXISTS (SELECT 1 FROM grants g
                         WHERE g.org_id = c.org_id AND g.client_id = c.client_id AND g.revoked_at IS NULL)
          ORDER BY c.client_id"
    )
    .bind(org_id.0)
    .fetch_all(conn)
    .await
    })?;
    Ok(ids.into_iter().map(ClientId::from_uuid).collect())
}
