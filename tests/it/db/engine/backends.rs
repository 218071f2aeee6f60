//! The server processes of abandoned Postgres connections. Postgres continues a commit after its
//! client disconnects.

use std::time::Duration;

use futures_util::future::join_all;
use grantor::db::engine::Db;
use grantor::db::engine::connect::{Location, Target};
use grantor::db::orgs;
use grantor::rules::secret::Secret;
use sqlx::{Executor as _, PgConnection};

use crate::db::fixtures::org_id;
use crate::support::{Engine, START, TestApp, connection, until};

/// A commit that adds an organization waits for a lock of the test. Like a commit that waits for a
/// standby, it ignores timeouts.
const MAKE_COMMITS_HANG: &str = "
    CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      LOOP
        BEGIN
          PERFORM pg_advisory_xact_lock_shared(hashtext(current_schema()));
          EXIT;
        EXCEPTION WHEN query_canceled OR lock_not_available THEN NULL;
        END;
      END LOOP;
      RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER hang AFTER INSERT ON orgs DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION hang()";

/// The number of server processes for connections with this name.
async fn backends(connection: &mut PgConnection, application_name: &str) -> i64 {
    const COUNT: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
    sqlx::query_scalar(COUNT)
        .bind(application_name)
        .fetch_one(connection)
        .await
        .expect("is readable")
}

#[tokio::test]
async fn hanging_commits_open_no_more_backends_than_max_connections() {
    const MAX_CONNECTIONS: u32 = 4;
    let app = TestApp::start(Engine::Postgres).await;
    app.execute(MAKE_COMMITS_HANG).await;
    let Location::Postgres { url, schema } = &app.target.location else {
        panic!("the engine is not Postgres")
    };
    let mut by_hand = connection::open_postgres(url, schema.as_deref()).await;
    by_hand
        .execute("SELECT pg_advisory_lock(hashtext(current_schema()))")
        .await
        .expect("is locked");
    let name = format!("hanging_{}", schema.as_deref().expect("a schema of its own"));
    let joint = if url.expose().contains('?') { '&' } else { '?' };
    let named = Secret::new(format!("{}{joint}application_name={name}", url.expose()));
    let db = Db::open(&Target {
        location: Location::Postgres { url: named, schema: schema.clone() },
        max_connections: MAX_CONNECTIONS,
        acquire_timeout: Duration::from_millis(500),
        query_timeout: Duration::from_millis(500),
    })
    .expect("opens");
    db.ping().await.expect("answers");

    let mut most = 0;
    for round in 0..4 {
        let added = (0..6).map(|number| {
            let (db, id) = (&db, org_id(round * 10 + number));
            async move { orgs::insert(db, id, &format!("Org {id:?}"), START).await }
        });
        let outcomes = join_all(added).await;
        assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
        most = most.max(backends(&mut by_hand, &name).await);
    }
    assert!((2..=i64::from(MAX_CONNECTIONS)).contains(&most), "{most} backends");

    by_hand
        .execute("SELECT pg_advisory_unlock(hashtext(current_schema()))")
        .await
        .expect("is unlocked");
    until("the commits end, and their places are free", async || {
        orgs::insert(&db, org_id(99), "Afterwards", START).await.is_ok()
    })
    .await;
    assert!(backends(&mut by_hand, &name).await <= i64::from(MAX_CONNECTIONS));
}
