//! Transactions of actions: committed, rolled back or run again, and counted by name.

use std::sync::atomic::{AtomicU32, Ordering};

use grantor::db::engine::DbHandle as _;
use grantor::db::engine::error::DbError;
use grantor::db::orgs;
use grantor::rules::id::OrgId;
use uuid::Uuid;

use crate::support::{START, TestApp};

/// Stores an organization. The first attempts fail: `conflicts` of them because of another
/// transaction. Returns the number of attempts, too.
async fn insert(app: &TestApp, conflicts: u32, is_refused: bool) -> (Result<(), DbError>, u32) {
    let attempts = &AtomicU32::new(0);
    let inserted = app.context().transact("test.insert", |tx| {
        Box::pin(async move {
            let attempt = attempts.fetch_add(1, Ordering::Relaxed);
            orgs::insert(&mut *tx, OrgId(Uuid::from_u128(1)), "Acme", START).await?;
            if attempt < conflicts {
                let mut handle = &mut *tx;
                handle.note_conflict();
                return Err(DbError::TimedOut);
            }
            if is_refused { Err(DbError::Reference) } else { Ok(()) }
        })
    });
    (inserted.await, attempts.load(Ordering::Relaxed))
}

async fn stored(app: &TestApp) -> usize {
    orgs::list(app.db()).await.expect("is readable").len()
}

async fn counted(app: &TestApp, outcome: &str) -> bool {
    let metrics = app.manage("/metrics").await.text;
    let series = format!(
        "grantor_transaction_attempts_total{{transaction=\"test.insert\",outcome=\"{outcome}\"}}"
    );
    metrics.contains(&series)
}

on_both! {
    async fn a_transaction_that_succeeds_is_committed(engine: Engine) {
        let app = TestApp::start(engine).await;

        let (inserted, attempts) = insert(&app, 0, false).await;

        assert!(inserted.is_ok(), "{inserted:?}");
        assert_eq!((attempts, stored(&app).await), (1, 1));
        assert_eq!((counted(&app, "committed").await, counted(&app, "conflict").await), (true, false));
    }

    async fn a_transaction_that_fails_is_rolled_back_and_not_run_again(engine: Engine) {
        let app = TestApp::start(engine).await;

        let (inserted, attempts) = insert(&app, 0, true).await;

        assert!(matches!(inserted, Err(DbError::Reference)), "{inserted:?}");
        assert_eq!((attempts, stored(&app).await), (1, 0));
        assert!(counted(&app, "rolled_back").await);
    }

    async fn a_transaction_that_conflicts_runs_again(engine: Engine) {
        let app = TestApp::start(engine).await;

        let (inserted, attempts) = insert(&app, 2, false).await;

        assert!(inserted.is_ok(), "{inserted:?}");
        assert_eq!((attempts, stored(&app).await), (3, 1));
        assert_eq!((counted(&app, "committed").await, counted(&app, "conflict").await), (true, true));
    }

    async fn a_transaction_that_conflicts_three_times_fails(engine: Engine) {
        let app = TestApp::start(engine).await;

        let (inserted, attempts) = insert(&app, 3, false).await;

        assert!(matches!(inserted, Err(DbError::TimedOut)), "{inserted:?}");
        assert_eq!((attempts, stored(&app).await), (3, 0));
    }
}
