//! Migrations lead to one schema, from every earlier state.

use std::time::Duration;

use grantor::db::engine::Db;
use grantor::db::engine::connect::Location;
use grantor::db::engine::migrate::{MigrateError, MigrationState};
use sqlx::Executor as _;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::{Engine, TestApp, connection};

/// A migration that this version does not know.
const FROM_THE_FUTURE: &str =
    "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
     VALUES (9999, 'from the future', TRUE, '', 0)";
/// The schema as it was before the migration that adds this column.
pub const UNDO_SESSION_OF_REQUEST: &str =
    "ALTER TABLE authorization_requests DROP COLUMN session_id;
     DELETE FROM _sqlx_migrations WHERE version = 7";

on_both! {
    async fn an_empty_database_is_migrated_once(engine: Engine) {
        let folder = TempDir::new().expect("a folder");
        let db = Db::open(&TestApp::target(engine, &folder).await).expect("opens");
        assert_eq!(db.migration_state().await.expect("is readable"), MigrationState::Behind);

        db.migrate().await.expect("runs");
        db.migrate().await.expect("runs again and does nothing");

        assert_eq!(db.migration_state().await.expect("is readable"), MigrationState::UpToDate);
        assert!(db.migrations().await.expect("are listed").iter().all(|migration| migration.applied));
    }

    async fn two_replicas_can_start_concurrently_on_an_empty_database(engine: Engine) {
        let folder = TempDir::new().expect("a folder");
        let target = TestApp::target(engine, &folder).await;
        let open = || Db::open(&target).expect("opens");
        let replicas = [open(), open(), open()];

        let (one, two, three) = tokio::join!(replicas[0].migrate(), replicas[1].migrate(), replicas[2].migrate());

        for outcome in [one, two, three] {
            outcome.expect("every replica comes up");
        }
        assert_eq!(replicas[0].migration_state().await.expect("is readable"), MigrationState::UpToDate);
    }

    async fn a_schema_with_additions_of_a_newer_program_is_usable(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.execute(FROM_THE_FUTURE).await;

        app.db().migrate().await.expect("has nothing to do");

        assert_eq!(app.db().migration_state().await.expect("is readable"), MigrationState::Newer(9999));
        let listed = app.db().migrations().await.expect("are listed").pop().expect("a migration");
        assert_eq!((listed.version, &*listed.name, listed.applied, listed.known), (9999, "from the future", true, false));
    }

    async fn a_schema_that_requires_a_newer_program_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.execute(FROM_THE_FUTURE).await;
        app.execute("UPDATE schema_compatibility SET minimum_migration = 9999").await;

        let refused = app.db().migrate().await.expect_err("is refused");

        assert!(matches!(refused, MigrateError::Incompatible { minimum: 9999 }), "{refused:?}");
        let state = app.db().migration_state().await.expect("is readable");
        assert_eq!(state, MigrationState::Incompatible { minimum: 9999 });
    }

    async fn a_migration_that_was_edited_after_it_ran_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.execute("UPDATE _sqlx_migrations SET checksum = '' WHERE version = 2").await;

        let refused = app.db().migrate().await.expect_err("is refused");

        assert!(matches!(refused, MigrateError::Changed(2)), "{refused:?}");
    }
}

/// A dump reads every table in one transaction, which takes long. A migration that waits for it
/// must not block queries.
#[tokio::test]
async fn queries_continue_while_a_migration_waits_for_a_long_reader() {
    let app = TestApp::start(Engine::Postgres).await;
    app.execute(UNDO_SESSION_OF_REQUEST).await;
    let Location::Postgres { url, schema } = &app.target.location else {
        panic!("the engine is not Postgres")
    };
    let mut dump = connection::open_postgres(url, schema.as_deref()).await;
    dump.execute("BEGIN; SELECT count(*) FROM authorization_requests").await.expect("reads");
    let db = app.db().clone();
    let migrating = tokio::spawn(async move { db.migrate().await });

    // Takes as long as two attempts.
    let began = Instant::now();
    let (mut slowest, mut asked) = (Duration::ZERO, 0);
    while began.elapsed() < Duration::from_secs(3) {
        let query = Instant::now();
        app.execute("SELECT count(*) FROM authorization_requests").await;
        slowest = slowest.max(query.elapsed());
        asked += 1;
    }
    assert!(!migrating.is_finished(), "it waits for the dump");
    dump.execute("COMMIT").await.expect("ends");

    assert!(
        slowest < Duration::from_millis(1_500),
        "the slowest of {asked} queries took {slowest:?}"
    );
    migrating.await.expect("does not panic").expect("runs once the dump has ended");
    assert_eq!(app.db().migration_state().await.expect("is readable"), MigrationState::UpToDate);
}
