//! Copies of a database in use.

use std::path::Path;

use grantor::db::clients;
use grantor::db::engine::Db;
use grantor::db::engine::backup::BackupError;
use grantor::db::engine::connect::{Location, Target};
use grantor::db::engine::migrate::MigrationState;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{Engine, TestApp, listed};

fn copy_at(app: &TestApp, path: &Path) -> Db {
    let location = Location::Sqlite { path: path.to_owned() };
    Db::open(&Target { location, ..app.target.clone() }).expect("opens")
}

#[tokio::test]
async fn a_copy_made_during_writes_opens_and_contains_the_rows() {
    let app = TestApp::start(Engine::Sqlite).await;
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("copy 'quoted'.db");
    let early = [app.registered("One").await, app.registered("Two").await];

    let (backup, late, other) = tokio::join!(
        app.db().back_up(&path),
        app.registered("During"),
        app.registered("During too")
    );

    backup.expect("is copied");
    let copy = copy_at(&app, &path);
    assert_eq!(copy.migration_state().await.expect("is readable"), MigrationState::UpToDate);
    let held = async |db: &Db| -> Vec<String> {
        let listed = listed::clients(db, "", 10).await.expect("is readable");
        listed.iter().map(|client| client.id.to_string()).collect()
    };
    let (in_copy, in_original) = (held(&copy).await, held(app.db()).await);
    assert!(early.iter().all(|id| in_copy.contains(id)), "{in_copy:?}");
    assert!(
        [&early[0], &early[1], &late, &other].iter().all(|id| in_original.contains(id)),
        "{in_original:?}"
    );
}

#[tokio::test]
async fn a_copy_serves_the_same_clients() {
    let app = TestApp::start(Engine::Sqlite).await;
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("copy.db");
    let body = json!({"client_name": "App", "redirect_uris": ["https://app.example/callback"]});
    let first = app.post("/api/v2/oauth2/register", &body).await;

    app.db().back_up(&path).await.expect("is copied");

    let id = first.json()["client_id"]
        .as_str()
        .map(grantor::rules::client::ClientId::parse)
        .expect("an id");
    let client =
        clients::find(&copy_at(&app, &path), id.expect("an id")).await.expect("is readable");
    assert_eq!(client.expect("is there").metadata.client_name().as_str(), "App");
}

#[tokio::test]
async fn a_copy_overwrites_nothing() {
    let app = TestApp::start(Engine::Sqlite).await;
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("precious");
    std::fs::write(&path, "precious").expect("is written");

    let refused = app.db().back_up(&path).await;

    assert!(matches!(refused, Err(BackupError::Db(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).expect("is readable"), "precious");
}

#[tokio::test]
async fn postgres_databases_are_not_copied() {
    let app = TestApp::start(Engine::Postgres).await;
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("copy.db");

    let refused = app.db().back_up(&path).await;

    assert!(matches!(refused, Err(BackupError::NotSqlite)), "{refused:?}");
    assert!(!path.exists());
}
