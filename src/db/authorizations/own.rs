//! The authorizations of one user in one organization, as they see them.

use crate::db::authorizations::{Authorization, Row, select_authorizations};
use crate::db::clients::like_pattern;
use crate::db::engine::column::count;
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, with_conn};
use crate::rules::id::{GrantId, OrgId, UserId};

#[derive(Clone, Debug)]
pub struct OwnAuthorization {
    pub authorization: Authorization,
    /// Whether the organization has disabled the client.
    pub org_disabled: bool,
}

/// Selects a page of the authorizations.
#[derive(Clone, Debug, Default)]
pub struct OwnFilter {
    /// A substring of the client's name. Case is ignored.
    pub client_name: Option<String>,
    pub revoked: Option<bool>,
    pub size: u32,
    /// The number of the page, starting at 0.
    pub number: u32,
}

#[derive(sqlx::FromRow)]
struct OwnRow {
    #[sqlx(flatten)]
    authorization: Row,
    org_disabled: bool,
}

impl TryFrom<OwnRow> for OwnAuthorization {
    type Error = DbError;

    fn try_from(row: OwnRow) -> Result<Self, DbError> {
        Ok(Self { authorization: row.authorization.try_into()?, org_disabled: row.org_disabled })
    }
}

macro_rules! matches {
    () => {
        "($3 IS NULL OR lower(k.client_name) LIKE lower($3) ESCAPE '\\')
         AND ($4 IS NULL OR (g.revoked_at IS NOT NULL) = $4)"
    };
}

macro_rules! select_own {
    ($($rest:expr),+ $(,)?) => {
        select_authorizations!(
            ", (c.disabled_at IS NOT NULL) AS org_disabled",
            "JOIN clients k ON k.id = g.client_id
             LEFT JOIN org_clients c ON c.org_id = g.org_id AND c.client_id = g.client_id
             WHERE g.org_id = $1 AND g.user_id = $2 AND ",
            $($rest),+
        )
    };
}

/// Returns a page, the number of all authorizations of the user, and the number of those that match
/// the filter. The oldest authorization comes first.
pub async fn list(
    db: &Db,
    org_id: OrgId,
    user_id: UserId,
    filter: &OwnFilter,
) -> Result<(Vec<OwnAuthorization>, u64, u64), DbError> {
    let name = filter.client_name.as_deref().map(like_pattern);
    let (total, filtered): (i64, i64) = with_conn!(db, |conn| {
        sqlx::query_as(concat!(
            "SELECT count(*), count(*) FILTER (WHERE ",
            matches!(),
            ") FROM grants g JOIN clients k ON k.id = g.client_id WHERE g.org_id = $1 AND g.user_id = $2"
        ))
        .bind(org_id.0)
        .bind(user_id.0)
        .bind(&name)
        .bind(filter.revoked)
        .fetch_one(conn)
        .await
    })?;
    let sql = select_own!(matches!(), " ORDER BY g.id LIMIT $5 OFFSET $6");
    let rows: Vec<OwnRow> = with_conn!(db, |conn| sqlx::query_as(sql)
        .bind(org_id.0)
        .bind(user_id.0)
        .bind(&name)
        .bind(filter.revoked)
        .bind(i64::from(filter.size))
        .bind(i64::from(filter.size) * i64::from(filter.number))
        .fetch_all(conn)
        .await)?;
    let page = rows.into_iter().map(OwnAuthorization::try_from).collect::<Result<_, _>>()?;
    Ok((page, count(total), count(filtered)))
}

pub async fn find(
    db: &Db,
    org_id: OrgId,
    user_id: UserId,
    id: GrantId,
) -> Result<Option<OwnAuthorization>, DbError> {
    let row: Option<OwnRow> = with_conn!(db, |conn| sqlx::query_as(select_own!("g.id = $3"))
        .bind(org_id.0)
        .bind(user_id.0)
        .bind(id.0)
        .fetch_optional(conn)
        .await)?;
    row.map(OwnAuthorization::try_from).transpose()
}
