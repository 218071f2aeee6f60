//! Migrated databases for tests. Each engine runs its migrations once, and tests copy the result.

use std::fs;

use grantor::db::engine::Db;
use grantor::db::engine::connect::Target;
use sqlx::{AssertSqlSafe, Executor as _};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::connection::{self, Location, open_postgres};
use super::{Engine, TestApp};

/// The bytes of a migrated file.
static SQLITE: OnceCell<Vec<u8>> = OnceCell::const_new();
/// SQL that migrates an empty schema.
static POSTGRES: OnceCell<String> = OnceCell::const_new();

/// A new database with all migrations.
pub async fn migrated(engine: Engine, folder: &TempDir) -> Target {
    let target = TestApp::target(engine, folder).await;
    match &target.location {
        Location::Sqlite { path } => {
            fs::write(path, SQLITE.get_or_init(sqlite).await).expect("the template is written");
        }
        Location::Postgres { url, schema } => {
            let sql = POSTGRES.get_or_init(postgres).await.clone();
            let mut connection = open_postgres(url, schema.as_deref()).await;
            connection
                .execute(sqlx::raw_sql(AssertSqlSafe(sql)))
                .await
                .expect("the template is applied");
        }
    }
    target
}

async fn sqlite() -> Vec<u8> {
    let folder = TempDir::new().expect("a temporary folder");
    let target = run_migrations(Engine::Sqlite, &folder).await;
    connection::execute(&target.location, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    match &target.location {
        Location::Sqlite { path } => fs::read(path).expect("the file is readable"),
        Location::Postgres { .. } => panic!("the engine is not SQLite"),
    }
}

/// All migrations as one request, which is faster than one at a time. The migrator's own table is
/// copied from a schema that it migrated.
async fn postgres() -> String {
    let folder = TempDir::new().expect("a temporary folder");
    let target = run_migrations(Engine::Postgres, &folder).await;
    let Location::Postgres { schema: Some(schema), .. } = target.location else {
        panic!("the engine is not Postgres with a schema")
    };
    let mut files: Vec<_> = fs::read_dir("migrations/postgres")
        .expect("the folder exists")
        .map(|entry| entry.expect("is readable").path())
        .collect();
    files.sort();
    let migrations: String =
        files.iter().map(|file| fs::read_to_string(file).expect("is readable")).collect();
    format!(
        "{migrations}
         CREATE TABLE _sqlx_migrations (LIKE {schema}._sqlx_migrations INCLUDING ALL);
         INSERT INTO _sqlx_migrations SELECT * FROM {schema}._sqlx_migrations;"
    )
}

async fn run_migrations(engine: Engine, folder: &TempDir) -> Target {
    let target = TestApp::target(engine, folder).await;
    let db = Db::open(&target).expect("the database opens");
    db.migrate().await.expect("the migrations run");
    db.close().await;
    target
}
