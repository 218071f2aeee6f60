//! One schema, however it is reached.

use grantor::db::{Db, MigrateError, MigrationState};
use tempfile::TempDir;

use crate::support::TestApp;

on_both! {
    async fn an_empty_database_is_brought_up_to_date_once(engine: Engine) {
        let folder = TempDir::new().expect("a folder");
        let db = Db::open(&TestApp::target(engine, &folder).await).expect("opens");
        assert_eq!(db.migration_state().await.expect("is readable"), MigrationState::Behind);

        db.migrate().await.expect("runs");
        db.migrate().await.expect("runs again and does nothing");

        assert_eq!(db.migration_state().await.expect("is readable"), MigrationState::UpToDate);
        assert!(db.migrations().await.expect("are listed").iter().all(|migration| migration.applied));
    }

    async fn two_replicas_that_start_at_once_on_an_empty_database_both_come_up(engine: Engine) {
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

    async fn a_schema_newer_than_the_program_is_refused(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.execute("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (9999, 'from the future', TRUE, '', 0)").await;

        let refused = app.db().migrate().await.expect_err("is refused");

        assert!(matches!(refused, MigrateError::Newer(9999)), "{refused:?}");
        assert_eq!(app.db().migration_state().await.expect("is readable"), MigrationState::Newer(9999));
    }
}
