//! Auth methods: how to get access tokens for the receivers of webhooks. The client secret is
//! stored sealed.

use uuid::Uuid;

use crate::db::engine::column::count;
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::id::{AuthMethodId, OrgId};
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthMethod {
    pub id: AuthMethodId,
    pub org_id: OrgId,
    pub name: String,
    pub access_token_url: String,
    pub client_id: String,
    pub client_secret: SealedSecret,
    /// The origin of the URL that the secret was entered for (`receiver_url::origin`). The secret
    /// is sent nowhere else.
    pub secret_origin: String,
    pub audience: Option<String>,
    pub scope: Option<String>,
    pub created_at: Timestamp,
    /// Increases with every change, even with two changes in one second, so that a cache of tokens
    /// can use it as a version.
    pub modified_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    pub bytes: Vec<u8>,
    /// The key of the ring that it is sealed with.
    pub key_id: String,
}

#[derive(sqlx::FromRow)]
pub(in crate::db) struct Row {
    id: Uuid,
    org_id: Uuid,
    name: String,
    access_token_url: String,
    client_id: String,
    client_secret_sealed: Vec<u8>,
    key_id: String,
    secret_origin: String,
    audience: Option<String>,
    scope: Option<String>,
    created_at: i64,
    modified_at: i64,
}

impl From<Row> for AuthMethod {
    fn from(row: Row) -> Self {
        Self {
            id: AuthMethodId(row.id),
            org_id: OrgId(row.org_id),
            name: row.name,
            access_token_url: row.access_token_url,
            client_id: row.client_id,
            client_secret: SealedSecret { bytes: row.client_secret_sealed, key_id: row.key_id },
            secret_origin: row.secret_origin,
            audience: row.audience,
            scope: row.scope,
            created_at: Timestamp::from_seconds(row.created_at),
            modified_at: Timestamp::from_seconds(row.modified_at),
        }
    }
}

/// Selects the columns of [`Row`]. The argument is the rest of the statement.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, org_id, name, access_token_url, client_id, client_secret_sealed, key_id, secret_origin,
                    audience, scope, created_at, modified_at
               FROM auth_methods WHERE org_id = $1 ",
            $rest
        )
    };
}

/// Binds $1 to $11: every column except `created_at`.
macro_rules! bind_columns {
    ($query:expr, $method:ident) => {
        $query
            .bind($method.id.0)
            .bind($method.org_id.0)
            .bind(&$method.name)
            .bind(&$method.access_token_url)
            .bind(&$method.client_id)
            .bind(&$method.client_secret.bytes)
            .bind(&$method.client_secret.key_id)
            .bind(&$method.secret_origin)
            .bind(&$method.audience)
            .bind(&$method.scope)
            .bind($method.modified_at.seconds())
    };
}

/// Fails with [`DbError::Duplicate`] if the organization already has an auth method with this name.
pub async fn insert(db: impl DbHandle, method: &AuthMethod) -> Result<(), DbError> {
    const INSERT: &str = "INSERT INTO auth_methods
        (id, org_id, name, access_token_url, client_id, client_secret_sealed, key_id, secret_origin, audience, scope,
         modified_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    with_conn!(db, |conn| bind_columns!(sqlx::query(INSERT), method)
        .bind(method.created_at.seconds())
        .execute(conn)
        .await
        .map(drop))
}

pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    id: AuthMethodId,
) -> Result<Option<AuthMethod>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(select!("AND id = $2"))
        .bind(org_id.0)
        .bind(id.0)
        .fetch_optional(conn)
        .await)?;
    Ok(row.map(AuthMethod::from))
}

/// Finds and locks an auth method, so that only this transaction can change it.
pub async fn lock(
    tx: &mut Tx,
    org_id: OrgId,
    id: AuthMethodId,
) -> Result<Option<AuthMethod>, DbError> {
    let statement = if tx.locks_rows() {
        select!("AND id = $2 FOR NO KEY UPDATE")
    } else {
        select!("AND id = $2")
    };
    let row: Option<Row> = with_conn!(tx, |conn| sqlx::query_as(statement)
        .bind(org_id.0)
        .bind(id.0)
        .fetch_optional(conn)
        .await)?;
    Ok(row.map(AuthMethod::from))
}

/// Lists the auth methods of an organization by name.
pub async fn list(db: impl DbHandle, org_id: OrgId) -> Result<Vec<AuthMethod>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| sqlx::query_as(select!("ORDER BY name, id"))
        .bind(org_id.0)
        .fetch_all(conn)
        .await)?;
    Ok(rows.into_iter().map(AuthMethod::from).collect())
}

pub async fn count_of_org(db: impl DbHandle, org_id: OrgId) -> Result<u64, DbError> {
    with_conn!(db, |conn| sqlx::query_scalar("SELECT COUNT(*) FROM auth_methods WHERE org_id = $1")
        .bind(org_id.0)
        .fetch_one(conn)
        .await)
    .map(count)
}

/// Returns false if there is no such auth method. Fails with [`DbError::Duplicate`] if the
/// organization has another one with this name.
pub async fn update(db: impl DbHandle, method: &AuthMethod) -> Result<bool, DbError> {
    const UPDATE: &str = "UPDATE auth_methods
        SET name = $3, access_token_url = $4, client_id = $5, client_secret_sealed = $6, key_id = $7,
            secret_origin = $8, audience = $9, scope = $10, modified_at = $11
        WHERE id = $1 AND org_id = $2";
    with_conn!(db, |conn| bind_columns!(sqlx::query(UPDATE), method)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Returns false if there is no such auth method. Fails with [`DbError::Reference`] if a webhook
/// uses it.
pub async fn delete(db: impl DbHandle, org_id: OrgId, id: AuthMethodId) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query("DELETE FROM auth_methods WHERE org_id = $1 AND id = $2")
        .bind(org_id.0)
        .bind(id.0)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Lists the names of the webhooks that use an auth method.
pub async fn list_webhooks(db: impl DbHandle, id: AuthMethodId) -> Result<Vec<String>, DbError> {
    with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT name FROM webhooks WHERE auth_method_id = $1 ORDER BY name"
    )
    .bind(id.0)
    .fetch_all(conn)
    .await)
}
