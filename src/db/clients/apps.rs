//! Registered clients as listed by the commands for one organization: how many users each has, and
//! whether the organization restricted or disabled it.

use crate::db::clients::{Client, Row as ClientRow, client_columns, client_joins, like_pattern};
use crate::db::engine::column::count;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::rules::client::ClientId;
use crate::rules::id::OrgId;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug)]
pub struct App {
    pub client: Client,
    /// Whether a user of the organization authorized the client, or the organization restricted or
    /// disabled it.
    pub is_used: bool,
    pub is_restricted: bool,
    pub disabled_at: Option<Timestamp>,
    /// Users whose grant is not revoked.
    pub people: u64,
    pub last_used_at: Option<Timestamp>,
}

/// The clients to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppSelection {
    /// The clients that the organization uses, most recently used first.
    Used,
    /// All registered clients, most recently seen first.
    Registered,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    client: ClientRow,
    is_used: bool,
    is_restricted: bool,
    disabled_at: Option<i64>,
    people: i64,
    last_used_at: Option<i64>,
}

impl TryFrom<Row> for App {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            client: row.client.try_into()?,
            is_used: row.is_used,
            is_restricted: row.is_restricted,
            disabled_at: row.disabled_at.map(Timestamp::from_seconds),
            people: count(row.people),
            last_used_at: row.last_used_at.map(Timestamp::from_seconds),
        })
    }
}

macro_rules! is_used {
    () => {
        "(c.authorized_id IS NOT NULL OR c.scopes_restriction IS NOT NULL OR c.disabled_at IS NOT NULL)"
    };
}

/// Selects the columns of [`Row`] for the organization $1. The arguments are the rest of the
/// statement.
macro_rules! select_apps {
    ($($rest:expr),+ $(,)?) => {
        concat!(
            "SELECT ", client_columns!("k"), ", ",
            is_used!(), " AS is_used, c.scopes_restriction IS NOT NULL AS is_restricted, c.disabled_at,
                    (SELECT count(*) FROM grants g
                      WHERE g.org_id = $1 AND g.client_id = k.id AND g.revoked_at IS NULL) AS people,
                    (SELECT max(g.last_used_at) FROM grants g
                      WHERE g.org_id = $1 AND g.client_id = k.id) AS last_used_at
               FROM clients k
               LEFT JOIN org_clients c ON c.client_id = k.id AND c.org_id = $1",
            client_joins!("k"),
            // The private clients of other organizations cannot be used here.
            "WHERE (k.owner_org_id IS NULL OR k.owner_org_id = $1) AND ",
            $($rest),+
        )
    };
}

/// Lists at most `limit` clients whose name contains `name`. Case is ignored.
pub async fn list(
    db: &Db,
    org_id: OrgId,
    selection: AppSelection,
    name: &str,
    limit: u32,
) -> Result<Vec<App>, DbError> {
    let sql = match selection {
        AppSelection::Used => select_apps!(
            is_used!(),
            " AND lower(k.client_name) LIKE lower($2) ESCAPE '\\'
             ORDER BY last_used_at DESC NULLS LAST, k.id LIMIT $3"
        ),
        AppSelection::Registered => select_apps!(
            "lower(k.client_name) LIKE lower($2) ESCAPE '\\' ORDER BY k.last_seen_at DESC, k.id LIMIT $3"
        ),
    };
    list_by_name(db, sql, org_id, &like_pattern(name), limit).await
}

/// Lists at most `limit` clients with exactly this name. Case is ignored.
pub async fn list_named(
    db: &Db,
    org_id: OrgId,
    selection: AppSelection,
    name: &str,
    limit: u32,
) -> Result<Vec<App>, DbError> {
    let sql = match selection {
        AppSelection::Used => {
            select_apps!(is_used!(), " AND lower(k.client_name) = lower($2) ORDER BY k.id LIMIT $3")
        }
        AppSelection::Registered => {
            select_apps!("lower(k.client_name) = lower($2) ORDER BY k.id LIMIT $3")
        }
    };
    list_by_name(db, sql, org_id, name, limit).await
}

async fn list_by_name(
    db: &Db,
    sql: &'static str,
    org_id: OrgId,
    name: &str,
    limit: u32,
) -> Result<Vec<App>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(sql)
        .bind(org_id.0)
        .bind(name)
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await)?;
    rows.into_iter().map(App::try_from).collect()
}

/// Lists at most `limit` clients with ids from `first` to `last`, inclusive.
pub async fn list_between(
    db: &Db,
    org_id: OrgId,
    first: ClientId,
    last: ClientId,
    limit: u32,
) -> Result<Vec<App>, DbError> {
    let sql = select_apps!("k.id >= $2 AND k.id <= $3 ORDER BY k.id LIMIT $4");
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(sql)
        .bind(org_id.0)
        .bind(first.uuid())
        .bind(last.uuid())
        .bind(i64::from(limit))
        .fetch_all(conn)
        .await)?;
    rows.into_iter().map(App::try_from).collect()
}

/// Finds the client that is described by the document at this URL.
pub async fn find_by_document(db: &Db, org_id: OrgId, url: &str) -> Result<Option<App>, DbError> {
    let row: Option<Row> =
        with_conn!(db, |conn| sqlx::query_as(select_apps!("documents.url = $2"))
            .bind(org_id.0)
            .bind(url)
            .fetch_optional(conn)
            .await)?;
    row.map(App::try_from).transpose()
}

/// Finds the client with this id.
pub async fn find(db: &Db, org_id: OrgId, id: ClientId) -> Result<Option<App>, DbError> {
    Ok(list_between(db, org_id, id, id, 1).await?.pop())
}
