//! Registered OAuth clients. `group_commit.rs` inserts the new ones of many requests at once.

pub mod apps;
pub mod documents;
pub mod group_commit;
pub mod known;
pub mod own;
pub mod published;
pub mod registrations;
pub mod secrets;
pub mod unused;
pub mod versions;

use uuid::Uuid;

use crate::db::engine::column::{JsonText, ids_as_json};
use crate::db::engine::error::DbError;
use crate::db::engine::{Db, DbHandle, read_with_conn, with_conn};
use crate::db::partners;
use crate::rules::client::ClientId;
use crate::rules::client::kind::ClientKind;
use crate::rules::client::metadata::ClientMetadata;
use crate::rules::client::state::{ClientState, Milestones};
use crate::rules::id::OrgId;
use crate::rules::scope::configured::ConfiguredScopes;
use crate::rules::timestamp::Timestamp;

#[derive(Clone, Debug)]
pub struct Client {
    pub id: ClientId,
    pub metadata: ClientMetadata,
    pub registered_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub registrations: i64,
    pub adopted_at: Option<Timestamp>,
    /// The URL of its metadata document, if it has one. The URL is then the `client_id`.
    pub document: Option<String>,
    pub kind: ClientKind,
    /// The organization that owns a confidential client.
    pub owner: Option<OrgId>,
    pub state: ClientState,
    /// When a reviewer approved the published version.
    pub published_at: Option<Timestamp>,
    configured: Option<ConfiguredScopes>,
}

impl Client {
    /// Returns the `client_id` that the client uses in requests.
    pub fn wire_id(&self) -> String {
        self.document.clone().unwrap_or_else(|| self.id.to_string())
    }

    /// The organization whose members alone can authorize the client.
    pub const fn only_organization(&self) -> Option<OrgId> {
        match self.kind {
            ClientKind::Private => self.owner,
            ClientKind::Registered | ClientKind::Published => None,
        }
    }

    /// The scopes that a confidential client may get. They are a limit, whereas those of a public
    /// client are only its defaults.
    pub const fn configured_scopes(&self) -> Option<&ConfiguredScopes> {
        self.configured.as_ref()
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    metadata: JsonText,
    registered_at: i64,
    last_seen_at: i64,
    registrations: i64,
    adopted_at: Option<i64>,
    document: Option<String>,
    kind: String,
    owner_org_id: Option<Uuid>,
    deleted_at: Option<i64>,
    published_at: Option<i64>,
    suspended_at: Option<i64>,
    retired_at: Option<i64>,
    approved_scopes: Option<JsonText>,
}

impl TryFrom<Row> for Client {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let metadata = ClientMetadata::from_stored(row.metadata.get())
            .map_err(|cause| DbError::corrupt("clients", "metadata", cause))?;
        let kind = ClientKind::parse(&row.kind)
            .map_err(|cause| DbError::corrupt("clients", "kind", cause))?;
        let approved = row.approved_scopes.map(partners::private_scopes).transpose()?;
        let configured = kind
            .is_confidential()
            .then(|| ConfiguredScopes::new(metadata.scope().clone(), approved.unwrap_or_default()));
        let at = |seconds: Option<i64>| seconds.map(Timestamp::from_seconds);
        let milestones = Milestones {
            deleted_at: at(row.deleted_at),
            published_at: at(row.published_at),
            suspended_at: at(row.suspended_at),
            retired_at: at(row.retired_at),
        };
        Ok(Self {
            id: ClientId::from_uuid(row.id),
            metadata,
            registered_at: Timestamp::from_seconds(row.registered_at),
            last_seen_at: Timestamp::from_seconds(row.last_seen_at),
            registrations: row.registrations,
            adopted_at: row.adopted_at.map(Timestamp::from_seconds),
            document: row.document,
            kind,
            owner: row.owner_org_id.map(OrgId),
            state: ClientState::of(kind, milestones),
            published_at: milestones.published_at,
            configured,
        })
    }
}

