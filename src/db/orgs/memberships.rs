//! The members of organizations and their roles.
//!
//! An ended membership keeps its row, because keys and grants refer to it. [`find`] is the function
//! that reads a role. Other statements that join this table, as `m`, use [`is_active!`] to exclude
//! ended memberships.

use uuid::Uuid;

use crate::db::engine::column::ids_as_json;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::permission::Role;
use crate::rules::timestamp::Timestamp;

/// A user in an organization, with the names that lists show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub org_name: String,
    pub user_id: UserId,
    pub email: String,
    pub role: Role,
    /// When the user was disabled in all organizations.
    pub disabled_at: Option<Timestamp>,
    /// When the membership ended.
    pub left_at: Option<Timestamp>,
}

/// The condition that a row of `memberships m` has not ended.
macro_rules! is_active {
    () => {
        "m.disabled_at IS NULL"
    };
}
pub(in crate::db) use is_active;

#[derive(sqlx::FromRow)]
struct Row {
    org_name: String,
    user_id: Uuid,
    email: String,
    role: String,
    disabled_at: Option<i64>,
    left_at: Option<i64>,
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
            left_at: row.left_at.map(Timestamp::from_seconds),
        })
    }
}

pub(in crate::db) fn role(name: &str) -> Result<Role, DbError> {
    name.parse().map_err(|cause| DbError::corrupt("memberships", "role", cause))
}

/// Adds a user to an organization, or adds them again. Returns false if they already are a member.
pub async fn insert(
    db: impl DbHandle,
    org_id: OrgId,
    user_id: UserId,
    role: Role,
    now: Timestamp,
) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO memberships (org_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (org_id, user_id) DO UPDATE
            SET role = excluded.role, disabled_at = NULL, modified_at = excluded.created_at
          WHERE memberships.disabled_at IS NOT NULL"
    )
    .bind(org_id.0)
    .bind(user_id.0)
    .bind(role.as_str())
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Returns the role of a user in an organization, or `None` if they are not a member, or no longer
/// one.
pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    user_id: UserId,
) -> Result<Option<Role>, DbError> {
    let name: Option<String> = with_conn!(db, |conn| sqlx::query_scalar(concat!(
        "SELECT m.role FROM memberships m WHERE m.org_id = $1 AND m.user_id = $2 AND ",
        is_active!()
    ))
    .bind(org_id.0)
    .bind(user_id.0)
    .fetch_optional(conn)
    .await)?;
    name.as_deref().map(role).transpose()
}

/// Returns the role of a former member.
pub async fn find_ended(
    db: impl DbHandle,
    org_id: OrgId,
    user_id: UserId,
) -> Result<Option<Role>, DbError> {
    let name: Option<String> = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT role FROM memberships
          WHERE org_id = $1 AND user_id = $2 AND disabled_at IS NOT NULL"
    )
    .bind(org_id.0)
    .bind(user_id.0)
    .fetch_optional(conn)
    .await)?;
    name.as_deref().map(role).transpose()
}

/// The organization must be locked.
pub async fn update_role(
    tx: &mut Tx,
    org_id: OrgId,
    user_id: UserId,
    role: Role,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE memberships SET role = $3, modified_at = $4 WHERE org_id = $1 AND user_id = $2"
    )
    .bind(org_id.0)
    .bind(user_id.0)
    .bind(role.as_str())
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Ends a membership. The organization must be locked.
pub async fn end(
    tx: &mut Tx,
    org_id: OrgId,
    user_id: UserId,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
        "UPDATE memberships SET disabled_at = $3, modified_at = $3 WHERE org_id = $1 AND user_id = $2"
    )
    .bind(org_id.0)
    .bind(user_id.0)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop)
    })
}

/// Lists the administrators of an organization who are not disabled.
pub async fn list_active_administrators(
    db: impl DbHandle,
    org_id: OrgId,
) -> Result<Vec<UserId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(concat!(
        "SELECT m.user_id FROM memberships m JOIN users u ON u.id = m.user_id
          WHERE m.org_id = $1 AND m.role = 'admin' AND u.disabled_at IS NULL AND ",
        is_active!()
    ))
    .bind(org_id.0)
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(UserId).collect())
}

/// Lists the members of one organization or of all, including former members.
pub async fn list(db: impl DbHandle, org_id: Option<OrgId>) -> Result<Vec<Membership>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT o.name AS org_name, u.id AS user_id, u.email, m.role, u.disabled_at, m.disabled_at AS left_at
           FROM memberships m
           JOIN orgs o ON o.id = m.org_id
           JOIN users u ON u.id = m.user_id
          WHERE $1 IS NULL OR m.org_id = $1
          ORDER BY o.name, u.email"
    )
    .bind(org_id.map(|id| id.0))
    .fetch_all(conn)
    .await
    })?;
    rows.into_iter().map(Membership::try_from).collect()
}

/// Lists the organizations of a user.
pub async fn list_orgs(db: impl DbHandle, user_id: UserId) -> Result<Vec<OrgId>, DbError> {
    let ids: Vec<Uuid> = with_conn!(db, |conn| sqlx::query_scalar(concat!(
        "SELECT m.org_id FROM memberships m WHERE m.user_id = $1 AND ",
        is_active!(),
        " ORDER BY m.org_id"
    ))
    .bind(user_id.0)
    .fetch_all(conn)
    .await)?;
    Ok(ids.into_iter().map(OrgId).collect())
}

/// Lists the organizations of a user by name, with their role in each.
pub async fn list_of_user(
    db: impl DbHandle,
    user_id: UserId,
) -> Result<Vec<(OrgId, String, Role)>, DbError> {
    let rows: Vec<(Uuid, String, String)> = with_conn!(db, |conn| sqlx::query_as(concat!(
        "SELECT m.org_id, o.name, m.role
           FROM memberships m
           JOIN orgs o ON o.id = m.org_id
          WHERE m.user_id = $1 AND ",
        is_active!(),
        " ORDER BY o.name"
    ))
    .bind(user_id.0)
    .fetch_all(conn)
    .await)?;
    rows.into_iter().map(|(org_id, name, named)| Ok((OrgId(org_id), name, role(&named)?))).collect()
}

/// The addresses of those users who are or were members of the organization.
pub async fn list_emails(
    db: impl DbHandle,
    org_id: OrgId,
    ids: &[UserId],
) -> Result<Vec<(UserId, String)>, DbError> {
    let rows: Vec<(Uuid, String)> = with_conn!(
        db,
        |postgres| sqlx::query_as(
            "SELECT u.id, u.email FROM users u JOIN memberships m ON m.user_id = u.id
              WHERE m.org_id = $1 AND u.id = ANY($2)"
        )
        .bind(org_id.0)
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(postgres)
        .await,
        |sqlite| sqlx::query_as(
            "SELECT u.id, u.email FROM users u JOIN memberships m ON m.user_id = u.id
              WHERE m.org_id = $1 AND u.id IN (SELECT unhex(value) FROM json_each($2))"
        )
        .bind(org_id.0)
        .bind(ids_as_json(ids.iter().map(|id| id.0)))
        .fetch_all(sqlite)
        .await
    )?;
    Ok(rows.into_iter().map(|(id, email)| (UserId(id), email)).collect())
}
