//! Webhooks, variables and auth methods as rows with sealed values, and the contents of a database
//! copy.

use grantor::db::engine::Db;
use grantor::db::orgs;
use grantor::db::webhooks::auth_methods;
use grantor::db::webhooks::auth_methods::{AuthMethod, SealedSecret};
use grantor::random::Random;
use grantor::rules::id::{AuthMethodId, OrgId};
use grantor::sealing::{KeyRing, Place, seal};
use uuid::Uuid;

use crate::db::fixtures::{after, org_id, uuid};
use crate::support::connection::{Location, open_postgres};
use crate::support::{START, TestApp};

pub async fn two_orgs(db: &Db) {
    orgs::insert(db, org_id(1), "Acme", START).await.expect("is inserted");
    orgs::insert(db, org_id(2), "Umbra", START).await.expect("is inserted");
}

/// The plain value before it is sealed, which names its column, row and organization.
pub fn plain(table: &str, column: &str, id: Uuid) -> String {
    format!("{table} {column} {id}")
}

fn sealed(
    ring: &KeyRing,
    (table, column): (&'static str, &'static str),
    id: Uuid,
    org: OrgId,
) -> Vec<u8> {
    let row = id.to_string();
    let place = Place { table, column, row: &row, org: Some(org) };
    seal(ring, &Random::system(), place, plain(table, column, id).as_bytes()).bytes
}

pub fn auth_method(ring: &KeyRing, number: u64, org: OrgId, name: &str) -> AuthMethod {
    let id = uuid(number);
    AuthMethod {
        id: AuthMethodId(id),
        org_id: org,
        name: name.to_owned(),
        access_token_url: "https://auth.example/token".to_owned(),
        client_id: "a client".to_owned(),
        client_secret: SealedSecret {
            bytes: sealed(ring, ("auth_methods", "client_secret_sealed"), id, org),
            key_id: ring.newest().id().to_owned(),
        },
        secret_origin: "https://auth.example".to_owned(),
        audience: Some("https://api.example".to_owned()),
        scope: None,
        created_at: after(1),
        modified_at: after(2),
    }
}

pub async fn insert_auth_method(db: &Db, ring: &KeyRing, number: u64, org: OrgId) -> AuthMethod {
    let method = auth_method(ring, number, org, &format!("method {number}"));
    auth_methods::insert(db, &method).await.expect("is inserted");
    method
}

/// With a replaced secret and headers if `is_full`.
pub async fn insert_webhook(
    app: &TestApp,
    ring: &KeyRing,
    number: u64,
    org: OrgId,
    auth_method: Option<AuthMethodId>,
    is_full: bool,
) {
    let id = uuid(number);
    let value = |column| sealed(ring, ("webhooks", column), id, org);
    on_connection!(&app.target.location, |connection| sqlx::query(
        "INSERT INTO webhooks (id, org_id, name, url, encode_as, custom_headers_sealed, auth_method_id, \
         signing_secret_sealed, former_secret_sealed, former_until, key_id, created_at, modified_at) \
         VALUES ($1, $2, $3, 'https://a.example', 'json', $4, $5, $6, $7, $8, $9, 1, 1)"
    )
    .bind(id)
    .bind(org.0)
    .bind(format!("webhook {number}"))
    .bind(is_full.then(|| value("custom_headers_sealed")))
    .bind(auth_method.map(|id| id.0))
    .bind(value("signing_secret_sealed"))
    .bind(is_full.then(|| value("former_secret_sealed")))
    .bind(is_full.then_some(7_i64))
    .bind(ring.newest().id())
    .execute(connection)
    .await
    .map(drop))
    .expect("is inserted");
}

pub async fn insert_variable(app: &TestApp, ring: &KeyRing, number: u64, org: OrgId) {
    let id = uuid(number);
    on_connection!(&app.target.location, |connection| sqlx::query(
        "INSERT INTO webhook_variables (id, org_id, name, is_secret, value_sealed, key_id, created_at, modified_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 1, 1)"
    )
    .bind(id)
    .bind(org.0)
    .bind(format!("VARIABLE_{number}"))
    .bind(true)
    .bind(sealed(ring, ("webhook_variables", "value_sealed"), id, org))
    .bind(ring.newest().id())
    .execute(connection)
    .await
    .map(drop))
    .expect("is inserted");
}

/// The contents of a database copy: the files of SQLite, or the tables of Postgres that these tests
/// change.
pub async fn copy_of_the_database(app: &TestApp) -> Vec<u8> {
    match &app.target.location {
        Location::Sqlite { path } => {
            let log = path.with_extension("db-wal");
            [std::fs::read(path).expect("a file"), std::fs::read(log).unwrap_or_default()].concat()
        }
        Location::Postgres { url, schema } => {
            let mut connection = open_postgres(url, schema.as_deref()).await;
            let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(
                r"SELECT client_secret_sealed, a::text FROM auth_methods a
                  UNION ALL SELECT '\x'::bytea, e::text FROM audit_events e",
            )
            .fetch_all(&mut connection)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
            rows.into_iter().flat_map(|(sealed, row)| [sealed, row.into_bytes()].concat()).collect()
        }
    }
}
