//! Who belongs to which organisation, in which role.

use uuid::Uuid;

use super::{DbError, DbHandle, with_conn};
use crate::oauth::permission::Role;
use crate::oauth::{OrgId, Timestamp, UserId};

/// A person in an organisation, with the names that a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub org_name: String,
    pub user_id: UserId,
    pub email: String,
    pub role: Role,
    pub disabled_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    org_name: String,
    user_id: Uuid,
    email: String,
    role: String,
    disabled_at: Option<i64>,
}

impl TryFrom<Row> for Membership {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            org_name: row.org_name,
            user_id: UserId(row.user_id),
            email: row.email,
            role: role(&row.role)?,
            disabled_at: row.disabled_at.map(Timestamp::from_seconds),
        })
    }
}

pub(super) fn role(name: &str) -> Result<Role, DbError> {
    name.parse().map_err(|cause| DbError::corrupt("memberships", "role", cause))
}

pub async fn insert(
    db: impl DbHandle,
    org_id: OrgId,
    user_id: UserId,
    role: Role,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO memberships (org_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)"
    )
    .bind(org_id.0)
    .bind(user_id.0)
    .bind(role.as_str())
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

pub async fn find(db: impl DbHandle, org_id: OrgId, user_id: UserId) -> Result<Option<Role>, DbError> {
    let name: Option<String> =
        with_conn!(db, |conn| sqlx::query_scalar("SELECT role FROM memberships WHERE org_id = $1 AND user_id = $2")
            .bind(org_id.0)
            .bind(user_id.0)
            .fetch_optional(conn)
            .await)?;
    name.as_deref().map(role).transpose()
}

/// Of one organisation, or of all.
pub async fn list(db: impl DbHandle, org_id: Option<OrgId>) -> Result<Vec<Membership>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT o.name AS org_name, u.id AS user_id, u.email, m.role, u.disabled_at
           FROM memberships m
           JOIN orgs o ON o.id = m.org_id
           JOIN users u ON u.id = m.user_id
          WHERE $1 IS NULL OR m.org_id = $1
          ORDER BY o.name, u.email"
    )
    .bind(org_id.map(|id| id.0))
    .fetch_all(conn)
    .await)?;
    rows.into_iter().map(Membership::try_from).collect()
}

pub async fn list_orgs(db: impl DbHandle, user_id: UserId) -> Result<Vec<OrgId>, DbError> {
    let ids: Vec<Uuid> =
        with_conn!(db, |conn| sqlx::query_scalar("SELECT org_id FROM memberships WHERE user_id = $1 ORDER BY org_id")
            .bind(user_id.0)
            .fetch_all(conn)
            .await)?;
    Ok(ids.into_iter().map(OrgId).collect())
}

/// The organisations of a person by name, with the role in each.
pub async fn list_of_user(db: impl DbHandle, user_id: UserId) -> Result<Vec<(OrgId, String, Role)>, DbError> {
    let rows: Vec<(Uuid, String, String)> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT m.org_id, o.name, m.role
           FROM memberships m
           JOIN orgs o ON o.id = m.org_id
          WHERE m.user_id = $1
          ORDER BY o.name"
    )
    .bind(user_id.0)
    .fetch_all(conn)
    .await)?;
    rows.into_iter().map(|(org_id, name, named)| Ok((OrgId(org_id), name, role(&named)?))).collect()
}
