//! Authorization codes (RFC 6749 section 4.1.2). A code can be redeemed once. A used code is kept
//! for a while, because a second use revokes the tokens of the first one.

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::batching::in_order;
use crate::db::engine::column::{Column, JsonText, ids_as_json};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{Db, read_with_conn, with_conn};
use crate::db::grants::standing::{StandingRow, standing_columns, standing_joins};
use crate::db::users::{JoinedUser, User};
use crate::rules::authorization::pkce::CodeChallenge;
use crate::rules::authorization::resource::Resource;
use crate::rules::client::ClientId;
use crate::rules::id::{FamilyId, GrantId, OrgId};
use crate::rules::scope::ScopeSet;
use crate::rules::scope::standing::Standing;
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

const TABLE: &str = "authorization_codes";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    pub grant_id: GrantId,
    pub client_id: ClientId,
    /// `None` if the authorization request had no `redirect_uri`, so that the exchange needs none.
    pub redirect_uri: Option<String>,
    pub code_challenge: Option<CodeChallenge>,
    pub scopes: ScopeSet,
    pub resources: Vec<Resource>,
    pub nonce: Option<String>,
    pub signed_in_at: Timestamp,
    pub expires_at: Timestamp,
    /// Whether the exchange may return a refresh token.
    pub may_refresh: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    grant_id: Uuid,
    client_id: Uuid,
    redirect_uri: Option<String>,
    code_challenge: Option<String>,
    scopes: JsonText,
    resources: JsonText,
    nonce: Option<String>,
    signed_in_at: i64,
    expires_at: i64,
    #[sqlx(default)]
    without_refresh: Option<bool>,
}

impl TryFrom<Row> for AuthorizationCode {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            grant_id: GrantId(row.grant_id),
            client_id: ClientId::from_uuid(row.client_id),
            redirect_uri: row.redirect_uri,
            code_challenge: row.code_challenge.map(CodeChallenge::from_stored),
            scopes: Column::of(TABLE, "scopes").json(row.scopes)?,
            resources: Column::of(TABLE, "resources").json(row.resources)?,
            nonce: row.nonce,
            signed_in_at: Timestamp::from_seconds(row.signed_in_at),
            expires_at: Timestamp::from_seconds(row.expires_at),
            may_refresh: row.without_refresh != Some(true),
        })
    }
}

pub async fn insert(tx: &mut Tx, digest: Digest, code: &AuthorizationCode) -> Result<(), DbError> {
    with_conn!(tx, |conn| {
        sqlx::query(
        "INSERT INTO authorization_codes
           (digest, grant_id, client_id, redirect_uri, code_challenge, scopes, resources, nonce, signed_in_at, expires_at,
            without_refresh)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
    )
    .bind(digest.bytes().as_slice())
    .bind(code.grant_id.0)
    .bind(code.client_id.uuid())
    .bind(&code.redirect_uri)
    .bind(code.code_challenge.as_ref().map(CodeChallenge::as_str))
    .bind(Json(&code.scopes))
    .bind(Json(&code.resources))
    .bind(&code.nonce)
    .bind(code.signed_in_at.seconds())
    .bind(code.expires_at.seconds())
    .bind((!code.may_refresh).then_some(true))
    .execute(conn)
    .await
    .map(drop)
    })
}

/// Marks a code as used by a family. Returns false if the code was already used or deleted. The
/// transaction must lock the code before the grant, in the same order as `grants::revocations::revoke`.
pub async fn redeem(tx: &mut Tx, digest: Digest, family_id: FamilyId) -> Result<bool, DbError> {
    with_conn!(tx, |conn| sqlx::query(
        "UPDATE authorization_codes SET family_id = $2 WHERE digest = $1 AND family_id IS NULL"
    )
    .bind(digest.bytes().as_slice())
    .bind(family_id.0)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))
}

/// A code with everything needed to decide its exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCode {
    pub code: AuthorizationCode,
    pub org_id: OrgId,
    pub user: User,
    /// The family that its use started.
    pub family_id: Option<FamilyId>,
    pub standing: Standing,
}

#[derive(sqlx::FromRow)]
struct FoundRow {
    #[sqlx(flatten)]
    row: Row,
    #[sqlx(flatten)]
    user: JoinedUser,
    #[sqlx(flatten)]
    standing: StandingRow,
    org_id: Uuid,
    family_id: Option<Uuid>,
}

#[derive(sqlx::FromRow)]
struct PositionedRow {
    #[sqlx(flatten)]
    row: FoundRow,
    position: i64,
}

