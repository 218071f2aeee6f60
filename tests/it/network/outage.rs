//! The database becomes unreachable or silent and returns, without a restart of the server.

use std::time::Duration;

use futures_util::poll;
use grantor::app::App;
use grantor::db::engine::connect::Location;
use grantor::rules::secret::Secret;
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, timeout};

use crate::support::errors::{json_api, oauth};
use crate::support::flow::{AUTHORIZE, Form, McpClient, Person};
use crate::support::{
    Answer, Engine, Proxy, TestApp, postgres_url, restricted, restriction_path, unrestricted, until,
};

const REGISTER: &str = "/api/v2/oauth2/register";
const SITES: &str = "/api/v2/oauth2/.well-known/sites";
const AWAY: &str = "the server cannot reach its database; retry in a second";

/// Less than twice the default time limits for a connection and a response: a server that waits
/// twice fails the test, a slow one does not.
const WHEN_REFUSED: Duration = Duration::from_millis(2_900);
const WHEN_SILENT: Duration = Duration::from_millis(9_500);
/// The allowed time of a shutdown, plus a margin that a service manager would not notice.
const WHEN_STOPPED: Duration = Duration::from_secs(9);

/// The URL of the test database behind the proxy.
fn proxied(proxy: &Proxy) -> Secret {
    let (scheme, rest) = postgres_url().split_once("://").expect("a URL");
    let (server, database) = rest.split_once('/').unwrap_or((rest, ""));
    let credentials =
        server.rsplit_once('@').map_or(String::new(), |(credentials, _)| format!("{credentials}@"));
    Secret::new(format!("{scheme}://{credentials}{}/{database}", proxy.address))
}

pub async fn behind_a_proxy() -> (TestApp, Proxy) {
    behind_a_proxy_with(&[]).await
}

async fn behind_a_proxy_with(settings: &[(&str, &str)]) -> (TestApp, Proxy) {
    let server: PgConnectOptions = postgres_url().parse().expect("a URL");
    let proxy = Proxy::before(format!("{}:{}", server.get_host(), server.get_port())).await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let Location::Postgres { schema, .. } =
        TestApp::target(Engine::Postgres, &folder).await.location
    else {
        panic!("the engine is not Postgres")
    };
    let location = Location::Postgres { url: proxied(&proxy), schema };
    let free_ports = [("http.listen", "127.0.0.1:0"), ("http.management_listen", "")];
    (TestApp::on_location(location, &[&free_ports[..], settings].concat()).await, proxy)
}

/// Registers an unknown client, which requires the database.
fn new_client(name: &str) -> Value {
    json!({"client_name": name, "redirect_uris": ["https://example.com/callback"]})
}

async fn within(limit: Duration, answer: impl Future<Output = Answer>) -> Answer {
    let began = Instant::now();
    let answer = timeout(limit, answer).await;
    answer.unwrap_or_else(|_| panic!("no answer after {:?}", began.elapsed()))
}

fn assert_away(answer: &Answer, body: &Value) {
    answer.is(503, body);
    assert_eq!(answer.header("retry-after"), Some("1"));
}

fn away_for_clients() -> Value {
    oauth("temporarily_unavailable", AWAY)
}

fn away_for_operators() -> Value {
    json_api(503, "Service Unavailable", AWAY)
}

/// Retries until it succeeds, as clients do.
async fn comes_back(attempt: impl AsyncFnMut() -> bool) {
    until("the server finds its database again", attempt).await;
}

