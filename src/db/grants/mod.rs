//! What users authorized. There is one row per client, user and organization; a new consent reuses
//! the row of a revoked grant.

pub mod affected;
pub mod all_access;
pub mod ids;
pub mod named;
pub mod revocations;
pub mod standing;

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::{Column, count};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::client::ClientId;
use crate::rules::id::{GrantId, OrgId, UserId};
use crate::rules::scope::ScopeSet;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    pub org_id: OrgId,
    pub client_id: ClientId,
    pub user_id: UserId,
    pub scopes: ScopeSet,
    pub consented_at: Timestamp,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// A consent to store.
#[derive(Clone, Debug)]
pub struct NewGrant<'a> {
    /// Used if there is no grant yet.
    pub id: GrantId,
    pub org_id: OrgId,
    pub client_id: ClientId,
    pub user_id: UserId,
    pub scopes: &'a ScopeSet,
    pub consent_digest: [u8; 32],
    pub now: Timestamp,
}

/// A grant with the names that lists show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGrant {
    pub grant: Grant,
    pub client_name: String,
    pub email: String,
    pub org_name: String,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    org_id: Uuid,
    client_id: Uuid,
    user_id: Uuid,
    consented_at: i64,
    created_at: i64,
    modified_at: i64,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    scopes: Option<String>,
}

/// Selects the columns of [`Row`] and further ones. The last argument is the rest of the statement.
macro_rules! select_grants {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT g.id, g.org_id, g.client_id, g.user_id, g.consented_at, g.created_at, g.modified_at, g.last_used_at,
                    g.revoked_at, (SELECT string_agg(s.scope, ' ') FROM grant_scopes s WHERE s.grant_id = g.id) AS scopes",
            $more,
            " FROM grants g ",
            $rest
        )
    };
}

impl TryFrom<Row> for Grant {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: GrantId(row.id),
            org_id: OrgId(row.org_id),
            client_id: ClientId::from_uuid(row.client_id),
            user_id: UserId(row.user_id),
            scopes: Column::of("grant_scopes", "scope").scopes(row.scopes.as_deref())?,
            consented_at: Timestamp::from_seconds(row.consented_at),
            created_at: Timestamp::from_seconds(row.created_at),
            modified_at: Timestamp::from_seconds(row.modified_at),
            last_used_at: row.last_used_at.map(Timestamp::from_seconds),
            revoked_at: row.revoked_at.map(Timestamp::from_seconds),
        })
    }
}

/// Finds a grant, revoked or not.
pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
    user_id: UserId,
) -> Result<Option<Grant>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(select_grants!(
        "",
        "WHERE g.org_id = $1 AND g.client_id = $2 AND g.user_id = $3"
    ))
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(user_id.0)
    .fetch_optional(conn)
    .await)?;
    row.map(Grant::try_from).transpose()
}

pub async fn find_by_id(db: impl DbHandle, id: GrantId) -> Result<Option<Grant>, DbError> {
    let row: Option<Row> =
        with_conn!(db, |conn| sqlx::query_as(select_grants!("", "WHERE g.id = $1"))
            .bind(id.0)
            .fetch_optional(conn)
            .await)?;
    row.map(Grant::try_from).transpose()
}

#[derive(sqlx::FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    grant: Row,
    client_name: String,
    email: String,
    org_name: String,
}

/// A grant as shown to its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnGrant {
    pub grant: Grant,
    pub client_name: String,
    /// The URL of the client's metadata document.
    pub document: Option<String>,
    pub org_name: String,
}

/// Lists the grants of a user that are not revoked.
pub async fn list_of_user(db: impl DbHandle, user_id: UserId) -> Result<Vec<OwnGrant>, DbError> {
    #[derive(sqlx::FromRow)]
    struct OfUserRow {
        #[sqlx(flatten)]
        grant: Row,
        client_name: String,
        document: Option<String>,
        org_name: String,
    }
    let rows: Vec<OfUserRow> = with_conn!(db, |conn| sqlx::query_as(select_grants!(
        ", c.client_name, d.url AS document, o.name AS org_name",
        "JOIN clients c ON c.id = g.client_id
         LEFT JOIN client_documents d ON d.client_id = g.client_id
         JOIN orgs o ON o.id = g.org_id
         WHERE g.user_id = $1 AND g.revoked_at IS NULL
         ORDER BY c.client_name, o.name, g.id"
    ))
    .bind(user_id.0)
    .fetch_all(conn)
    .await)?;
    let own = |row: OfUserRow| {
        let OfUserRow { grant, client_name, document, org_name } = row;
        Ok(OwnGrant { grant: grant.try_into()?, client_name, document, org_name })
    };
    rows.into_iter().map(own).collect()
}

