//! A database that does not respond in time.

use std::time::Duration;

use grantor::db::engine::Db;
use grantor::db::engine::connect::Target;
use grantor::db::engine::error::DbError;
use grantor::db::orgs;

use crate::db::fixtures::{execute, org_id};
use crate::support::{DEADLINE, Engine, START, TestApp};

/// Makes inserting an organization named Slow take far longer than the timeout of [`impatient`].
async fn make_slow(app: &TestApp, engine: Engine) {
    execute(
        app,
        engine,
        "CREATE TRIGGER slow BEFORE INSERT ON orgs WHEN NEW.name = 'Slow' BEGIN
           SELECT count(*) FROM (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000000)
                                 SELECT i FROM n WHERE i % 7 = 3);
         END",
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN IF NEW.name = ''Slow'' THEN PERFORM pg_sleep(30); END IF; RETURN NEW; END';
         CREATE TRIGGER slow BEFORE INSERT ON orgs FOR EACH ROW EXECUTE FUNCTION slow()",
    )
    .await;
}

fn impatient(app: &TestApp) -> Db {
    let target =
        Target { max_connections: 2, query_timeout: Duration::from_secs(1), ..app.target.clone() };
    Db::open(&target).expect("opens")
}

on_both! {
    async fn a_slow_statement_is_canceled_and_the_pool_recovers(engine: Engine) {
        let app = TestApp::start(engine).await;
        make_slow(&app, engine).await;
        let db = impatient(&app);
        // Both connections are open already, so connecting takes none of the time.
        let (one, other) = tokio::join!(db.ping(), db.ping());
        one.and(other).expect("answers");

        let slow = orgs::insert(&db, org_id(1), "Slow", START).await;

        assert!(matches!(slow, Err(DbError::TimedOut)), "{slow:?}");
        assert!(slow.is_err_and(|cause| cause.is_transient()));
        db.ping().await.expect("answers again");
        orgs::find(&db, org_id(2)).await.expect("is readable");
        // A server with longer timeouts: on SQLite, the canceled statement ends first.
        orgs::insert(app.db(), org_id(2), "Quick", START).await.expect("is inserted");
    }

    async fn a_slow_transaction_is_rolled_back(engine: Engine) {
        let app = TestApp::start(engine).await;
        make_slow(&app, engine).await;
        let db = impatient(&app);
        let mut tx = db.begin().await.expect("begins");
        orgs::insert(&mut tx, org_id(1), "Before", START).await.expect("is inserted");

        let slow = orgs::insert(&mut tx, org_id(2), "Slow", START).await;
        drop(tx);

        assert!(matches!(slow, Err(DbError::TimedOut)), "{slow:?}");
        orgs::insert(app.db(), org_id(3), "Quick", START).await.expect("is inserted");
        let listed = orgs::list(app.db()).await.expect("is readable");
        assert_eq!(listed.into_iter().map(|org| org.name).collect::<Vec<_>>(), ["Quick"]);
    }

    async fn the_lack_of_a_free_connection_has_its_own_error(engine: Engine) {
        let app = TestApp::start(engine).await;
        let target =
            Target { max_connections: 1, acquire_timeout: Duration::from_secs(2), ..app.target.clone() };
        let db = Db::open(&target).expect("opens");
        let tx = db.begin().await.expect("begins");

        let refused = db.ping().await;

        assert!(matches!(refused, Err(DbError::Unavailable(_))), "{refused:?}");
        tx.roll_back().await.expect("rolls back");
        db.ping().await.expect("answers again");
    }

    async fn closing_waits_only_for_connections_in_use(engine: Engine) {
        let app = TestApp::start(engine).await;
        let tx = app.db().begin().await.expect("begins");
        let mut closing = std::pin::pin!(app.db().close());
        assert!(futures_util::poll!(closing.as_mut()).is_pending());

        tx.commit().await.expect("commits");

        tokio::time::timeout(DEADLINE, closing).await.expect("is closed");
    }

    async fn a_closed_database_is_unavailable(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.db().close().await;

        let refused = app.db().ping().await;

        assert!(matches!(refused, Err(DbError::Unavailable(_))), "{refused:?}");
    }
}
