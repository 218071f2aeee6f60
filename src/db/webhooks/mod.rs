//! Webhooks: where the events of an organization are sent. The secrets of a webhook are sealed with
//! one key of the key ring.

pub mod auth_methods;
pub mod deliveries;
pub mod lanes;
pub mod outbox;
pub mod releases;
pub mod secret_bindings;
pub mod variables;

use sqlx::types::Json;
use uuid::Uuid;

use crate::db::engine::column::{Column, JsonText, count as counted};
use crate::db::engine::error::DbError;
use crate::db::engine::transaction::Tx;
use crate::db::engine::{DbHandle, with_conn};
use crate::rules::id::{AuthMethodId, OrgId, WebhookId};
use crate::rules::timestamp::Timestamp;
use crate::rules::webhook::Encoding;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    pub org_id: OrgId,
    pub name: String,
    pub url: String,
    pub encode_as: Encoding,
    /// The template of the body. `None` sends the event itself.
    pub payload: Option<String>,
    /// Sealed.
    pub custom_headers: Option<Vec<u8>>,
    pub auth_method_id: Option<AuthMethodId>,
    /// `None` means all kinds.
    pub event_kinds: Option<Vec<String>>,
    /// Sealed.
    pub signing_secret: Vec<u8>,
    /// The sealed former secret, and until when messages are signed with it too.
    pub former_secret: Option<(Vec<u8>, Timestamp)>,
    /// The key of the ring that all three are sealed with.
    pub key_id: String,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    org_id: Uuid,
    name: String,
    url: String,
    encode_as: String,
    payload: Option<String>,
    custom_headers_sealed: Option<Vec<u8>>,
    auth_method_id: Option<Uuid>,
    event_kinds: Option<JsonText>,
    signing_secret_sealed: Vec<u8>,
    former_secret_sealed: Option<Vec<u8>>,
    former_until: Option<i64>,
    key_id: String,
    created_at: i64,
    modified_at: i64,
}

impl TryFrom<Row> for Webhook {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let unknown = || {
            Column::of("webhooks", "encode_as").corrupt("this version does not know the encoding")
        };
        let event_kinds =
            row.event_kinds.map(|kinds| Column::of("webhooks", "event_kinds").json(kinds));
        Ok(Self {
            id: WebhookId(row.id),
            org_id: OrgId(row.org_id),
            name: row.name,
            url: row.url,
            encode_as: Encoding::named(&row.encode_as).ok_or_else(unknown)?,
            payload: row.payload,
            custom_headers: row.custom_headers_sealed,
            auth_method_id: row.auth_method_id.map(AuthMethodId),
            event_kinds: event_kinds.transpose()?,
            signing_secret: row.signing_secret_sealed,
            former_secret: row
                .former_secret_sealed
                .zip(row.former_until.map(Timestamp::from_seconds)),
            key_id: row.key_id,
            created_at: Timestamp::from_seconds(row.created_at),
            modified_at: Timestamp::from_seconds(row.modified_at),
        })
    }
}

macro_rules! select {
    ($where:literal) => {
        concat!(
            "SELECT id, org_id, name, url, encode_as, payload, custom_headers_sealed, auth_method_id, event_kinds,
                    signing_secret_sealed, former_secret_sealed, former_until, key_id, created_at, modified_at
               FROM webhooks ",
            $where
        )
    };
}

/// Binds $1 to $14: every column except `created_at`.
macro_rules! bind_columns {
    ($query:expr, $webhook:ident) => {
        $query
            .bind($webhook.id.0)
            .bind($webhook.org_id.0)
            .bind(&$webhook.name)
            .bind(&$webhook.url)
            .bind($webhook.encode_as.name())
            .bind(&$webhook.payload)
            .bind(&$webhook.custom_headers)
            .bind($webhook.auth_method_id.map(|id| id.0))
            .bind($webhook.event_kinds.as_ref().map(Json))
            .bind(&$webhook.signing_secret)
            .bind($webhook.former_secret.as_ref().map(|(sealed, _)| sealed))
            .bind($webhook.former_secret.as_ref().map(|(_, until)| until.seconds()))
            .bind(&$webhook.key_id)
            .bind($webhook.modified_at.seconds())
    };
}

