//! Pending authorization requests, each bound to the browser that sent it. Only digests are stored:
//! of the handle in the forms, and of the browser's cookie.

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::{Column, JsonText};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::rules::authorization::request::AuthorizationRequest;
use crate::rules::client::ClientId;
use crate::rules::id::{OrgId, SessionId};
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRequest {
    pub client_id: ClientId,
    pub request: AuthorizationRequest,
    /// The organization that the user selected.
    pub org_id: Option<OrgId>,
    /// The session of the browser when the request arrived.
    pub session_id: Option<SessionId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A pending request to insert.
#[derive(Clone, Debug)]
pub struct NewPendingRequest<'a> {
    pub digest: Digest,
    pub browser_digest: Digest,
    pub client_id: ClientId,
    pub request: &'a AuthorizationRequest,
    pub session_id: Option<SessionId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    client_id: Uuid,
    request: JsonText,
    org_id: Option<Uuid>,
    session_id: Option<Uuid>,
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<Row> for PendingRequest {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            client_id: ClientId::from_uuid(row.client_id),
            request: Column::of("authorization_requests", "request").json(row.request)?,
            org_id: row.org_id.map(OrgId),
            session_id: row.session_id.map(SessionId),
            created_at: Timestamp::from_seconds(row.created_at),
            expires_at: Timestamp::from_seconds(row.expires_at),
        })
    }
}

pub async fn insert(db: impl DbHandle, new: &NewPendingRequest<'_>) -> Result<(), DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "INSERT INTO authorization_requests (digest, browser_digest, client_id, request, session_id, created_at,
                                             expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)"
    )
    .bind(new.digest.bytes().as_slice())
    .bind(new.browser_digest.bytes().as_slice())
    .bind(new.client_id.uuid())
    .bind(Json(new.request))
    .bind(new.session_id.map(|id| id.0))
    .bind(new.created_at.seconds())
    .bind(new.expires_at.seconds())
    .execute(conn)
    .await
    .map(drop)
    })
}

/// Finds a request. Returns `None` also for a different browser, and from `expires_at` on.
pub async fn find(
    db: &Db,
    digest: Digest,
    browser_digest: Digest,
    now: Timestamp,
) -> Result<Option<PendingRequest>, DbError> {
    let row: Option<Row> = read_with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT client_id, request, org_id, session_id, created_at, expires_at FROM authorization_requests
          WHERE digest = $1 AND browser_digest = $2 AND expires_at > $3"
    )
    .bind(digest.bytes().as_slice())
    .bind(browser_digest.bytes().as_slice())
    .bind(now.seconds())
    .fetch_optional(conn)
    .await
    })?;
    row.map(PendingRequest::try_from).transpose()
}

/// Stores the organization that the user selected. Returns false if the browser has no such
/// request.
pub async fn choose_org(
    db: impl DbHandle,
    digest: Digest,
    browser_digest: Digest,
    org_id: OrgId,
) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE authorization_requests SET org_id = $3 WHERE digest = $1 AND browser_digest = $2"
    )
    .bind(digest.bytes().as_slice())
    .bind(browser_digest.bytes().as_slice())
    .bind(org_id.0)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// Deletes and returns the request, so that only one of two submissions of a page finds it.
pub async fn take(
    tx: &mut Tx,
    digest: Digest,
    browser_digest: Digest,
    now: Timestamp,
) -> Result<Option<PendingRequest>, DbError> {
    let row: Option<Row> = with_conn!(tx, |conn| {
        sqlx::query_as(
        "DELETE FROM authorization_requests WHERE digest = $1 AND browser_digest = $2 AND expires_at > $3
         RETURNING client_id, request, org_id, session_id, created_at, expires_at"
    )
    .bind(digest.bytes().as_slice())
    .bind(browser_digest.bytes().as_slice())
    .bind(now.seconds())
    .fetch_optional(conn)
    .await
    })?;
    row.map(PendingRequest::try_from).transpose()
}

/// Deletes the request. Returns false if the browser has no such request.
pub async fn delete(
    db: impl DbHandle,
    digest: Digest,
    browser_digest: Digest,
    now: Timestamp,
) -> Result<bool, DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "DELETE FROM authorization_requests WHERE digest = $1 AND browser_digest = $2 AND expires_at > $3"
    )
    .bind(digest.bytes().as_slice())
    .bind(browser_digest.bytes().as_slice())
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
    })
}

/// Counts the requests that have not expired, but at most `limit`.
pub async fn count(db: &Db, now: Timestamp, limit: u64) -> Result<u64, DbError> {
    let counted: i64 = read_with_conn!(db, |conn| {
        sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT 1 FROM authorization_requests WHERE expires_at > $1 LIMIT $2) AS counted"
    )
    .bind(now.seconds())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_one(conn)
    .await
    })?;
    Ok(u64::try_from(counted).unwrap_or(0))
}

/// Deletes at most `limit` expired requests.
pub async fn delete_expired(db: &Db, now: Timestamp, limit: u32) -> Result<u64, DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "DELETE FROM authorization_requests WHERE digest IN (
           SELECT digest FROM authorization_requests WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)"
    )
    .bind(now.seconds())
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
    })
}
