//! Rate limits per address and in total.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use grantor::http::Peer;
use serde_json::json;

use super::{REGISTER, SITES};
use crate::support::{Answer, Engine, TestApp, request};

/// Allows one request at a time, and another after half a minute.
const ONE_AT_A_TIME: (&str, &str) = ("limits.requests_per_minute", "2");

async fn get_from(app: &TestApp, peer: &str, forwarded: Option<&str>) -> u16 {
    let peer: SocketAddr = peer.parse().expect("an address");
    let mut request = request(Method::GET, SITES).extension(Peer(peer));
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    app.ask(request).await.status.as_u16()
}

async fn register_from(app: &TestApp, peer: &str) -> Answer {
    register_as(app, "A client", peer).await
}

async fn register_as(app: &TestApp, name: &str, peer: &str) -> Answer {
    let peer: SocketAddr = peer.parse().expect("an address");
    let request = request(Method::POST, REGISTER)
        .header("content-type", "application/json")
        .extension(Peer(peer));
    let body =
        json!({"client_name": name, "redirect_uris": ["https://example.com/callback"]}).to_string();
    app.send(request.body(Body::from(body)).expect("a request")).await
}

fn assert_too_many(answer: &Answer, [reset, limit, period]: [&str; 3]) {
    answer.is(429, &json!({"errors": ["Too many requests"]}));
    let names = [
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-period",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ];
    assert_eq!(names.map(|name| answer.header(name)), [reset, limit, period, "0", reset].map(Some));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn an_address_over_its_limit_gets_retry_after_and_is_accepted_then() {
    let app = TestApp::with(Engine::Sqlite, &[ONE_AT_A_TIME]).await;
    assert_eq!(app.get(SITES).await.status, 200);

    let refused = app.get(SITES).await;
    app.clock.advance(Duration::from_secs(29));
    let too_early = app.get(SITES).await;
    app.clock.advance(Duration::from_secs(1));
    let in_time = app.get(SITES).await;

    assert_too_many(&refused, ["30", "2", "60"]);
    assert_too_many(&too_early, ["1", "2", "60"]);
    assert_eq!(in_time.status, 200);
}

#[tokio::test]
async fn each_address_has_its_own_limit() {
    let app = TestApp::with(Engine::Sqlite, &[ONE_AT_A_TIME]).await;

    let one =
        [get_from(&app, "192.0.2.1:1", None).await, get_from(&app, "192.0.2.1:2", None).await];
    let other = get_from(&app, "192.0.2.2:1", None).await;

    assert_eq!((one, other), ([200, 429], 200));
}

#[tokio::test]
async fn an_ipv6_network_shares_one_limit() {
    let app = TestApp::with(Engine::Sqlite, &[ONE_AT_A_TIME]).await;

    let subscriber = [
        get_from(&app, "[2001:db8::1]:1", None).await,
        get_from(&app, "[2001:db8::ffff:2]:1", None).await,
    ];
    let neighbor = get_from(&app, "[2001:db8:0:1::1]:1", None).await;
    let third_of_the_56 = get_from(&app, "[2001:db8:0:2::1]:1", None).await;
    let in_the_48 = [
        get_from(&app, "[2001:db8:0:100::1]:1", None).await,
        get_from(&app, "[2001:db8:0:200::1]:1", None).await,
    ];
    let fifth_of_the_48 = get_from(&app, "[2001:db8:0:300::1]:1", None).await;
    let elsewhere = get_from(&app, "[2001:db8:1::1]:1", None).await;

    assert_eq!((subscriber, neighbor, third_of_the_56), ([200, 429], 200, 429));
    assert_eq!((in_the_48, fifth_of_the_48, elsewhere), ([200, 200], 429, 200));
}

#[tokio::test]
async fn an_ipv4_mapped_address_shares_the_limit_of_its_ipv4_address() {
    let app = TestApp::with(Engine::Sqlite, &[ONE_AT_A_TIME]).await;

    let statuses = [
        get_from(&app, "192.0.2.1:1", None).await,
        get_from(&app, "[::ffff:192.0.2.1]:1", None).await,
    ];

    assert_eq!(statuses, [200, 429]);
}

#[tokio::test]
async fn forwarding_headers_of_untrusted_peers_are_ignored() {
    let app =
        TestApp::with(Engine::Sqlite, &[ONE_AT_A_TIME, ("http.trusted_proxies", "10.0.0.0/8")])
            .await;

    let statuses = [
        get_from(&app, "203.0.113.9:1", Some("198.51.100.1")).await,
        get_from(&app, "203.0.113.9:1", Some("198.51.100.2")).await,
    ];

    assert_eq!(statuses, [200, 429]);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_distinguished_and_cannot_forge_addresses() {
    let app =
        TestApp::with(Engine::Sqlite, &[ONE_AT_A_TIME, ("http.trusted_proxies", "10.0.0.0/8")])
            .await;

    let statuses = [
        get_from(&app, "10.0.0.1:1", Some("198.51.100.1")).await,
        get_from(&app, "10.0.0.1:1", Some("198.51.100.2")).await,
        get_from(&app, "10.0.0.2:1", Some("1.2.3.4, 198.51.100.1")).await,
    ];

    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn registrations_have_their_own_limit_per_address() {
    let app = TestApp::with(Engine::Sqlite, &[("limits.register_per_minute", "1")]).await;
    assert_eq!(register_from(&app, "192.0.2.1:1").await.status, 201);
    assert_eq!(register_from(&app, "192.0.2.1:1").await.status, 201);

    let refused = register_from(&app, "192.0.2.1:1").await;
    let other_source = register_from(&app, "192.0.2.2:1").await;
    let other_path = get_from(&app, "192.0.2.1:1", None).await;

    assert_too_many(&refused, ["60", "1", "60"]);
    assert_eq!((other_source.status.as_u16(), other_path), (201, 200));
}

#[tokio::test]
async fn all_registrations_together_are_limited() {
    let app = TestApp::with(Engine::Sqlite, &[("limits.register_per_second_total", "1")]).await;
    assert_eq!(register_as(&app, "One", "192.0.2.1:1").await.status, 201);
    assert_eq!(register_as(&app, "Two", "192.0.2.2:1").await.status, 201);

    let refused = register_as(&app, "Three", "192.0.2.3:1").await;
    app.clock.advance(Duration::from_secs(1));
    let later = register_as(&app, "Three", "192.0.2.3:1").await;

    assert_too_many(&refused, ["1", "1", "1"]);
    assert_eq!(later.status, 201);
}

/// A replica that just started has no client in memory and finds it in the database.
#[tokio::test]
async fn registering_a_known_client_does_not_count_toward_the_total() {
    let settings = [("limits.register_per_second_total", "1")];
    let app = TestApp::with(Engine::Sqlite, &settings).await;
    let replica = app.replica_with(&settings).await;
    let known = register_as(&app, "Known", "192.0.2.1:1").await;
    for server in [&app, &replica] {
        for number in 0..4 {
            register_as(server, &format!("Flood {number}"), "192.0.2.2:1").await;
        }
        assert_eq!(register_as(server, "New", "192.0.2.2:1").await.status, 429);

        for _ in 0..10 {
            let again = register_as(server, "Known", "192.0.2.3:1").await;

            assert_eq!(
                (again.status.as_u16(), again.json()["client_id"].clone()),
                (201, known.json()["client_id"].clone())
            );
        }
    }
}

#[tokio::test]
async fn a_limit_of_zero_is_no_limit() {
    let settings = ["requests_per_minute", "register_per_minute", "register_per_second_total"]
        .map(|name| format!("limits.{name}"));
    let settings: Vec<_> = settings.iter().map(|name| (name.as_str(), "0")).collect();
    let app = TestApp::with(Engine::Sqlite, &settings).await;
    for _ in 0..400 {
        let answer = register_from(&app, "192.0.2.1:1").await;

        assert_eq!(answer.status, 201);
    }
}