#[tokio::test]
async fn while_the_database_refuses_connections_requests_fail_quickly_until_it_returns() {
    let (app, mut proxy) = behind_a_proxy().await;
    let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
    let restriction = restriction_path(&client_id);
    operator.get(&restriction).await.is(200, &unrestricted(&client_id));

    proxy.refuse().await;
    let registered = within(WHEN_REFUSED, app.post(REGISTER, &new_client("Another"))).await;
    let read = within(WHEN_REFUSED, operator.get(&restriction)).await;
    let written = within(WHEN_REFUSED, operator.restrict(&client_id, &["openid"], &[])).await;
    let lifted = within(WHEN_REFUSED, operator.delete(&restriction)).await;
    app.clock.advance(Duration::from_secs(5));
    let read_by_forgotten_keys = within(WHEN_REFUSED, operator.get(&restriction)).await;
    proxy.forward().await;

    assert_away(&registered, &away_for_clients());
    for answer in [read, written, lifted, read_by_forgotten_keys] {
        assert_away(&answer, &away_for_operators());
    }
    comes_back(async || app.post(REGISTER, &new_client("Another")).await.status == 201).await;
    operator.get(&restriction).await.is(200, &unrestricted(&client_id));
}

#[tokio::test]
async fn while_the_database_is_silent_requests_fail_in_time_until_it_returns() {
    let (app, mut proxy) = behind_a_proxy().await;
    let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
    let restriction = restriction_path(&client_id);
    operator.get(&restriction).await.is(200, &unrestricted(&client_id));
    let another = new_client("Another");

    proxy.hang();
    let (registered, read, written, lifted) = tokio::join!(
        within(WHEN_SILENT, app.post(REGISTER, &another)),
        within(WHEN_SILENT, operator.get(&restriction)),
        within(WHEN_SILENT, operator.restrict(&client_id, &["openid"], &[])),
        within(WHEN_SILENT, operator.delete(&restriction)),
    );
    let still = within(WHEN_SILENT, operator.get(&restriction)).await;
    proxy.forward().await;

    assert_away(&registered, &away_for_clients());
    for answer in [read, written, lifted, still] {
        assert_away(&answer, &away_for_operators());
    }
    comes_back(async || app.post(REGISTER, &new_client("Another")).await.status == 201).await;
    comes_back(async || operator.get(&restriction).await.status == 200).await;
}

/// Errors for query and form requests: for programs in the format of the other endpoints, for users
/// as a page.
#[tokio::test]
async fn while_the_database_refuses_connections_authorize_shows_an_error_page() {
    let (app, mut proxy) = behind_a_proxy().await;
    let client = McpClient::registered(&app, &["https://app.example/cb"]).await;
    let mut person = Person::new(&app, "");
    let program = person.with_header("accept", "*/*");

    proxy.refuse().await;
    let query = client.query(&[]);
    let fields = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let form = Form { action: AUTHORIZE.to_owned(), fields };
    for (mut who, a_page) in [(person.clone(), true), (program, false)] {
        for answer in [who.open(&client.url(&[])).await, who.submit(&form).await] {
            assert_eq!(
                (answer.status.as_u16(), answer.header("retry-after")),
                (503, Some("1")),
                "{}",
                answer.text
            );
            assert!(answer.text.contains(AWAY), "{}", answer.text);
            let kind = if a_page { "text/html; charset=utf-8" } else { "application/json" };
            assert_eq!(answer.header("content-type"), Some(kind));
        }
    }
    proxy.forward().await;
    comes_back(async || person.visit(&client.url(&[])).await.status == 200).await;
}

/// All open connections are dead, and the first change must recover from that.
#[tokio::test]
async fn a_change_right_after_a_database_restart_succeeds() {
    let (app, mut proxy) = behind_a_proxy().await;
    let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
    let restriction = restriction_path(&client_id);
    operator.get(&restriction).await.is(200, &unrestricted(&client_id));

    proxy.refuse().await;
    proxy.forward().await;
    let written = operator.restrict(&client_id, &["openid"], &[]).await;

    written.is(200, &restricted(&client_id, &["openid"], &[]));
}

/// Idle connections are tested before their use, and a dead one does not respond.
#[tokio::test]
async fn a_database_that_became_silent_while_idle_does_not_block_requests() {
    let (app, mut proxy) = behind_a_proxy().await;
    let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
    let restriction = restriction_path(&client_id);
    let (one, other) = tokio::join!(operator.get(&restriction), operator.get(&restriction));
    assert_eq!([one.status.as_u16(), other.status.as_u16()], [200, 200]);

    proxy.hang();
    // The idle time. It is measured by the pool's own clock, which tests cannot move.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let read = within(WHEN_SILENT, operator.get(&restriction)).await;
    let written = within(WHEN_SILENT, operator.restrict(&client_id, &["openid"], &[])).await;
    proxy.forward().await;

    for answer in [read, written] {
        assert_away(&answer, &away_for_operators());
    }
    comes_back(async || operator.get(&restriction).await.status == 200).await;
}

