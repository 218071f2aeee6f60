//! Transactions of several statements.

use grantor::db::engine::Db;
use grantor::db::engine::connect::Target;
use grantor::db::engine::error::DbError;
use grantor::db::orgs;

use crate::db::fixtures::org_id;
use crate::support::{START, TestApp};

/// The same database through a single connection, so that a lost one is noticed.
fn through_one_connection(app: &TestApp) -> Db {
    Db::open(&Target { max_connections: 1, ..app.target.clone() }).expect("opens")
}

async fn names(db: &Db) -> Vec<String> {
    orgs::list(db).await.expect("is readable").into_iter().map(|org| org.name).collect()
}

on_both! {
    async fn a_change_is_visible_to_others_after_the_commit(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut tx = app.db().begin().await.expect("begins");
        orgs::insert(&mut tx, org_id(1), "Acme", START).await.expect("is inserted");
        orgs::insert(&mut tx, org_id(2), "Umbra", START).await.expect("is inserted");
        let inside = orgs::list(&mut tx).await.expect("is readable").len();
        let before = names(app.db()).await;

        tx.commit().await.expect("commits");

        assert_eq!((inside, before), (2, Vec::new()));
        assert_eq!(names(app.db()).await, ["Acme", "Umbra"]);
    }

    async fn a_rollback_undoes_everything_and_returns_the_connection(engine: Engine) {
        let app = TestApp::start(engine).await;
        let db = through_one_connection(&app);
        let mut tx = db.begin().await.expect("begins");
        orgs::insert(&mut tx, org_id(1), "Acme", START).await.expect("is inserted");

        tx.roll_back().await.expect("rolls back");

        assert_eq!(names(&db).await, [""; 0]);
        assert_eq!(db.pool_state().open, 1);
    }

    async fn dropping_a_transaction_undoes_everything_and_returns_the_connection(engine: Engine) {
        let app = TestApp::start(engine).await;
        let db = through_one_connection(&app);
        let mut tx = db.begin().await.expect("begins");
        orgs::insert(&mut tx, org_id(1), "Acme", START).await.expect("is inserted");

        drop(tx);

        let mut next = db.begin().await.expect("begins on the same connection");
        orgs::insert(&mut next, org_id(2), "Umbra", START).await.expect("is inserted");
        next.commit().await.expect("commits");
        assert_eq!(names(&db).await, ["Umbra"]);
        assert_eq!(db.pool_state().open, 1);
    }

    async fn a_failed_statement_fails_its_transaction(engine: Engine) {
        let app = TestApp::start(engine).await;
        let db = through_one_connection(&app);
        let mut tx = db.begin().await.expect("begins");
        orgs::insert(&mut tx, org_id(1), "Acme", START).await.expect("is inserted");

        let refused = orgs::insert(&mut tx, org_id(2), "Acme", START).await;
        drop(tx);

        assert!(matches!(refused, Err(DbError::Duplicate)), "{refused:?}");
        assert_eq!(names(&db).await, [""; 0]);
    }
}