/// Counts the other users of an organization with a live grant for a client, but at most `limit`.
pub async fn count_others(
    db: impl DbHandle,
    org_id: OrgId,
    client_id: ClientId,
    user_id: UserId,
    limit: u64,
) -> Result<u64, DbError> {
    let others: i64 = with_conn!(db, |conn| {
        sqlx::query_scalar(
        "SELECT count(*) FROM (
           SELECT 1 FROM grants
            WHERE org_id = $1 AND client_id = $2 AND user_id <> $3 AND revoked_at IS NULL LIMIT $4) AS others"
    )
    .bind(org_id.0)
    .bind(client_id.uuid())
    .bind(user_id.0)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_one(conn)
    .await
    })?;
    Ok(count(others))
}

/// Lists grants, revoked or not, of an organization, a user, a client, or all of them, newest
/// first.
pub async fn list(
    db: impl DbHandle,
    org_id: Option<OrgId>,
    user_id: Option<UserId>,
    client_id: Option<ClientId>,
    limit: u32,
) -> Result<Vec<ListedGrant>, DbError> {
    let rows: Vec<ListedRow> = with_conn!(db, |conn| {
        sqlx::query_as(select_grants!(
        ", c.client_name, u.email, o.name AS org_name",
        "JOIN clients c ON c.id = g.client_id
         JOIN users u ON u.id = g.user_id
         JOIN orgs o ON o.id = g.org_id
         WHERE ($1 IS NULL OR g.org_id = $1) AND ($2 IS NULL OR g.user_id = $2) AND ($3 IS NULL OR g.client_id = $3)
         ORDER BY g.id DESC LIMIT $4"
    ))
    .bind(org_id.map(|id| id.0))
    .bind(user_id.map(|id| id.0))
    .bind(client_id.map(ClientId::uuid))
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await
    })?;
    let listed = |row: ListedRow| {
        let grant = row.grant.try_into()?;
        Ok(ListedGrant {
            grant,
            client_name: row.client_name,
            email: row.email,
            org_name: row.org_name,
        })
    };
    rows.into_iter().map(listed).collect()
}

/// Stores a consent. A live grant keeps its scopes and gets the new ones too. A revoked grant is
/// renewed with only the new scopes.
pub async fn upsert(tx: &mut Tx, new: &NewGrant<'_>) -> Result<GrantId, DbError> {
    let (id, revoked_at): (Uuid, Option<i64>) = with_conn!(&mut *tx, |conn| {
        sqlx::query_as(
        "INSERT INTO grants (id, org_id, client_id, user_id, consent_digest, consented_at, created_at, modified_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $6)
         ON CONFLICT (org_id, client_id, user_id) DO UPDATE
           SET consent_digest = excluded.consent_digest, consented_at = excluded.consented_at,
               modified_at = excluded.modified_at
         RETURNING id, revoked_at"
    )
    .bind(new.id.0)
    .bind(new.org_id.0)
    .bind(new.client_id.uuid())
    .bind(new.user_id.0)
    .bind(new.consent_digest.as_slice())
    .bind(new.now.seconds())
    .fetch_one(conn)
    .await
    })?;
    let id = GrantId(id);
    if revoked_at.is_some() {
        renew(tx, id).await?;
    }
    insert_scopes(tx, id, new.scopes).await?;
    Ok(id)
}

async fn renew(tx: &mut Tx, id: GrantId) -> Result<(), DbError> {
    with_conn!(&mut *tx, |conn| sqlx::query("DELETE FROM grant_scopes WHERE grant_id = $1")
        .bind(id.0)
        .execute(conn)
        .await
        .map(drop))?;
    with_conn!(&mut *tx, |conn| sqlx::query("DELETE FROM consents WHERE grant_id = $1")
        .bind(id.0)
        .execute(conn)
        .await
        .map(drop))?;
    with_conn!(tx, |conn| sqlx::query("UPDATE grants SET revoked_at = NULL WHERE id = $1")
        .bind(id.0)
        .execute(conn)
        .await
        .map(drop))
}

async fn insert_scopes(tx: &mut Tx, id: GrantId, scopes: &ScopeSet) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| {
            sqlx::query(
            "INSERT INTO grant_scopes (grant_id, scope) SELECT $1, UNNEST($2::text[]) ON CONFLICT DO NOTHING",
        )
        .bind(id.0)
        .bind(scopes.names().collect::<Vec<_>>())
        .execute(postgres)
        .await
        .map(drop)
        },
        |sqlite| {
            sqlx::query(
            "INSERT INTO grant_scopes (grant_id, scope) SELECT $1, value FROM json_each($2) WHERE TRUE
             ON CONFLICT DO NOTHING",
        )
        .bind(id.0)
        .bind(Json(scopes))
        .execute(sqlite)
        .await
        .map(drop)
        }
    )
}

/// Locks a grant, so that it cannot be revoked during this transaction. Returns false if it already
/// was.
pub async fn lock_live(tx: &mut Tx, id: GrantId, now: Timestamp) -> Result<bool, DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE grants SET modified_at = $2 WHERE id = $1 AND revoked_at IS NULL"
    )
    .bind(id.0)
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}
