//! Clients that send the body of a request slowly or not at all do not affect others.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::{StreamExt as _, stream};
use grantor::http;
use grantor::http::Peer;
use grantor::rules::identity::permission::Role;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::support::flow::PASSWORD;
use crate::support::granted::{Granted, TOKEN};
use crate::support::{Connection, Engine, TestApp, Wire, request, restriction_path, until};

const FORM: &str = "application/x-www-form-urlencoded";
const ATTACKERS: u8 = 10;
/// On a quiet machine, other clients get a response within 20 milliseconds. This limit allows for a
/// busy one.
const IN_TIME: Duration = Duration::from_secs(10);

fn head(path: &str, kind: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// An incomplete request from its own address.
async fn attack(wire: &Wire, attacker: u8, number: usize) -> Connection {
    let mut connection = wire.connect_from(Ipv4Addr::new(127, 0, 1, attacker)).await;
    let (path, kind) = match number % 3 {
        0 => (TOKEN, FORM),
        1 => ("/api/v2/oauth2/register", "application/json"),
        _ => ("/login", FORM),
    };
    connection.write(&format!("{}{{\"client_name\": \"", head(path, kind, 60_000))).await;
    connection
}

/// A request as many clients send it: the headers first, the body in a separate packet.
async fn post(wire: &Wire, path: &str, headers: &str, body: &str) -> String {
    let mut connection = wire.connect().await;
    let head = head(path, FORM, body.len());
    connection.write(&head.replace("\r\n\r\n", &format!("\r\n{headers}\r\n"))).await;
    connection.write(body).await;
    connection.answer().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_sent_requests_from_ten_addresses_keep_nobody_else_out() {
    let settings = [
        // A tenth of the default limits, so that the test needs a tenth of the sockets.
        ("http.max_in_flight", "51"),
        ("http.max_pending_bodies", "204"),
        ("limits.login_per_minute", "1000"),
    ];
    let app = TestApp::with(Engine::Sqlite, &settings).await;
    let granted = Granted::new(&app).await;
    let person = granted.operator.person("eve@mail.example", Role::Standard).await;
    let mut refresh = granted.tokens("mcp_read").await.refresh;
    let wire = Wire::serve(http::public(Arc::clone(&app.app)), Wire::bounds()).await;
    let attackers = stream::iter(
        (0..ATTACKERS).flat_map(|attacker| (0..18).map(move |number| (attacker, number))),
    );
    let held: Vec<Connection> =
        attackers.then(|(attacker, number)| attack(&wire, 1 + attacker, number)).collect().await;
    until("the server has seen the attack", async || app.app.intake.pending().0 >= 100).await;

    let keys = format!(
        "DD-API-KEY: {}\r\nDD-APPLICATION-KEY: {}\r\n",
        granted.operator.keys.api_key.expose(),
        granted.operator.keys.application_key.expose()
    );
    for round in 0..10 {
        let body = format!(
            "grant_type=refresh_token&client_id={}&refresh_token={refresh}",
            granted.client_id
        );
        let refreshed =
            timeout(IN_TIME, post(&wire, TOKEN, "", &body)).await.expect("a refresh in time");
        assert!(refreshed.starts_with("HTTP/1.1 200 "), "{round}: {refreshed}");
        refresh = refreshed
            .split("\"refresh_token\":\"")
            .nth(1)
            .expect("a token")
            .split('"')
            .next()
            .expect("its end")
            .to_owned();

        let mut operator = wire.connect().await;
        let path = restriction_path(&granted.client_id);
        operator.write(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{keys}\r\n")).await;
        let read = timeout(IN_TIME, operator.answer()).await.expect("an operator in time");
        assert!(read.starts_with("HTTP/1.1 200 "), "{round}: {read}");

        let mut browser = wire.connect().await;
        browser.write("GET /login HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n").await;
        let page = timeout(IN_TIME, browser.answer()).await.expect("a page in time");
        let answer = timeout(IN_TIME, signs_in(&wire, &page, &person.email))
            .await
            .expect("a sign-in in time");
        assert!(answer.starts_with("HTTP/1.1 303 "), "{round}: {answer}");
    }
    drop(held);
    until("nothing is left of the attack", async || app.app.intake.pending() == (0, 0)).await;
}

/// Sends the form of a login page like a browser.
async fn signs_in(wire: &Wire, page: &str, email: &str) -> String {
    let cookie =
        page.split("set-cookie: ").nth(1).expect("a cookie").split(';').next().expect("its end");
    let csrf = page
        .split("name=\"csrf\" value=\"")
        .nth(1)
        .expect("a field")
        .split('"')
        .next()
        .expect("its end");
    let form = [("csrf", csrf), ("email", email), ("password", PASSWORD)];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let origin = "http://127.0.0.1:8080";
    post(
        wire,
        "/login",
        &format!("Cookie: {cookie}\r\nOrigin: {origin}\r\nAccept: text/html\r\n"),
        &body,
    )
    .await
}

/// The complete attack: incomplete requests from many addresses, sent through the router.
#[tokio::test]
async fn a_refresh_succeeds_despite_185_incomplete_requests_from_each_of_ten_networks() {
    let app = Arc::new(TestApp::start(Engine::Sqlite).await);
    let granted = Granted::new(&app).await;
    let mut tokens = granted.tokens("mcp_read").await;
    let mut attack = JoinSet::new();
    for attacker in 0..ATTACKERS {
        let peer = Peer(SocketAddr::from((IpAddr::from([192, 0, 2, attacker]), 1)));
        for _ in 0..185 {
            let body =
                Body::from_stream(stream::pending::<Result<String, std::convert::Infallible>>());
            let request = request(Method::POST, TOKEN).header("content-type", FORM).extension(peer);
            let (app, request) = (Arc::clone(&app), request.body(body).expect("a request"));
            attack.spawn(async move { app.send(request).await });
        }
    }
    until("the server has seen the attack", async || app.app.intake.pending().0 >= 1_000).await;

    for _ in 0..100 {
        let began = Instant::now();
        let answer = granted.refreshed(&tokens.refresh).await;
        tokens = crate::support::granted::Tokens::of(&answer);
        assert!(began.elapsed() < IN_TIME);
    }
}