/// Fails with [`DbError::Duplicate`] if the organization already has a webhook with this name, and
/// with [`DbError::Reference`] if the auth method does not exist.
pub async fn insert(db: impl DbHandle, webhook: &Webhook) -> Result<(), DbError> {
    const INSERT: &str = "INSERT INTO webhooks
        (id, org_id, name, url, encode_as, payload, custom_headers_sealed, auth_method_id, event_kinds,
         signing_secret_sealed, former_secret_sealed, former_until, key_id, modified_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    with_conn!(db, |conn| bind_columns!(sqlx::query(INSERT), webhook)
        .bind(webhook.created_at.seconds())
        .execute(conn)
        .await
        .map(drop))
}

pub async fn find(
    db: impl DbHandle,
    org_id: OrgId,
    name: &str,
) -> Result<Option<Webhook>, DbError> {
    let row: Option<Row> =
        with_conn!(db, |conn| sqlx::query_as(select!("WHERE org_id = $1 AND name = $2"))
            .bind(org_id.0)
            .bind(name)
            .fetch_optional(conn)
            .await)?;
    row.map(Webhook::try_from).transpose()
}

/// Finds and locks a webhook, so that two changes of it run one after the other.
pub async fn lock(tx: &mut Tx, org_id: OrgId, name: &str) -> Result<Option<Webhook>, DbError> {
    let statement = if tx.locks_rows() {
        select!("WHERE org_id = $1 AND name = $2 FOR UPDATE")
    } else {
        select!("WHERE org_id = $1 AND name = $2")
    };
    let row: Option<Row> = with_conn!(tx, |conn| sqlx::query_as(statement)
        .bind(org_id.0)
        .bind(name)
        .fetch_optional(conn)
        .await)?;
    row.map(Webhook::try_from).transpose()
}

pub async fn find_by_id(db: impl DbHandle, id: WebhookId) -> Result<Option<Webhook>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| sqlx::query_as(select!("WHERE id = $1"))
        .bind(id.0)
        .fetch_optional(conn)
        .await)?;
    row.map(Webhook::try_from).transpose()
}

pub async fn list(db: impl DbHandle, org_id: OrgId) -> Result<Vec<Webhook>, DbError> {
    let rows: Vec<Row> =
        with_conn!(db, |conn| sqlx::query_as(select!("WHERE org_id = $1 ORDER BY name"))
            .bind(org_id.0)
            .fetch_all(conn)
            .await)?;
    rows.into_iter().map(Webhook::try_from).collect()
}

pub async fn count(db: impl DbHandle, org_id: OrgId) -> Result<u64, DbError> {
    with_conn!(db, |conn| sqlx::query_scalar("SELECT count(*) FROM webhooks WHERE org_id = $1")
        .bind(org_id.0)
        .fetch_one(conn)
        .await)
    .map(counted)
}

/// Updates everything except the organization and `created_at`. Returns false if the webhook does
/// not exist. Fails like [`insert`].
pub async fn update(db: impl DbHandle, webhook: &Webhook) -> Result<bool, DbError> {
    const UPDATE: &str = "UPDATE webhooks
        SET name = $3, url = $4, encode_as = $5, payload = $6, custom_headers_sealed = $7, auth_method_id = $8,
            event_kinds = $9, signing_secret_sealed = $10, former_secret_sealed = $11, former_until = $12,
            key_id = $13, modified_at = $14
        WHERE id = $1 AND org_id = $2";
    with_conn!(db, |conn| bind_columns!(sqlx::query(UPDATE), webhook)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1))
}

/// Deletes a webhook and its deliveries. Returns false if it does not exist.
pub async fn delete(tx: &mut Tx, org_id: OrgId, id: WebhookId) -> Result<bool, DbError> {
    let deleted = with_conn!(&mut *tx, |conn| sqlx::query(
        "DELETE FROM webhooks WHERE id = $1 AND org_id = $2"
    )
    .bind(id.0)
    .bind(org_id.0)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1))?;
    if deleted {
        // Lanes are locked before deliveries, in the same order as everywhere.
        for statement in [
            "DELETE FROM delivery_lanes WHERE webhook_id = $1",
            "DELETE FROM deliveries WHERE webhook_id = $1",
        ] {
            with_conn!(&mut *tx, |conn| sqlx::query(statement)
                .bind(id.0)
                .execute(conn)
                .await
                .map(drop))?;
        }
    }
    Ok(deleted)
}

/// Returns true if the organization has this auth method. The foreign key of `webhooks` does not
/// check the organization.
pub async fn auth_method_exists(
    db: impl DbHandle,
    org_id: OrgId,
    id: AuthMethodId,
) -> Result<bool, DbError> {
    let found: Option<i64> = with_conn!(db, |conn| sqlx::query_scalar(
        "SELECT CAST(1 AS BIGINT) FROM auth_methods WHERE id = $1 AND org_id = $2"
    )
    .bind(id.0)
    .bind(org_id.0)
    .fetch_optional(conn)
    .await)?;
    Ok(found.is_some())
}