/// Callers may disconnect before the response, and must release their connections.
#[tokio::test]
async fn canceled_requests_to_a_silent_database_leak_no_connection() {
    let (app, proxy) = behind_a_proxy().await;
    let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
    let restriction = restriction_path(&client_id);
    operator.get(&restriction).await.is(200, &unrestricted(&client_id));

    proxy.hang();
    for _ in 0..2 {
        let mut asking = Box::pin(operator.get(&restriction));
        until("the caller has a connection", async || {
            assert!(poll!(asking.as_mut()).is_pending(), "there is no answer yet");
            let state = app.db().pool_state();
            state.open > state.idle
        })
        .await;
    }

    until("their places are free again", async || app.db().pool_state().open == 0).await;
}

#[tokio::test]
async fn requests_without_a_query_are_served_while_the_database_refuses_connections() {
    let (app, mut proxy) = behind_a_proxy_with(&[("database.acquire_timeout_ms", "60000")]).await;
    let client_id = app.registered("A client").await;

    proxy.refuse().await;
    let at_once = Duration::from_secs(30);
    let alive = within(at_once, app.manage("/healthz")).await;
    let sites = within(at_once, app.get(SITES)).await;
    let document = within(at_once, app.get("/openapi.json")).await;
    let metrics = within(at_once, app.manage("/metrics")).await;
    let known_client = within(at_once, app.post(REGISTER, &new_client("A client"))).await;

    alive.is(200, &json!({"status": "ok"}));
    assert_eq!(
        [sites.status.as_u16(), document.status.as_u16(), metrics.status.as_u16()],
        [200, 200, 200]
    );
    assert_eq!(
        (known_client.status.as_u16(), &known_client.json()["client_id"]),
        (201, &json!(client_id))
    );
}

#[tokio::test]
async fn readiness_follows_a_database_that_refuses_connections() {
    let (app, mut proxy) = behind_a_proxy().await;
    app.manage("/readyz").await.is(200, &json!({"status": "ready"}));

    proxy.refuse().await;
    let away = within(WHEN_REFUSED, app.manage("/readyz")).await;
    proxy.forward().await;

    away.is(503, &json!({"status": "the database does not answer"}));
    comes_back(async || app.manage("/readyz").await.status == 200).await;
}

#[tokio::test]
async fn readiness_follows_a_silent_database() {
    let (app, mut proxy) = behind_a_proxy().await;
    app.manage("/readyz").await.is(200, &json!({"status": "ready"}));

    proxy.hang();
    let away = within(WHEN_SILENT, app.manage("/readyz")).await;
    let at_once = WHEN_SILENT / 2;
    let alive = within(at_once, app.manage("/healthz")).await;
    let sites = within(at_once, app.get(SITES)).await;
    proxy.forward().await;

    away.is(503, &json!({"status": "the database does not answer"}));
    assert_eq!((alive.status.as_u16(), sites.status.as_u16()), (200, 200));
    comes_back(async || app.manage("/readyz").await.status == 200).await;
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_silent_database() {
    let (app, proxy) = behind_a_proxy().await;
    let (operator, client_id) = (app.operator("Acme").await, app.registered("A client").await);
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let serving = tokio::spawn(
        app.app.clone().serve(async move |_: &App| ready.send(()).expect("the test waits")),
    );
    is_ready.await.expect("it serves");

    proxy.hang();
    let read = within(WHEN_SILENT, operator.get(&restriction_path(&client_id))).await;
    app.app.stop.stop();
    let stopped = timeout(WHEN_STOPPED, serving).await;

    assert_away(&read, &away_for_operators());
    stopped.expect("stops in time").expect("does not panic").expect("is no failure");
}