impl TryFrom<FoundRow> for FoundCode {
    type Error = DbError;

    fn try_from(found: FoundRow) -> Result<Self, DbError> {
        Ok(Self {
            code: found.row.try_into()?,
            org_id: OrgId(found.org_id),
            user: found.user.into(),
            family_id: found.family_id.map(FamilyId),
            standing: found.standing.try_into()?,
        })
    }
}

macro_rules! found_columns {
    () => {
        concat!(
            "c.grant_id, c.client_id, c.redirect_uri, c.code_challenge, c.scopes, c.resources, c.nonce,
             c.signed_in_at, c.expires_at, c.without_refresh, c.family_id, g.org_id, g.user_id,
             u.email, u.name AS user_name, u.created_at AS user_created_at, u.email_verified_at, ",
            standing_columns!()
        )
    };
}

/// Finds a code, used or not, with one statement that reads every table by its primary key.
pub async fn find(db: &Db, digest: Digest) -> Result<Option<FoundCode>, DbError> {
    let found: Option<FoundRow> = read_with_conn!(db, |conn| sqlx::query_as(concat!(
        "SELECT ",
        found_columns!(),
        " FROM authorization_codes c JOIN grants g ON g.id = c.grant_id",
        standing_joins!("g"),
        "WHERE c.digest = $1"
    ))
    .bind(digest.bytes().as_slice())
    .fetch_optional(conn)
    .await)?;
    found.map(FoundCode::try_from).transpose()
}

/// Like [`find`] for several codes, with results in the same order. Postgres only.
pub(in crate::db) async fn find_batch(
    db: &Db,
    digests: &[Digest],
) -> Result<Vec<Result<Option<FoundCode>, DbError>>, DbError> {
    let rows: Vec<PositionedRow> = read_with_conn!(
        db,
        |postgres| {
            sqlx::query_as(concat!(
            "SELECT asked.position, ",
            found_columns!(),
            " FROM UNNEST($1::bytea[]) WITH ORDINALITY AS asked (digest, position)
                  JOIN authorization_codes c ON c.digest = asked.digest JOIN grants g ON g.id = c.grant_id",
            standing_joins!("g")
        ))
        .bind(digests.iter().map(|digest| digest.bytes().as_slice()).collect::<Vec<_>>())
        .fetch_all(postgres)
        .await
        },
        |_sqlite| Ok(Vec::new())
    )?;
    let rows = rows.into_iter().map(|found| (found.position, found.row));
    Ok(in_order(digests.len(), rows, FoundCode::try_from))
}

/// Deletes at most `limit` codes that expired before a time, used or not.
pub async fn delete_expired(db: &Db, before: Timestamp, limit: u32) -> Result<u64, DbError> {
    with_conn!(db, |conn| {
        sqlx::query(
        "DELETE FROM authorization_codes WHERE digest IN (
           SELECT digest FROM authorization_codes WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)"
    )
    .bind(before.seconds())
    .bind(i64::from(limit))
    .execute(conn)
    .await
    .map(|done| done.rows_affected())
    })
}

/// Deletes the codes of grants, used or not.
pub(in crate::db) async fn delete_of_grants(
    tx: &mut Tx,
    grants: &[GrantId],
) -> Result<(), DbError> {
    delete(tx, grants, true).await
}

/// Deletes the unused codes of grants.
pub(in crate::db) async fn delete_unused_of_grants(
    tx: &mut Tx,
    grants: &[GrantId],
) -> Result<(), DbError> {
    delete(tx, grants, false).await
}

async fn delete(tx: &mut Tx, grants: &[GrantId], used_too: bool) -> Result<(), DbError> {
    with_conn!(
        tx,
        |postgres| sqlx::query(
            "DELETE FROM authorization_codes WHERE digest IN (
               SELECT digest FROM authorization_codes
                WHERE grant_id = ANY($1) AND ($2 OR family_id IS NULL) ORDER BY digest FOR UPDATE)",
        )
        .bind(grants.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(used_too)
        .execute(postgres)
        .await
        .map(drop),
        |sqlite| {
            sqlx::query(
            "DELETE FROM authorization_codes
              WHERE grant_id IN (SELECT unhex(value) FROM json_each($1)) AND ($2 OR family_id IS NULL)",
        )
        .bind(ids_as_json(grants.iter().map(|id| id.0)))
        .bind(used_too)
        .execute(sqlite)
        .await
        .map(drop)
        }
    )
}
