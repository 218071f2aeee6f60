//! Clean-up of clients that nobody ever used, and of deliveries that are over.

use std::time::Duration;

use grantor::actions;
use grantor::db::clients::{self, NewClient};
use grantor::oauth::client::ClientId;
use grantor::oauth::client_identity::ClientDigest;
use serde_json::json;
use uuid::Uuid;

use crate::support::outbox::{self, insert_delivery, insert_webhook, webhook_id};
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

/// One that waits, one that was delivered and one that is parked, since [`START`].
async fn with_deliveries(app: &TestApp) {
    let operator = app.operator("Acme").await;
    insert_webhook(app, 1, operator.org_id, None).await;
    for (number, state) in [(1, "waiting"), (2, "delivered"), (3, "parked")] {
        insert_delivery(app, webhook_id(1), Uuid::nil(), Uuid::from_u64_pair(9, number), state).await;
    }
}

async fn states(app: &TestApp) -> Vec<String> {
    outbox::deliveries(app).await.into_iter().map(|delivery| delivery.state).collect()
}

async fn count(app: &TestApp) -> usize {
    clients::list(app.db(), "", 10_000).await.expect("is readable").len()
}

on_both! {
    // Either clock may be the wrong one, and what was deleted does not come back.
    async fn a_sweep_deletes_nothing_while_the_clocks_of_host_and_database_are_far_apart(engine: Engine) {
        let right = TestApp::by_database_time(engine, &[]).await;
        let off = right.replica_on_host_off_by(2 * 3_600, &[]).await;
        let unseen = NewClient { seen_at: right.context().clock.now().minus(200 * DAY), ..row(1) };
        clients::insert_new(right.db(), &[unseen]).await.expect("is inserted");

        grantor::sweeper::sweep(&off.app).await;
        assert_eq!(count(&right).await, 1);
        grantor::sweeper::sweep(&right.app).await;

        assert_eq!(count(&right).await, 0);
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

    async fn what_was_delivered_and_what_is_parked_go_each_at_its_time_and_what_waits_never(engine: Engine) {
        let app = TestApp::start(engine).await;
        with_deliveries(&app).await;
        let forget = async |delivered, parked| {
            actions::forget_deliveries(app.context(), delivered, parked).await.expect("are forgotten")
        };
        app.hand.advance(days(7));

        assert_eq!(forget(7 * DAY, Some(30 * DAY)).await, 0, "until the last second");
        app.hand.advance(Duration::from_secs(1));
        assert_eq!(forget(7 * DAY, Some(30 * DAY)).await, 1);
        assert_eq!(states(&app).await, ["waiting", "parked"]);
        app.hand.advance(days(1_000));
        assert_eq!(forget(7 * DAY, None).await, 0, "parked ones stay where they are kept for ever");
        assert_eq!(forget(7 * DAY, Some(30 * DAY)).await, 1);
        assert_eq!(states(&app).await, ["waiting"]);
    }

    async fn the_settings_say_how_long_deliveries_are_kept(engine: Engine) {
        const LONG: &str = "3000000000";
        let cases: [(&str, &str, &[&str]); 5] = [
            (LONG, LONG, &["waiting", "delivered", "parked"]),
            ("60", LONG, &["waiting", "parked"]),
            (LONG, "60", &["waiting", "delivered"]),
            ("0", "0", &["waiting", "parked"]),
            ("60", "60", &["waiting"]),
        ];
        for (delivered, parked, kept) in cases {
            let settings = [("webhooks.keep_delivered", delivered), ("webhooks.keep_parked", parked)];
            let app = TestApp::with(engine, &settings).await;
            with_deliveries(&app).await;
            // Nothing is swept where the clocks of the server and of the database differ.
            let skew = app.db().unix_millis().await.expect("answers") - START.seconds() * 1_000;
            app.hand.advance(Duration::from_millis(skew.try_into().expect("later than the start of the test")));

            grantor::sweeper::sweep(&app.app).await;

            assert_eq!(states(&app).await, kept, "{settings:?}");
        }
    }
}
