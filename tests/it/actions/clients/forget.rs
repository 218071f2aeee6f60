//! Deletion of unused clients and finished deliveries.

use std::time::Duration;

use futures_util::future::join_all;
use grantor::actions::clients::forget;
use grantor::actions::upkeep::forget_expired;
use grantor::db::authorizations::requests;
use grantor::db::clients;
use grantor::db::clients::registrations;
use grantor::db::clients::registrations::NewClient;
use grantor::db::clients::unused;
use grantor::rules::client::ClientId;
use grantor::rules::client::identity::ClientDigest;
use grantor::rules::identity::permission::Role;
use grantor::rules::secret::hex;
use grantor::rules::timestamp::Timestamp;
use grantor::sweeper::SweepOutcome;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::db::fixtures::execute;
use crate::support::flow::{McpClient, Person};
use crate::support::outbox::{self, insert_delivery, insert_webhook, webhook_id};
use crate::support::{START, TestApp, listed};

const DAY: i64 = 86_400;
/// Clients that were unused for this time are no longer protected from the limits.
const OLD: Duration = Duration::from_secs(601);
/// Nothing has expired yet.
const AT_ALL: Timestamp = Timestamp::from_seconds(0);

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

/// Deletes a client as another server would.
async fn clients_forgotten_by_hand(app: &TestApp, id: &str) {
    let id = ClientId::parse(id).expect("an id");
    let deleted = unused::delete(app.db(), &[id], app.context().clock.now()).await;
    assert_eq!(deleted.expect("is deleted"), 1);
}

/// A waiting, a delivered and a parked event, all since [`START`].
async fn with_deliveries(app: &TestApp) {
    let operator = app.operator("Acme").await;
    insert_webhook(app, 1, operator.org_id, None).await;
    for (number, state) in [(1, "waiting"), (2, "delivered"), (3, "parked")] {
        insert_delivery(app, webhook_id(1), Uuid::nil(), Uuid::from_u64_pair(9, number), state)
            .await;
    }
}

async fn states(app: &TestApp) -> Vec<String> {
    outbox::deliveries(app).await.into_iter().map(|delivery| delivery.state).collect()
}

async fn count(app: &TestApp) -> usize {
    listed::clients(app.db(), "", 10_000).await.expect("is readable").len()
}

async fn bound(app: &TestApp) -> forget::Bounded {
    let registrar = &app.app.registrar;
    forget::bound_unused_clients(app.context(), &registrar.unused, &registrar.known)
        .await
        .expect("are counted")
}

async fn is_there(app: &TestApp, id: &str) -> bool {
    clients::find(app.db(), ClientId::parse(id).expect("an id"))
        .await
        .expect("is readable")
        .is_some()
}

const FEW: (&str, &str) = ("registration.max_unused_clients", "16");

