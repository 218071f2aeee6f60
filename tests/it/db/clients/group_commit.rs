//! Registrations that arrive concurrently.

use std::pin::pin;

use futures_util::future::join_all;
use futures_util::poll;
use grantor::db::clients;
use grantor::db::clients::group_commit::{ClientWriter, Written};
use grantor::db::clients::registrations::NewClient;
use grantor::db::engine::Db;
use grantor::db::engine::error::DbError;
use grantor::rules::client::identity::ClientDigest;

use crate::db::fixtures::{Holder, after, client_id, execute, new_client};
use crate::support::{START, TestApp, listed, until};

async fn registrations(db: &Db, number: u64) -> Option<i64> {
    clients::find(db, client_id(number))
        .await
        .expect("is readable")
        .map(|client| client.registrations)
}

/// Yields until the writer has taken the waiting registrations.
async fn until_taken(writer: &ClientWriter) {
    until("the writer takes it", async || writer.waiting() == 0).await;
}

on_both! {
    async fn fifty_registrations_of_ten_clients_create_ten_rows(engine: Engine) {
        let app = TestApp::start(engine).await;
        let writer = ClientWriter::start(app.db().clone(), 100);
        let rows = (0..50_u8).map(|number| new_client(number % 10 + 1, "App"));

        let outcomes = join_all(rows.map(|row| writer.write(row))).await;

        let outcomes: Vec<Written> = outcomes.into_iter().map(|outcome| outcome.expect("is answered")).collect();
        let known = Written::Known { registered_at: START, last_seen_at: START, counted: true };
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Written::New).count(), 10);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == known).count(), 40);
        let listed = listed::clients(app.db(), "", 100).await.expect("is readable");
        assert_eq!(listed.iter().map(|client| client.registrations).collect::<Vec<_>>(), [5; 10]);
    }

    async fn several_batches_are_written_completely(engine: Engine) {
        let app = TestApp::start(engine).await;
        let writer = ClientWriter::start(app.db().clone(), 1_000);
        let row = |number: u64| NewClient { id: client_id(number), ..new_client(1, "App") };

        let outcomes = join_all((0..600).map(|number| writer.write(row(number)))).await;

        assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Written::New))));
        assert_eq!(listed::clients(app.db(), "", 1_000).await.expect("is readable").len(), 600);
    }

    async fn a_known_client_is_counted_once_an_hour(engine: Engine) {
        let app = TestApp::start(engine).await;
        let writer = ClientWriter::start(app.db().clone(), 10);
        writer.write(new_client(1, "App")).await.expect("is answered");
        let seen_at = async |seconds| {
            writer.write(NewClient { seen_at: after(seconds), ..new_client(1, "App") }).await.expect("is answered")
        };
        let known = |last_seen, counted| {
            Written::Known { registered_at: START, last_seen_at: after(last_seen), counted }
        };

        assert_eq!(seen_at(3_599).await, known(0, false));
        assert_eq!(seen_at(3_600).await, known(0, true));
        assert_eq!(seen_at(3_601).await, known(3_600, false));
        assert_eq!(registrations(app.db(), 1).await, Some(2));
    }

    async fn two_clients_with_one_id_in_a_batch_do_not_share_it(engine: Engine) {
        let app = TestApp::start(engine).await;
        let writer = ClientWriter::start(app.db().clone(), 10);
        let other = NewClient { digest: ClientDigest::from_bytes([9; 32]), ..new_client(1, "Other") };

        let (first, taken) = tokio::join!(writer.write(new_client(1, "First")), writer.write(other));

        assert_eq!(first.expect("is answered"), Written::New);
        assert_eq!(taken.expect("is answered"), Written::Taken);
        assert_eq!(registrations(app.db(), 1).await, Some(1));
    }

    async fn a_caller_gets_its_result_only_after_the_commit(engine: Engine) {
        let app = TestApp::start(engine).await;
        let elsewhere = Db::open(&app.target).expect("opens");
        let writer = ClientWriter::start(app.db().clone(), 10);
        let holder = Holder::of_clients(&app).await;
        let mut waiting = pin!(writer.write(new_client(1, "App")));
        assert!(poll!(waiting.as_mut()).is_pending());
        until_taken(&writer).await;

        holder.release().await;
        let outcome = waiting.await.expect("is answered");

        assert_eq!(outcome, Written::New);
        assert_eq!(registrations(&elsewhere, 1).await, Some(1));
    }

    async fn a_registration_beyond_the_queue_is_refused_and_the_others_are_written(engine: Engine) {
        let app = TestApp::start(engine).await;
        let writer = ClientWriter::start(app.db().clone(), 1);
        let holder = Holder::of_clients(&app).await;
        let mut in_hand = pin!(writer.write(new_client(1, "In hand")));
        assert!(poll!(in_hand.as_mut()).is_pending());
        until_taken(&writer).await;
        let mut queued = pin!(writer.write(new_client(2, "Queued")));
        assert!(poll!(queued.as_mut()).is_pending());
        assert_eq!(writer.waiting(), 1);

        let refused = writer.write(new_client(3, "Refused")).await;
        holder.release().await;
        let written = (in_hand.await, queued.await);

        assert!(matches!(refused, Err(DbError::QueueFull)), "{refused:?}");
        assert!(matches!(written, (Ok(Written::New), Ok(Written::New))), "{written:?}");
        assert_eq!(registrations(app.db(), 3).await, None);
    }

    async fn nothing_is_written_for_a_caller_that_disconnected(engine: Engine) {
        let app = TestApp::start(engine).await;
        let writer = ClientWriter::start(app.db().clone(), 10);
        let holder = Holder::of_clients(&app).await;
        let mut in_hand = pin!(writer.write(new_client(1, "In hand")));
        assert!(poll!(in_hand.as_mut()).is_pending());
        until_taken(&writer).await;
        {
            let mut gone = pin!(writer.write(new_client(2, "Gone")));
            assert!(poll!(gone.as_mut()).is_pending());
        }

        holder.release().await;
        in_hand.await.expect("is answered");
        writer.write(new_client(3, "Later")).await.expect("is answered");

        assert_eq!(registrations(app.db(), 2).await, None);
        assert_eq!((registrations(app.db(), 1).await, registrations(app.db(), 3).await), (Some(1), Some(1)));
    }

    async fn a_rejected_row_does_not_fail_its_batch(engine: Engine) {
        let app = TestApp::start(engine).await;
        execute(
            &app,
            engine,
            "CREATE TRIGGER refuse BEFORE INSERT ON clients WHEN NEW.client_name = 'Bad'
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
            "ALTER TABLE clients ADD CHECK (client_name <> 'Bad')",
        )
        .await;
        let writer = ClientWriter::start(app.db().clone(), 10);

        let (before, bad, behind) = tokio::join!(
            writer.write(new_client(1, "Before")),
            writer.write(new_client(2, "Bad")),
            writer.write(new_client(3, "Behind")),
        );

        assert!(matches!((&before, &behind), (Ok(Written::New), Ok(Written::New))), "{before:?} {behind:?}");
        assert!(bad.as_ref().is_err_and(|cause| !cause.is_transient()), "{bad:?}");
        assert_eq!((registrations(app.db(), 1).await, registrations(app.db(), 3).await), (Some(1), Some(1)));
        assert_eq!(registrations(app.db(), 2).await, None);
    }

    async fn the_writer_fails_while_the_database_is_down_and_then_continues(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.execute("ALTER TABLE clients RENAME TO clients_away").await;
        let writer = ClientWriter::start(app.db().clone(), 10);

        let (one, two) = tokio::join!(writer.write(new_client(1, "One")), writer.write(new_client(2, "Two")));
        app.execute("ALTER TABLE clients_away RENAME TO clients").await;
        let again = writer.write(new_client(1, "One")).await;

        assert!(one.is_err() && two.is_err(), "{one:?} {two:?}");
        assert!(matches!(again, Ok(Written::New)), "{again:?}");
    }
}

/// SQLite stores metadata as text and accepts invalid JSON. Postgres does not.
#[tokio::test]
async fn metadata_that_postgres_cannot_store_does_not_fail_its_batch() {
    let app = TestApp::start(crate::support::Engine::Postgres).await;
    let writer = ClientWriter::start(app.db().clone(), 10);
    let row = |number, metadata: &str| NewClient {
        metadata: metadata.to_owned(),
        ..new_client(number, "App")
    };

    let (no_json, nul, good) = tokio::join!(
        writer.write(row(1, "no JSON")),
        writer.write(row(2, r#"{"client_name": "\u0000"}"#)),
        writer.write(new_client(3, "Good")),
    );

    assert!(matches!(no_json, Err(DbError::Shared(_))), "{no_json:?}");
    assert!(matches!(nul, Err(DbError::Shared(_))), "{nul:?}");
    assert!(matches!(good, Ok(Written::New)), "{good:?}");
}
