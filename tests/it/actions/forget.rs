//! Clean-up of clients that nobody ever used.

use std::time::Duration;

use grantor::actions;
use grantor::db::clients::{self, NewClient};
use grantor::oauth::client::ClientId;
use grantor::oauth::client_identity::ClientDigest;
use serde_json::json;
use uuid::Uuid;

use crate::support::{START, TestApp};

const DAY: i64 = 86_400;

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

fn row(number: u64) -> NewClient {
    let metadata = json!({
        "client_name": "App",
        "redirect_uris": ["https://app.example/callback"],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    NewClient {
        id: ClientId::from_uuid(Uuid::from_u64_pair(0, number)),
        digest: ClientDigest::from_bytes([0; 32]),
        client_name: "App".to_owned(),
        metadata: metadata.to_string(),
        seen_at: START,
        registrations: 1,
    }
}

async fn count(app: &TestApp) -> usize {
    clients::list(app.db(), "", 10_000).await.expect("is readable").len()
}

on_both! {
    // The clock of a test is months away from the database's.
    async fn a_host_whose_clock_is_far_off_forgets_nobody(engine: Engine) {
        let app = TestApp::start(engine).await;
        clients::insert_new(app.db(), &[row(1)]).await.expect("is inserted");
        app.hand.advance(days(200));

        grantor::sweeper::sweep(&app.app).await;

        assert_eq!(count(&app).await, 1);
    }

    async fn more_than_one_batch_is_forgotten_at_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let rows: Vec<NewClient> = (0..1_001).map(row).collect();
        clients::insert_new(app.db(), &rows).await.expect("are inserted");
        app.hand.advance(days(180) + Duration::from_secs(1));
        let fresh = app.registered("Fresh").await;

        let forgotten = actions::forget_clients(app.context(), 180 * DAY).await.expect("are forgotten");

        assert_eq!((forgotten, count(&app).await), (1_001, 1));
        let id = ClientId::parse(&fresh).expect("an id");
        assert!(clients::find(app.db(), id).await.expect("is readable").is_some());
    }

    async fn a_client_is_kept_until_the_last_second(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.registered("App").await;
        app.hand.advance(days(180));

        let on_time = actions::forget_clients(app.context(), 180 * DAY).await.expect("is asked");
        app.hand.advance(Duration::from_secs(1));
        let late = actions::forget_clients(app.context(), 180 * DAY).await.expect("is asked");

        assert_eq!((on_time, late), (0, 1));
    }

    async fn without_a_time_nothing_is_forgotten(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.registered("App").await;
        app.hand.advance(days(10_000));

        let forgotten = actions::forget_clients(app.context(), 0).await.expect("is asked");

        assert_eq!((forgotten, count(&app).await), (0, 1));
    }

    async fn a_forgotten_client_that_comes_back_gets_its_id_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let before = app.registered("App").await;
        app.hand.advance(days(200));
        assert_eq!(actions::forget_clients(app.context(), 180 * DAY).await.expect("is forgotten"), 1);

        let after = app.registered("App").await;

        assert_eq!(after, before);
        let client = clients::find(app.db(), ClientId::parse(&after).expect("an id")).await.expect("is readable");
        let client = client.expect("is there");
        assert_eq!((client.registered_at, client.registrations), (START.plus(200 * DAY), 1));
    }
}
