//! Rows that storage tests insert directly, and locks of another session.

use grantor::db::clients::registrations::NewClient;
use grantor::db::users::User;
use grantor::rules::client::ClientId;
use grantor::rules::client::identity::ClientDigest;
use grantor::rules::id::{KeyId, OrgId, UserId};
use grantor::rules::timestamp::Timestamp;
use serde_json::json;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use uuid::Uuid;

use crate::support::connection::{Location, open_postgres, open_sqlite};
use crate::support::{Engine, START, TestApp};

pub fn uuid(number: u64) -> Uuid {
    Uuid::from_u64_pair(0, number)
}

pub fn org_id(number: u64) -> OrgId {
    OrgId(uuid(number))
}

pub fn user_id(number: u64) -> UserId {
    UserId(uuid(number))
}

pub fn key_id(number: u64) -> KeyId {
    KeyId(uuid(number))
}

pub fn client_id(number: u64) -> ClientId {
    ClientId::from_uuid(uuid(number))
}

pub fn after(seconds: i64) -> Timestamp {
    START.plus(seconds)
}

pub fn new_user(number: u64, email: &str) -> User {
    User {
        id: user_id(number),
        email: email.to_owned(),
        name: None,
        created_at: START,
        disabled_at: None,
        email_verified_at: Some(START),
    }
}

/// A client like that of a registration, one per number.
pub fn new_client(number: u8, client_name: &str) -> NewClient {
    let metadata = json!({
        "client_name": client_name,
        "redirect_uris": ["https://app.example/callback"],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    NewClient {
        id: client_id(number.into()),
        digest: ClientDigest::from_bytes([number; 32]),
        client_name: client_name.to_owned(),
        metadata: metadata.to_string(),
        seen_at: START,
        registrations: 1,
    }
}

/// SQL that differs between the engines.
pub async fn execute(app: &TestApp, engine: Engine, sqlite: &'static str, postgres: &'static str) {
    app.execute(match engine {
        Engine::Sqlite => sqlite,
        Engine::Postgres => postgres,
    })
    .await;
}

/// Every organization has one auth method, with the id of the organization.
pub async fn auth_method_of_each_org(app: &TestApp, engine: Engine) {
    let (sqlite, postgres) = (
        "INSERT INTO auth_methods (id, org_id, name, access_token_url, client_id, client_secret_sealed, key_id,
                                   secret_origin, bound_origins, created_at, modified_at)
         SELECT id, id, 'CRM', 'https://crm.example/token', 'grantor', x'00', 'k', 'https://crm.example',
                '[\"https://hooks.example\", \"https://hooks.example:8443\", \"https://other.example\"]', 1, 1 FROM orgs",
        "INSERT INTO auth_methods (id, org_id, name, access_token_url, client_id, client_secret_sealed, key_id,
                                   secret_origin, bound_origins, created_at, modified_at)
         SELECT id, id, 'CRM', 'https://crm.example/token', 'grantor', '\\x00', 'k', 'https://crm.example',
                '[\"https://hooks.example\", \"https://hooks.example:8443\", \"https://other.example\"]', 1, 1 FROM orgs",
    );
    execute(app, engine, sqlite, postgres).await;
}

/// Another transaction that is changing clients. No other transaction can until this one is
/// released.
pub enum Holder {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Holder {
    pub async fn of_clients(app: &TestApp) -> Self {
        Self::of(app, "BEGIN IMMEDIATE", "BEGIN; LOCK TABLE clients IN ACCESS EXCLUSIVE MODE").await
    }

    /// Another transaction that has deleted every webhook and has not committed yet.
    pub async fn deleting_webhooks(app: &TestApp) -> Self {
        Self::of(app, "BEGIN IMMEDIATE; DELETE FROM webhooks", "BEGIN; DELETE FROM webhooks").await
    }

    async fn of(app: &TestApp, sqlite: &'static str, postgres: &'static str) -> Self {
        match &app.target.location {
            Location::Sqlite { path } => {
                let mut connection = open_sqlite(path).await;
                sqlx::raw_sql(sqlite).execute(&mut connection).await.expect("begins");
                Self::Sqlite(connection)
            }
            Location::Postgres { url, schema } => {
                let mut connection = open_postgres(url, schema.as_deref()).await;
                sqlx::raw_sql(postgres).execute(&mut connection).await.expect("locks");
                Self::Postgres(connection)
            }
        }
    }

    pub async fn commit(mut self) {
        match &mut self {
            Self::Sqlite(connection) => sqlx::raw_sql("COMMIT").execute(connection).await.map(drop),
            Self::Postgres(connection) => {
                sqlx::raw_sql("COMMIT").execute(connection).await.map(drop)
            }
        }
        .expect("commits");
        self.release().await;
    }

    pub async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
        .expect("closes");
    }
}