/// The columns of [`Row`]. The argument is the name of the table of clients in the statement, which
/// also needs [`client_joins`].
macro_rules! client_columns {
    ($clients:literal) => {
        concat!(
            $clients,
            ".id, ",
            $clients,
            ".metadata, ",
            $clients,
            ".registered_at, ",
            $clients,
            ".last_seen_at, ",
            $clients,
            ".registrations, ",
            $clients,
            ".adopted_at, ",
            $clients,
            ".kind, ",
            $clients,
            ".owner_org_id, ",
            $clients,
            ".published_at, ",
            $clients,
            ".suspended_at, ",
            $clients,
            ".retired_at, ",
            "documents.url AS document, pairs.deleted_at, partners.private_scopes AS approved_scopes"
        )
    };
}
pub(super) use client_columns;

macro_rules! client_joins {
    ($clients:literal) => {
        concat!(
            " LEFT JOIN client_documents documents ON documents.client_id = ",
            $clients,
            ".id
              LEFT JOIN app_pairs pairs ON pairs.private_client_id = ",
            $clients,
            ".id
              LEFT JOIN partners ON partners.org_id = ",
            $clients,
            ".owner_org_id "
        )
    };
}
pub(super) use client_joins;

pub async fn find(db: impl DbHandle, id: ClientId) -> Result<Option<Client>, DbError> {
    let row: Option<Row> = with_conn!(db, |conn| {
        sqlx::query_as(concat!(
            "SELECT ",
            client_columns!("c"),
            " FROM clients c",
            client_joins!("c"),
            "WHERE c.id = $1"
        ))
        .bind(id.uuid())
        .fetch_optional(conn)
        .await
    })?;
    row.map(Client::try_from).transpose()
}

pub async fn exists(db: &Db, id: ClientId) -> Result<bool, DbError> {
    let found: Option<i32> =
        read_with_conn!(db, |conn| sqlx::query_scalar("SELECT 1 FROM clients WHERE id = $1")
            .bind(id.uuid())
            .fetch_optional(conn)
            .await)?;
    Ok(found.is_some())
}

/// Returns the names of the given clients that exist.
pub async fn list_names(
    db: impl DbHandle,
    ids: &[ClientId],
) -> Result<Vec<(ClientId, String)>, DbError> {
    let rows: Vec<(Uuid, String)> = with_conn!(
        db,
        |postgres| sqlx::query_as("SELECT id, client_name FROM clients WHERE id = ANY($1)")
            .bind(ids.iter().map(|id| id.uuid()).collect::<Vec<_>>())
            .fetch_all(postgres)
            .await,
        |sqlite| {
            sqlx::query_as(
            "SELECT id, client_name FROM clients WHERE id IN (SELECT unhex(value) FROM json_each($1))"
        )
        .bind(ids_as_json(ids.iter().map(|id| id.uuid())))
        .fetch_all(sqlite)
        .await
        }
    )?;
    Ok(rows.into_iter().map(|(id, name)| (ClientId::from_uuid(id), name)).collect())
}

/// Returns a LIKE pattern for values that contain the text. Special characters are escaped.
pub(super) fn like_pattern(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

/// Allows the client to be deleted when it is unused, if no organization refers to it anymore.
pub async fn abandon(db: impl DbHandle, id: ClientId) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE clients SET adopted_at = NULL
         WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM org_clients WHERE client_id = $1)"
    )
    .bind(id.uuid())
    .execute(conn)
    .await
    .map(drop))
}

/// Marks that an organization has authorized or restricted the client, so that it is never deleted
/// automatically.
pub async fn adopt(db: impl DbHandle, id: ClientId, now: Timestamp) -> Result<(), DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE clients SET adopted_at = $2 WHERE id = $1 AND adopted_at IS NULL"
    )
    .bind(id.uuid())
    .bind(now.seconds())
    .execute(conn)
    .await
    .map(drop))
}

/// Records that a client was seen. Returns false and writes nothing if this was already recorded
/// within the last `fresh_for` seconds.
pub async fn touch(
    db: impl DbHandle,
    id: ClientId,
    now: Timestamp,
    fresh_for: i64,
) -> Result<bool, DbError> {
    with_conn!(db, |conn| sqlx::query(
        "UPDATE clients SET last_seen_at = $2 WHERE id = $1 AND last_seen_at <= $3"
    )
    .bind(id.uuid())
    .bind(now.seconds())
    .bind(now.minus(fresh_for).seconds())
    .execute(conn)
    .await
    .map(|done| done.rows_affected() > 0))
}
