//! Repeated registrations: the same metadata is the same client, at the lowest cost.

use std::collections::BTreeSet;
use std::time::Duration;

use grantor::db::clients;
use grantor::db::clients::Client;
use grantor::db::clients::registrations;
use grantor::db::clients::registrations::NewClient;
use grantor::rules::client::ClientId;
use grantor::rules::client::identity::ClientDigest;
use serde_json::{Value, json};

use crate::support::{START, TestApp, listed};

const PATH: &str = "/api/v2/oauth2/register";
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// The id of [`desktop_app`]. It must never change, because clients store their ids.
const DESKTOP_APP: &str = "888ddf43-f3bf-841f-bdbe-4d39121eb346";

fn desktop_app() -> Value {
    json!({"client_name": "Claude", "redirect_uris": ["http://localhost:3118/callback"]})
}

fn everything() -> Value {
    json!({
        "client_name": "Example MCP Client",
        "redirect_uris": ["https://example.com/oauth/callback", "http://127.0.0.1:8000/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "openid profile",
        "client_uri": "https://example.com",
        "logo_uri": "https://example.com/logo.png",
        "policy_uri": "https://example.com/privacy",
        "tos_uri": "https://example.com/tos",
        "jwks_uri": "https://example.com/jwks.json",
    })
}

fn everything_with(member: &str, value: Value) -> Value {
    let mut body = everything();
    body[member] = value;
    body
}

async fn register(app: &TestApp, body: &Value) -> String {
    let answer = app.post(PATH, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["client_id"].as_str().expect("a client_id").to_owned()
}

fn id(text: &str) -> ClientId {
    ClientId::parse(text).expect("an id")
}

async fn stored(app: &TestApp, client_id: &str) -> Client {
    clients::find(app.db(), id(client_id)).await.expect("is readable").expect("is there")
}

/// The last use, in seconds since the start of the test, and the number of registrations.
async fn sightings(app: &TestApp, client_id: &str) -> (i64, i64) {
    let client = stored(app, client_id).await;
    (client.last_seen_at.seconds_since(START), client.registrations)
}

fn count(app: &TestApp, dedup: &str) -> u64 {
    let line = format!("grantor_registrations_total{{outcome=\"ok\",dedup=\"{dedup}\"}} ");
    let text = app.app.metrics.to_text();
    text.lines()
        .find_map(|found| found.strip_prefix(&line))
        .map_or(0, |count| count.parse().expect("a number"))
}

on_both! {
    async fn the_same_metadata_returns_the_same_response(engine: Engine) {
        let app = TestApp::start(engine).await;
        let first = app.post(PATH, &everything()).await;
        app.clock.advance(Duration::from_secs(90));

        let second = app.post(PATH, &everything()).await;

        second.is(201, &first.json());
        assert_eq!((count(&app, "new"), count(&app, "known")), (1, 1));
        assert_eq!(listed::clients(app.db(), "", 10).await.expect("is readable").len(), 1);
    }

    async fn another_replica_knows_the_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        app.clock.advance(Duration::from_secs(90));
        let first = app.post(PATH, &everything()).await;
        let replica = app.replica().await;

        let second = replica.post(PATH, &everything()).await;

        second.is(201, &first.json());
        assert_eq!(first.json()["client_id_issued_at"], START.seconds() + 90);
        assert_eq!((count(&replica, "new"), count(&replica, "known")), (0, 1));
    }

    async fn a_restarted_server_knows_the_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let first = app.post(PATH, &everything()).await;
        app.db().close().await;
        let restarted = app.replica().await;
        restarted.clock.advance(Duration::from_secs(90));

        let second = restarted.post(PATH, &everything()).await;

        second.is(201, &first.json());
    }

    async fn a_client_keeps_its_id_after_the_database_was_lost(engine: Engine) {
        let (one, other) = (TestApp::start(engine).await, TestApp::start(engine).await);

        let ids = (register(&one, &desktop_app()).await, register(&other, &desktop_app()).await);

        assert_eq!(ids, (DESKTOP_APP.to_owned(), DESKTOP_APP.to_owned()));
    }

    async fn another_loopback_port_is_the_same_client_and_returned_as_sent(engine: Engine) {
        let app = TestApp::start(engine).await;
        let first = app.post(PATH, &desktop_app()).await;
        let redirect_uris = json!(["http://localhost:49152/callback"]);

        let second = app.post(PATH, &json!({"client_name": "Claude", "redirect_uris": redirect_uris})).await;

        let mut expected = first.json();
        expected["redirect_uris"] = redirect_uris;
        second.is(201, &expected);
    }

    async fn the_order_of_a_set_does_not_change_the_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let known = register(&app, &everything()).await;
        let reordered = [
            ("redirect_uris", json!(["http://127.0.0.1:8000/callback", "https://example.com/oauth/callback"])),
            ("grant_types", json!(["refresh_token", "authorization_code"])),
            ("scope", json!("profile openid")),
            ("scope", json!(" profile  openid profile ")),
        ];

        for (member, value) in reordered {
            let body = everything_with(member, value);

            assert_eq!(register(&app, &body).await, known, "{body}");
        }
    }

    async fn an_unknown_member_does_not_change_the_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let known = register(&app, &everything()).await;

        let again = register(&app, &everything_with("software_version", json!("2.0"))).await;

        assert_eq!(again, known);
    }

    async fn any_other_change_registers_another_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let mut ids = BTreeSet::from([register(&app, &everything()).await]);
        let changes = [
            ("client_name", json!("Example MCP client")),
            ("redirect_uris", json!(["https://example.com/oauth/callback"])),
            ("redirect_uris", json!(["https://example.com/oauth/callback/", "http://127.0.0.1:8000/callback"])),
            ("redirect_uris", json!(["https://example.com/oauth/callback", "http://localhost:8000/callback"])),
            ("redirect_uris", json!(["https://example.com:8443/oauth/callback", "http://127.0.0.1:8000/callback"])),
            ("grant_types", json!(["authorization_code"])),
            ("token_endpoint_auth_method", json!("client_secret_post")),
            ("scope", json!("openid")),
            ("scope", json!("openid profile unheard_of")),
            ("scope", Value::Null),
            ("client_uri", json!("https://example.com/")),
            ("logo_uri", json!("https://example.com/logo.svg")),
            ("policy_uri", Value::Null),
            ("tos_uri", json!("https://example.com/terms")),
            ("jwks_uri", json!("https://example.com/keys.json")),
        ];

        for (member, value) in changes {
            let body = everything_with(member, value);

            assert!(ids.insert(register(&app, &body).await), "{body}");
        }
    }

    async fn a_recent_registration_causes_no_query(engine: Engine) {
        let app = TestApp::start(engine).await;
        let first = app.post(PATH, &everything()).await;
        app.db().close().await;
        app.clock.advance(HOUR - Duration::from_secs(1));

        let second = app.post(PATH, &everything()).await;

        second.is(201, &first.json());
    }

    async fn repeated_registrations_are_written_hourly_with_their_count(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client_id = register(&app, &desktop_app()).await;

        app.clock.advance(HOUR - Duration::from_secs(1));
        register(&app, &desktop_app()).await;
        register(&app, &desktop_app()).await;
        assert_eq!(sightings(&app, &client_id).await, (0, 1));

        app.clock.advance(Duration::from_secs(1));
        register(&app, &desktop_app()).await;
        assert_eq!(sightings(&app, &client_id).await, (3_600, 4));

        register(&app, &desktop_app()).await;
        assert_eq!(sightings(&app, &client_id).await, (3_600, 4));
    }

    async fn counts_are_kept_if_the_hourly_write_fails(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client_id = register(&app, &desktop_app()).await;
        register(&app, &desktop_app()).await;
        app.clock.advance(HOUR);

        app.execute("ALTER TABLE clients RENAME TO clients_away").await;
        let refused = app.post(PATH, &desktop_app()).await;
        app.execute("ALTER TABLE clients_away RENAME TO clients").await;
        register(&app, &desktop_app()).await;

        assert_eq!(refused.status, 500);
        assert_eq!(sightings(&app, &client_id).await, (3_600, 3));
    }

    async fn replicas_together_write_a_registration_once_an_hour(engine: Engine) {
        let app = TestApp::start(engine).await;
        let replica = app.replica().await;
        let client_id = register(&app, &desktop_app()).await;
        register(&replica, &desktop_app()).await;
        assert_eq!(sightings(&app, &client_id).await, (0, 1));
        app.clock.advance(HOUR);
        replica.clock.advance(HOUR);

        register(&app, &desktop_app()).await;
        register(&replica, &desktop_app()).await;
        assert_eq!(sightings(&app, &client_id).await, (3_600, 2));

        replica.clock.advance(HOUR);
        register(&replica, &desktop_app()).await;
        assert_eq!(sightings(&app, &client_id).await, (7_200, 5));
    }

    async fn concurrent_registrations_of_a_client_known_elsewhere_are_all_counted(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client_id = register(&app, &desktop_app()).await;
        let (replica, body) = (app.replica().await, desktop_app());
        tokio::join!(register(&replica, &body), register(&replica, &body), register(&replica, &body));
        assert_eq!(sightings(&app, &client_id).await, (0, 1));
        replica.clock.advance(HOUR);

        register(&replica, &body).await;

        assert_eq!(sightings(&app, &client_id).await, (3_600, 5));
    }

    async fn a_sleeping_client_wakes_when_it_registers_again(engine: Engine) {
        let app = TestApp::start(engine).await;
        let client_id = register(&app, &desktop_app()).await;
        app.clock.advance(90 * DAY + Duration::from_secs(1));

        let again = register(&app, &desktop_app()).await;

        assert_eq!(again, client_id);
        assert_eq!(sightings(&app, &client_id).await, (90 * 86_400 + 1, 2));
        assert_eq!((count(&app, "new"), count(&app, "woken"), count(&app, "known")), (1, 1, 0));
    }

    async fn clients_never_sleep_if_sleeping_is_switched_off(engine: Engine) {
        let app = TestApp::with(engine, &[("registration.sleep_after", "0")]).await;
        register(&app, &desktop_app()).await;
        app.clock.advance(100 * DAY);

        register(&app, &desktop_app()).await;

        assert_eq!((count(&app, "woken"), count(&app, "known")), (0, 1));
    }

    async fn different_metadata_with_one_id_never_share_a_client(engine: Engine) {
        let app = TestApp::start(engine).await;
        let other = NewClient {
            id: id(DESKTOP_APP),
            digest: ClientDigest::from_bytes([7; 32]),
            client_name: "Somebody else".to_owned(),
            metadata: json!({
                "client_name": "Somebody else",
                "redirect_uris": ["https://else.example/callback"],
                "grant_types": ["authorization_code"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
            }).to_string(),
            seen_at: START,
            registrations: 1,
        };
        registrations::insert_new(app.db(), &[other]).await.expect("is inserted");
        app.clock.advance(2 * HOUR);

        let first = app.post(PATH, &desktop_app()).await;
        let second = app.post(PATH, &desktop_app()).await;

        let refused = json!({
            "error": "invalid_client_metadata",
            "error_description": "this metadata cannot be registered as it is: change client_name and try again",
        });
        first.is(400, &refused);
        second.is(400, &refused);
        assert_eq!(sightings(&app, DESKTOP_APP).await, (0, 1));
        assert_eq!(stored(&app, DESKTOP_APP).await.metadata.client_name().as_str(), "Somebody else");
    }

    async fn without_deduplication_every_registration_creates_a_client(engine: Engine) {
        let app = TestApp::with(engine, &[("registration.deduplicate", "false")]).await;

        let ids = [register(&app, &desktop_app()).await, register(&app, &desktop_app()).await];

        let versions = ids.each_ref().map(|text| id(text).uuid().get_version_num());
        assert_eq!(versions, [7, 7]);
        assert_ne!(ids[0], ids[1]);
        assert_eq!(listed::clients(app.db(), "", 10).await.expect("is readable").len(), 2);
        assert_eq!((count(&app, "new"), count(&app, "known")), (2, 0));
    }

    async fn the_stored_metadata_matches_the_response(engine: Engine) {
        let app = TestApp::start(engine).await;
        let answer = app.post(PATH, &everything()).await.json();
        let client = stored(&app, answer["client_id"].as_str().expect("an id")).await;

        let mut shown = serde_json::to_value(&client.metadata).expect("serializes");
        shown["client_id"] = json!(client.id);
        shown["client_id_issued_at"] = json!(client.registered_at);

        assert_eq!(shown, answer);
        assert_eq!(client.adopted_at, None);
    }
}
