//! Invitations to organizations. An invitation is open until the person accepts it or a member ends
//! it. Only the digest of the token in its link is stored.

use uuid::Uuid;

use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::db::orgs::memberships::role;
use crate::rules::id::{InvitationId, OrgId, UserId};
use crate::rules::identity::permission::Role;
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

/// An open invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    pub org_id: OrgId,
    pub email: String,
    pub name: Option<String>,
    pub role: Role,
    /// When the link stops working. `None`: there is no link yet.
    pub link_expires_at: Option<Timestamp>,
    /// `None`: the command line.
    pub invited_by: Option<UserId>,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    org_id: Uuid,
    email: String,
    name: Option<String>,
    role: String,
    link_expires_at: Option<i64>,
    invited_by: Option<Uuid>,
    created_at: i64,
}

impl TryFrom<Row> for Invitation {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: InvitationId(row.id),
            org_id: OrgId(row.org_id),
            email: row.email,
            name: row.name,
            role: role(&row.role)?,
            link_expires_at: row.link_expires_at.map(Timestamp::from_seconds),
            invited_by: row.invited_by.map(UserId),
            created_at: Timestamp::from_seconds(row.created_at),
        })
    }
}

macro_rules! select_open {
    ($condition:literal) => {
        concat!(
            "SELECT id, org_id, email, name, role, link_expires_at, invited_by, created_at
               FROM invitations WHERE accepted_at IS NULL AND ended_at IS NULL AND ",
            $condition
        )
    };
}

/// Fails with [`DbError::Duplicate`] if the address has an open invitation to the organization.
pub async fn insert(tx: &mut Tx, new: &Invitation) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "INSERT INTO invitations (id, org_id, email, name, role, invited_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)"
    )
    .bind(new.id.0)
    .bind(new.org_id.0)
    .bind(&new.email)
    .bind(&new.name)
    .bind(new.role.as_str())
    .bind(new.invited_by.map(|id| id.0))
    .bind(new.created_at.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Finds an open invitation of an organization.
pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    id: InvitationId,
) -> Result<Option<Invitation>, DbError> {
    let row: Option<Row> =
        with_conn!(db, |conn| sqlx::query_as(select_open!("org_id = $1 AND id = $2"))
            .bind(org_id.0)
            .bind(id.0)
            .fetch_optional(conn)
            .await)?;
    row.map(Invitation::try_from).transpose()
}

/// Finds the open invitation of an address to an organization.
pub async fn find_by_email(
    db: impl DbHandle,
    org_id: OrgId,
    email: &str,
) -> Result<Option<Invitation>, DbError> {
    let row: Option<Row> =
        with_conn!(db, |conn| sqlx::query_as(select_open!("org_id = $1 AND email = $2"))
            .bind(org_id.0)
            .bind(email)
            .fetch_optional(conn)
            .await)?;
    row.map(Invitation::try_from).transpose()
}

/// Finds the open invitation whose link has this token and has not expired.
pub async fn find_by_link(
    db: impl DbHandle,
    digest: Digest,
    now: Timestamp,
) -> Result<Option<Invitation>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(select_open!(
        "link_digest = $1 AND link_expires_at > $2"
    ))
    .bind(digest.bytes().as_slice())
    .bind(now.seconds())
    .fetch_optional(conn)
    .await)?;
    row.map(Invitation::try_from).transpose()
}

/// Stores a new link, which ends the previous one. The organization must be locked.
pub async fn update_link(
    tx: &mut Tx,
    id: InvitationId,
    digest: Digest,
    expires_at: Timestamp,
) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE invitations SET link_digest = $2, link_expires_at = $3 WHERE id = $1"
    )
    .bind(id.0)
    .bind(digest.bytes().as_slice())
    .bind(expires_at.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Stores the name and the role. The organization must be locked.
pub async fn update(tx: &mut Tx, changed: &Invitation) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query("UPDATE invitations SET name = $2, role = $3 WHERE id = $1")
        .bind(changed.id.0)
        .bind(&changed.name)
        .bind(changed.role.as_str())
        .execute(conn)
        .await
        .map(drop))
}

/// Ends an invitation with its link. The organization must be locked.
pub async fn end(tx: &mut Tx, id: InvitationId, now: Timestamp) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE invitations SET ended_at = $2, link_digest = NULL WHERE id = $1"
    )
    .bind(id.0)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Ends the open invitation of an address, since the person became a member in another way.
pub async fn end_of_email(
    tx: &mut Tx,
    org_id: OrgId,
    email: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE invitations SET ended_at = $3, link_digest = NULL
          WHERE org_id = $1 AND email = $2 AND accepted_at IS NULL AND ended_at IS NULL"
    )
    .bind(org_id.0)
    .bind(email)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Marks an open invitation as accepted. Returns false if it is no longer open.
pub async fn accept(tx: &mut Tx, id: InvitationId, now: Timestamp) -> Result<bool, DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE invitations SET accepted_at = $2, link_digest = NULL
          WHERE id = $1 AND accepted_at IS NULL AND ended_at IS NULL"
    )
    .bind(id.0)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}