on_both! {
    async fn above_the_limit_the_least_recently_used_clients_are_deleted_and_a_sixteenth_is_freed(engine: Engine) {
        let app = TestApp::with(engine, &[FEW]).await;
        let rows: Vec<NewClient> =
            (0..17).map(|number| NewClient { seen_at: START.plus(number as i64), ..row(number) }).collect();
        app.clock.advance(2 * OLD);
        registrations::insert_new(app.db(), &rows[..16]).await.expect("are inserted");
        let within = bound(&app).await;
        registrations::insert_new(app.db(), &rows[16..]).await.expect("is inserted");

        let beyond = bound(&app).await;

        assert_eq!((within.unused.clients, within.forgotten, beyond.forgotten), (16, 0, 2));
        assert_eq!((beyond.unused.clients, count(&app).await), (15, 15));
        for (number, row) in rows.iter().enumerate() {
            assert_eq!(is_there(&app, &row.id.to_string()).await, number >= 2, "{number}");
        }
    }

    async fn the_total_size_of_the_metadata_is_limited_too(engine: Engine) {
        let app = TestApp::with(engine, &[("registration.max_unused_bytes", "8000")]).await;
        let long = |number: u64| {
            let mut metadata: serde_json::Value = serde_json::from_str(&row(number).metadata).expect("JSON");
            // Random data, because Postgres compresses repetitions.
            let random: String = (0..50).map(|part| hex(&Sha256::digest(format!("{number} {part}")))).collect();
            metadata["redirect_uris"] = json!([format!("https://app.example/{random}")]);
            NewClient { metadata: metadata.to_string(), seen_at: START.plus(number as i64), ..row(number) }
        };
        let rows: Vec<NewClient> = (0..10).map(long).collect();
        registrations::insert_new(app.db(), &rows).await.expect("are inserted");
        app.clock.advance(2 * OLD);

        let bounded = bound(&app).await;

        assert!(bounded.unused.bytes <= 8_000 && bounded.unused.bytes > 5_000, "{bounded:?}");
        assert_eq!(bounded.forgotten as usize + count(&app).await, 10);
        assert!(is_there(&app, &rows[9].id.to_string()).await && !is_there(&app, &rows[0].id.to_string()).await);
    }

    async fn a_client_with_grants_or_restrictions_is_never_deleted(engine: Engine) {
        let app = TestApp::with(engine, &[FEW, ("registration.forget_after", "86400")]).await;
        let operator = app.operator("Acme").await;
        let restricted = app.registered("Restricted").await;
        operator.restrict(&restricted, &["openid"], &[]).await;
        let authorized = McpClient::registered(&app, &["https://authorized.example/cb"]).await;
        operator.person("eve@mail.example", Role::Standard).await.approves(&authorized.url(&[])).await;
        let waiting = McpClient::registered(&app, &["https://waiting.example/cb"]).await;
        Person::new(&app, "bob@mail.example").visit(&waiting.url(&[])).await;
        app.clock.advance(days(2));

        assert_eq!(forget::forget_clients(app.context(), DAY).await.expect("are forgotten"), 0);
        assert!(is_there(&app, &waiting.id).await);
        // The client is not protected after the request.
        forget_expired::forget_expired(app.context()).await.expect("is swept");
        assert_eq!(forget::forget_clients(app.context(), DAY).await.expect("is forgotten"), 1);
        assert!(!is_there(&app, &waiting.id).await);
        let seen_at = app.context().clock.now().minus(601);
        let rows: Vec<NewClient> = (0..40).map(|number| NewClient { seen_at, ..row(number) }).collect();
        registrations::insert_new(app.db(), &rows).await.expect("are inserted");
        assert_eq!(bound(&app).await.unused.clients, 15);
        for id in [&restricted, &authorized.id] {
            assert!(is_there(&app, id).await, "{id}");
        }
    }

    async fn a_client_is_protected_for_ten_minutes_but_not_by_a_pending_request(engine: Engine) {
        let app = TestApp::with(engine, &[FEW]).await;
        let waiting = McpClient::registered(&app, &["https://waiting.example/cb"]).await;
        Person::new(&app, "bob@mail.example").visit(&waiting.url(&[])).await;
        let rows: Vec<NewClient> = (0..20).map(|number| NewClient { seen_at: START.plus(1), ..row(number) }).collect();
        registrations::insert_new(app.db(), &rows).await.expect("are inserted");
        let bounded = async || {
            let bounded = bound(&app).await;
            (bounded.unused.clients, bounded.forgotten)
        };

        assert_eq!(bounded().await, (21, 0));
        app.clock.advance(Duration::from_secs(600));
        assert_eq!(bounded().await, (21, 0));
        assert!(is_there(&app, &waiting.id).await);
        app.clock.advance(Duration::from_secs(1));

        assert_eq!(bounded().await, (20, 1));

        assert!(!is_there(&app, &waiting.id).await);
        assert_eq!(requests::count(app.db(), AT_ALL, 10).await.expect("are counted"), 0);
    }

    async fn a_registration_starts_no_deletion_if_all_clients_are_new(engine: Engine) {
        let app = TestApp::with(engine, &[FEW]).await;
        let rows: Vec<NewClient> = (0..20).map(row).collect();
        registrations::insert_new(app.db(), &rows).await.expect("are inserted");
        let is_started = async || {
            let started = app.app.registrar.unused.too_many();
            tokio::time::timeout(Duration::from_millis(50), started).await.is_ok()
        };

        assert_eq!(bound(&app).await.unused.clients, 20);
        app.registered("First").await;
        assert!(!is_started().await);

        app.clock.advance(OLD);
        assert_eq!(bound(&app).await.forgotten, 6);
        app.registered("Second").await;
        app.registered("Third").await;
        assert!(is_started().await);
    }

    async fn two_servers_together_delete_no_more_than_one(engine: Engine) {
        let app = TestApp::with(engine, &[FEW]).await;
        let second = app.replica_with(&[FEW]).await;
        let rows: Vec<NewClient> =
            (0..200).map(|number| NewClient { seen_at: START.plus(number as i64), ..row(number) }).collect();
        registrations::insert_new(app.db(), &rows).await.expect("are inserted");
        app.clock.advance(2 * OLD);
        second.clock.advance(2 * OLD);

        let (one, other) = tokio::join!(bound(&app), bound(&second));

        assert_eq!((one.forgotten + other.forgotten, count(&app).await), (185, 15));
    }

    async fn a_recently_deleted_client_is_stored_again_when_it_registers_again(engine: Engine) {
        let app = TestApp::with(engine, &[FEW]).await;
        let second = app.replica_with(&[FEW]).await;
        let id = app.registered("App").await;
        assert_eq!(second.registered("App").await, id);
        app.clock.advance(Duration::from_secs(1));
        second.clock.advance(Duration::from_secs(1));
        let now = app.context().clock.now();
        let rows: Vec<NewClient> = (0..16).map(|number| NewClient { seen_at: now, ..row(number) }).collect();
        registrations::insert_new(app.db(), &rows).await.expect("are inserted");
        app.clock.advance(OLD);
        second.clock.advance(OLD);
        assert_eq!(bound(&app).await.forgotten, 2);
        assert!(!is_there(&app, &id).await);

        assert_eq!(app.registered("App").await, id);

        assert!(is_there(&app, &id).await);
        clients_forgotten_by_hand(&app, &id).await;
        bound(&second).await;
        assert_eq!(second.registered("App").await, id);
        assert!(is_there(&app, &id).await, "another server noticed the deletion");
    }

    async fn the_limit_holds_during_a_burst_of_registrations(engine: Engine) {
        let unlimited = ["register_per_minute", "register_per_second_total", "requests_per_minute"].map(|name| format!("limits.{name}"));
        let mut settings: Vec<(&str, &str)> = unlimited.iter().map(|name| (name.as_str(), "0")).collect();
        settings.push(("registration.max_unused_clients", "160"));
        let app = TestApp::with(engine, &settings).await;
        let sweeping = tokio::spawn(grantor::sweeper::sweep_until_stopped(app.app.clone()));

        for round in 0..15 {
            app.clock.advance(OLD);
            let names: Vec<String> = (0..100).map(|number| format!("App {round} {number}")).collect();
            join_all(names.iter().map(|name| app.registered(name))).await;
            // The registrations wake the sweeper, whose timer fires only once a minute.
            crate::support::until("the bound holds", async || count(&app).await <= 160).await;
        }
        app.app.stop.stop();
        sweeping.await.expect("stops");

        let metrics = app.manage("/metrics").await.text;
        let gauge = metrics.lines().find_map(|line| line.strip_prefix("grantor_unused_clients ")).expect("a gauge");
        assert!(gauge.parse::<u64>().expect("a number") <= 160, "{gauge}");
    }

    async fn a_large_backlog_is_deleted_in_consecutive_runs(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.registered("App").await;
        execute(
            &app,
            engine,
            "INSERT INTO authorization_requests (digest, browser_digest, client_id, request, created_at, expires_at)
             WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 100001)
             SELECT randomblob(32), x'00', (SELECT id FROM clients), '{}', 0, 1 FROM numbers",
            "INSERT INTO authorization_requests (digest, browser_digest, client_id, request, created_at, expires_at)
             SELECT sha256(i::text::bytea), '\\x00', (SELECT id FROM clients), '{}', 0, 1 FROM generate_series(1, 100001) AS i",
        )
        .await;

        let first = grantor::sweeper::sweep(&app.app).await;
        let left = requests::count(app.db(), AT_ALL, 10).await.expect("are counted");
        let second = grantor::sweeper::sweep(&app.app).await;

        assert_eq!((first, left, second), (SweepOutcome::CutShort, 1, SweepOutcome::Done));
        assert_eq!(requests::count(app.db(), AT_ALL, 10).await.expect("are counted"), 0);
    }

    // Either clock may be wrong, and deletion cannot be undone.
    async fn a_sweep_deletes_no_client_while_the_host_clock_is_far_off(engine: Engine) {
        let right = TestApp::by_database_time(engine, &[]).await;
        let off = right.replica_on_host_off_by(2 * 3_600, &[]).await;
        let unseen = NewClient { seen_at: right.context().clock.now().minus(200 * DAY), ..row(1) };
        registrations::insert_new(right.db(), &[unseen]).await.expect("is inserted");

        grantor::sweeper::sweep(&off.app).await;
        assert_eq!(count(&right).await, 1);
        grantor::sweeper::sweep(&right.app).await;

        assert_eq!(count(&right).await, 0);
    }

    async fn several_batches_are_deleted_in_one_run(engine: Engine) {
        let app = TestApp::start(engine).await;
        let rows: Vec<NewClient> = (0..1_001).map(row).collect();
        registrations::insert_new(app.db(), &rows).await.expect("are inserted");
        app.clock.advance(days(180) + Duration::from_secs(1));
        let fresh = app.registered("Fresh").await;

        let forgotten = forget::forget_clients(app.context(), 180 * DAY).await.expect("are forgotten");

        assert_eq!((forgotten, count(&app).await), (1_001, 1));
        let id = ClientId::parse(&fresh).expect("an id");
        assert!(clients::find(app.db(), id).await.expect("is readable").is_some());
    }

    async fn a_client_is_kept_until_its_last_second(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.registered("App").await;
        app.clock.advance(days(180));

        let on_time = forget::forget_clients(app.context(), 180 * DAY).await.expect("succeeds");
        app.clock.advance(Duration::from_secs(1));
        let late = forget::forget_clients(app.context(), 180 * DAY).await.expect("succeeds");

        assert_eq!((on_time, late), (0, 1));
    }

    async fn nothing_is_forgotten_if_the_setting_is_off(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.registered("App").await;
        app.clock.advance(days(10_000));

        let forgotten = forget::forget_clients(app.context(), 0).await.expect("succeeds");

        assert_eq!((forgotten, count(&app).await), (0, 1));
    }

    async fn a_forgotten_client_gets_the_same_id_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let before = app.registered("App").await;
        app.clock.advance(days(200));
        assert_eq!(forget::forget_clients(app.context(), 180 * DAY).await.expect("is forgotten"), 1);

        let after = app.registered("App").await;

        assert_eq!(after, before);
        let client = clients::find(app.db(), ClientId::parse(&after).expect("an id")).await.expect("is readable");
        let client = client.expect("is there");
        assert_eq!((client.registered_at, client.registrations), (START.plus(200 * DAY), 1));
    }

    async fn delivered_and_parked_events_are_deleted_in_time_and_waiting_ones_never(engine: Engine) {
        let app = TestApp::start(engine).await;
        with_deliveries(&app).await;
        let forget = async |delivered, parked| {
            forget_expired::forget_deliveries(app.context(), delivered, parked).await.expect("are forgotten")
        };
        app.clock.advance(days(7));

        assert_eq!(forget(7 * DAY, Some(30 * DAY)).await, 0, "until the last second");
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(forget(7 * DAY, Some(30 * DAY)).await, 1);
        assert_eq!(states(&app).await, ["waiting", "parked"]);
        app.clock.advance(days(1_000));
        assert_eq!(forget(7 * DAY, None).await, 0, "parked ones stay where they are kept for ever");
        assert_eq!(forget(7 * DAY, Some(30 * DAY)).await, 1);
        assert_eq!(states(&app).await, ["waiting"]);
    }

    async fn the_settings_limit_how_long_deliveries_are_kept(engine: Engine) {
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
            // A sweep deletes nothing if the clocks of the server and the database differ.
            let skew = app.db().unix_millis().await.expect("answers") - START.seconds() * 1_000;
            app.clock.advance(Duration::from_millis(skew.try_into().expect("later than the start of the test")));

            grantor::sweeper::sweep(&app.app).await;

            assert_eq!(states(&app).await, kept, "{settings:?}");
        }
    }
}
