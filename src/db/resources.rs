//! Resources: the APIs and MCP servers that accept tokens. Only the digest of a resource's secret
//! is stored.
//!
//! `uri` is the canonical form, which is unique. `spelling` is the form that the operator entered,
//! if it differs.

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::{Column, JsonText};
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::rules::authorization::resource::Resource;
use crate::rules::id::ResourceId;
use crate::rules::scope::ScopeSet;
use crate::rules::secret::Digest;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredResource {
    pub id: ResourceId,
    pub uri: Resource,
    pub name: String,
    pub scopes: ScopeSet,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    uri: String,
    name: String,
    scopes: JsonText,
    created_at: i64,
}

impl TryFrom<Row> for StoredResource {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let uri = Column::of("resources", "uri");
        Ok(Self {
            id: ResourceId(row.id),
            uri: Resource::from_stored(&row.uri).map_err(|cause| uri.corrupt(cause))?,
            name: row.name,
            scopes: Column::of("resources", "scopes").json(row.scopes)?,
            created_at: Timestamp::from_seconds(row.created_at),
        })
    }
}

/// Fails with [`DbError::Duplicate`] if another resource has this URI, in the same or another
/// spelling.
pub async fn insert(
    db: impl DbHandle,
    resource: &StoredResource,
    secret_digest: Digest,
) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "INSERT INTO resources (id, uri, spelling, name, scopes, secret_digest, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)"
    )
    .bind(resource.id.0)
    .bind(resource.uri.canonical())
    .bind(Some(resource.uri.as_str()).filter(|spelling| *spelling != resource.uri.canonical()))
    .bind(&resource.name)
    .bind(Json(&resource.scopes))
    .bind(secret_digest.bytes().as_slice())
    .bind(resource.created_at.seconds())
    .execute(conn)
    .await
    .map(drop))
}

pub async fn list(db: impl DbHandle) -> Result<Vec<StoredResource>, DbError> {
    let rows: Vec<Row> = with_conn!(db, |conn| {
        sqlx::query_as(
        "SELECT id, coalesce(spelling, uri) AS uri, name, scopes, created_at FROM resources ORDER BY resources.uri"
    )
    .fetch_all(conn)
    .await
    })?;
    rows.into_iter().map(StoredResource::try_from).collect()
}

/// Lists all resources with the digests of their secrets.
pub async fn list_secrets(db: &Db) -> Result<Vec<(Resource, Digest)>, DbError> {
    let rows: Vec<(String, Vec<u8>)> = read_with_conn!(db, |conn| sqlx::query_as(
        "SELECT coalesce(spelling, uri), secret_digest FROM resources ORDER BY uri"
    )
    .fetch_all(conn)
    .await)?;
    rows.into_iter()
        .map(|(uri, digest)| {
            let uri = Resource::from_stored(&uri)
                .map_err(|cause| Column::of("resources", "uri").corrupt(cause))?;
            Ok((uri, Column::of("resources", "secret_digest").digest(&digest)?))
        })
        .collect()
}

/// Returns false if there is no such resource.
pub async fn delete(db: impl DbHandle, id: ResourceId) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query("DELETE FROM resources WHERE id = $1")
        .bind(id.0)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}
