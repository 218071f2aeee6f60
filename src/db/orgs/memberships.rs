//! Who belongs to which organization, in which role.
//!
//! A membership that has ended keeps its row, since keys and grants refer to it. [`find`] is the one function that reads a
//! role; a statement that joins this table under the name `m` for something else says [`is_active!`], so that an ended
//! membership counts nowhere.

use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::id::{OrgId, UserId};
use crate::rules::identity::permission::Role;
use crate::rules::timestamp::Timestamp;

/// A person in an organisation, with the names that a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub org_name: String,
    pub user_id: UserId,
    pub email: String,
    pub role: Role,
    /// When the account was disabled, in all organizations.
    pub disabled_at: Option<Timestamp>,
    /// When the membership ended.
    pub left_at: Option<Timestamp>,
}

/// The condition under which a row of `memberships m` counts.
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

/// Lets a person in, or in again. False if they belong to the organization already.
pub async fn insert(
    db: impl DbHandle,
    org_id: OrgId,
    user_id: UserId,
    role: Role,
    now: Timestamp,
) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO memberships (org_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (org_id, user_id) DO UPDATE SET role = excluded.role, disabled_at = NULL
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

/// The role of a person in an organization. `None`: they do not belong to it, or not anymore.
pub async fn find(db: impl DbHandle, org_id: OrgId, user_id: UserId) -> Result<Option<Role>, DbError> {
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

/// Under the lock of the organization.
pub async fn update_role(tx: &mut Tx, org_id: OrgId, user_id: UserId, role: Role) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE memberships SET role = $3 WHERE org_id = $1 AND user_id = $2")
        .bind(org_id.0)
        .bind(user_id.0)
        .bind(role.as_str())
        .execute(conn)
        .await
        .map(drop))
}

/// Under the lock of the organization.
pub async fn end(tx: &mut Tx, org_id: OrgId, user_id: UserId, now: Timestamp) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE memberships SET disabled_at = $3 WHERE org_id = $1 AND user_id = $2")
        .bind(org_id.0)
        .bind(user_id.0)
        .bind(now.seconds())
        .execute(conn)
        .await
        .map(drop))
}

/// The administrators of an organization whose accounts are not disabled.
pub async fn list_active_administrators(db: impl DbHandle, org_id: OrgId) -> Result<Vec<UserId>, DbError> {
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

/// The members of one organization, or of all; people who left it too.
pub async fn list(db: impl DbHandle, org_id: Option<OrgId>) -> Result<Vec<Membership>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(
        "SELECT o.name AS org_name, u.id AS user_id, u.email, m.role, u.disabled_at, m.disabled_at AS left_at
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

/// The organizations to which a person belongs.
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

/// The organizations of a person by name, with the role in each.
pub async fn list_of_user(db: impl DbHandle, user_id: UserId) -> Result<Vec<(OrgId, String, Role)>, DbError> {
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
