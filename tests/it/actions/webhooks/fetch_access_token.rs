//! Token requests to real endpoints on this machine: good, slow, huge, broken and hostile ones.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use grantor::actions::webhooks::fetch_access_token::{
    AccessToken, TokenFetchError, fetch_access_token,
};
use grantor::db::webhooks::auth_methods::AuthMethod;
use grantor::outgoing::{Outgoing, OutgoingRules, WebhookBounds};
use grantor::rules::id::OrgId;
use grantor::sealing::KeyRing;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::auth_method::{CLIENT_ID, CLIENT_SECRET, TOKEN, auth_method, token_answer};
use crate::support::{DEADLINE, ReceivedRequest, Reply, Site};

const PATIENT: Duration = DEADLINE;
/// A time limit for endpoints that exceed it.
const SHORT: Duration = Duration::from_millis(300);

fn outgoing(allow_loopback: bool) -> Outgoing {
    let rules = OutgoingRules { allow_loopback, ..OutgoingRules::default() };
    Outgoing::for_webhooks(rules, WebhookBounds { at_once: 8, at_once_per_host: 8 })
}

fn method_at(url: &str) -> AuthMethod {
    auth_method(&KeyRing::development(), OrgId(Uuid::from_u128(1)), url)
}

async fn fetch_from(url: &str, within: Duration) -> Result<AccessToken, TokenFetchError> {
    let fetched =
        fetch_access_token(&outgoing(true), &KeyRing::development(), &method_at(url), within).await;
    let debug = format!("{fetched:?}");
    assert!(!debug.contains(CLIENT_SECRET) && !debug.contains(TOKEN), "{debug}");
    fetched
}

/// The error that an endpoint with this response causes.
async fn fetch(reply: Reply) -> Result<AccessToken, TokenFetchError> {
    fetch_from(&Site::answering(reply).await.url("/token"), PATIENT).await
}

async fn failure(reply: Reply) -> String {
    let error = fetch(reply).await.expect_err("no token");
    [error.to_string(), error.log_message()].iter().for_each(|words| {
        assert!(
            !words.contains(CLIENT_SECRET) && !words.contains(TOKEN) && words.len() < 300,
            "{words}"
        );
    });
    error.to_string()
}

fn error(status: u16, body: Value) -> Reply {
    Reply::status(status).with_header("content-type", "application/json").with_body(body)
}

/// The client id and secret in the Authorization header.
fn basic(asked: &ReceivedRequest) -> Option<String> {
    let encoded = asked.header("authorization")?.strip_prefix("Basic ")?;
    Some(String::from_utf8(BASE64_STANDARD.decode(encoded).expect("base64")).expect("text"))
}

#[tokio::test]
async fn a_token_request_sends_the_secret_in_the_header() {
    let endpoint = Site::answering(Reply::json(token_answer(3_600))).await;

    let given = fetch_from(&endpoint.url("/token?x=1"), PATIENT).await.expect("a token");

    assert_eq!((given.token.expose(), given.lifetime, given.status), (TOKEN, 3_600, 200));
    assert_eq!(given.scope.as_deref(), Some("events"));
    let [asked] = &endpoint.requests()[..] else { panic!("one request is enough") };
    assert!(asked.head.starts_with("POST /token?x=1 HTTP/1.1\r\n"), "{}", asked.head);
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(asked.header("accept"), Some("application/json"));
    // RFC 6749 section 2.3.1: both are form-encoded, so only the separator is a colon.
    let expected = "client+1%3A%C3%BC:s3cret%3A%2B%2F+%25%26%3D%22%C3%BC+never+shown";
    assert_eq!(basic(asked).as_deref(), Some(expected));
    assert_eq!(asked.form("grant_type").as_deref(), Some("client_credentials"));
    assert_eq!(asked.form("scope").as_deref(), Some("events more"));
    assert_eq!(asked.form("audience").as_deref(), Some("https://hooks.example/"));
    assert_eq!((asked.form("client_id"), asked.form("client_secret")), (None, None));
}

#[tokio::test]
async fn unset_parameters_are_not_sent() {
    let endpoint = Site::answering(Reply::json(token_answer(60))).await;
    let method = AuthMethod { scope: None, audience: None, ..method_at(&endpoint.url("/token")) };

    fetch_access_token(&outgoing(true), &KeyRing::development(), &method, PATIENT)
        .await
        .expect("a token");

    assert_eq!(endpoint.requests()[0].body, "grant_type=client_credentials");
}

#[tokio::test]
async fn the_secret_is_sent_in_the_body_if_the_header_is_refused() {
    for refusal in [
        Reply::status(401),
        error(401, json!({"error": "invalid_client"})),
        error(400, json!({"error": "invalid_client"})),
    ] {
        let endpoint = Site::deciding(move |asked| match asked.form("client_secret") {
            Some(_) => Reply::json(token_answer(60)),
            None => refusal.clone(),
        })
        .await;

        let given = fetch_from(&endpoint.url("/token"), PATIENT).await.expect("a token");

        let asked = endpoint.requests();
        assert_eq!((given.lifetime, asked.len(), asked[1].header("authorization")), (60, 2, None));
        assert_eq!(asked[1].form("client_id").as_deref(), Some(CLIENT_ID));
        assert_eq!(asked[1].form("client_secret").as_deref(), Some(CLIENT_SECRET));
        assert_eq!(asked[1].connection, 1, "over the same connection");
    }
}

#[tokio::test]
async fn the_more_helpful_of_two_refusals_is_returned() {
    let cases = [
        (error(401, json!({"error": "invalid_client"})), "status 401 (invalid_client)"),
        (error(400, json!({"error": "invalid_request"})), "status 401 (unauthorized)"),
        (Reply::status(500), "status 401 (unauthorized)"),
        (error(400, json!({"error": "invalid_scope"})), "status 400 (invalid_scope)"),
    ];
    for (second, expected) in cases {
        let first =
            if expected.ends_with("(invalid_client)") { "invalid_client" } else { "unauthorized" };
        let endpoint = Site::deciding(move |asked| match asked.form("client_secret") {
            Some(_) => second.clone(),
            None => error(401, json!({"error": first})),
        })
        .await;

        let refused = fetch_from(&endpoint.url("/token"), PATIENT).await.expect_err("is refused");

        assert_eq!(
            refused.to_string(),
            format!("no access token: 127.0.0.1 responded with {expected}")
        );
        assert_eq!(endpoint.requests().len(), 2);
    }
}

#[tokio::test]
async fn other_refusals_are_not_retried() {
    for reply in
        [Reply::status(500), Reply::status(403), error(400, json!({"error": "invalid_scope"}))]
    {
        let endpoint = Site::answering(reply).await;

        assert!(fetch_from(&endpoint.url("/token"), PATIENT).await.is_err());
        assert_eq!(endpoint.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_token_is_used_for_at_most_a_day() {
    for (expires_in, expected) in [
        (json!(-1), 0),
        (json!(1), 1),
        (json!("120"), 120),
        (json!(9_999_999_999_i64), 86_400),
        (json!(null), 300),
        (json!("soon"), 300),
    ] {
        let given = fetch(Reply::json(token_answer(expires_in.clone()))).await.expect("a token");
        assert_eq!(given.lifetime, expected, "{expires_in}");
    }
}

#[tokio::test]
async fn an_invalid_token_response_is_described_without_quoting_it() {
    let mac = json!({"access_token": TOKEN, "token_type": "mac"});
    let split = json!({"access_token": "a\r\nx-injected: b", "token_type": "Bearer"});
    let elsewhere = Site::answering(Reply::json(token_answer(60))).await;
    let to_elsewhere = Reply::status(307).with_header("location", elsewhere.url("/token"));
    let hostile = json!({"error": "<b>x</b>\u{1b}[2J", "error_description": TOKEN, "error_uri": "javascript:x"});
    let cases = [
        (Reply::json("<html>"), "127.0.0.1 responded with a body that is not a JSON object"),
        (Reply::json("[]"), "127.0.0.1 responded with a body that is not a JSON object"),
        (Reply::json("{}"), "127.0.0.1 responded without an access_token"),
        (Reply::json(mac), "127.0.0.1 responded with a token_type other than Bearer"),
        (
            Reply::json(split),
            "127.0.0.1 responded with an access_token that is longer than 8192 bytes or contains characters other than \
             visible ASCII",
        ),
        (error(400, hostile), "127.0.0.1 responded with status 400"),
        (error(400, json!({"error": "x".repeat(65)})), "127.0.0.1 responded with status 400"),
        (
            error(400, json!({"error": "invalid_scope", "error_description": CLIENT_SECRET})),
            "127.0.0.1 responded with status 400 (invalid_scope)",
        ),
        (Reply::status(503).with_body(TOKEN), "127.0.0.1 responded with status 503"),
        (to_elsewhere, "127.0.0.1 responded with a redirect, which is not followed"),
        (Reply::json("x".repeat(65_537)), "127.0.0.1 responded with more than 65536 bytes"),
        (Reply::Endless, "127.0.0.1 responded with more than 65536 bytes"),
        (Reply::Broken, "127.0.0.1 did not finish its response"),
    ];
    for (reply, expected) in cases {
        assert_eq!(failure(reply).await, format!("no access token: {expected}"));
    }
    assert_eq!(elsewhere.requests().len(), 0, "no redirect was followed");
}

#[tokio::test]
async fn a_scope_that_repeats_the_token_or_the_secret_is_not_returned() {
    for scope in [TOKEN.to_owned(), format!("events {TOKEN}")] {
        let mut response = token_answer(60);
        response["scope"] = json!(scope);
        assert_eq!(fetch(Reply::json(response)).await.map(|given| given.scope), Ok(None));
    }
}

#[tokio::test]
async fn a_slow_endpoint_times_out_wherever_it_is_slow() {
    for reply in [Reply::Silence, Reply::SlowHead, Reply::Trickle] {
        let endpoint = Site::answering(reply).await;

        let asked =
            tokio::time::timeout(DEADLINE, fetch_from(&endpoint.url("/token"), SHORT)).await;

        let error = asked.expect("ends in time").expect_err("no token");
        assert_eq!(error.to_string(), "no access token: 127.0.0.1 did not respond in time");
    }
}

#[tokio::test]
async fn the_time_limit_covers_both_requests() {
    const ENOUGH_FOR_ONE: Duration = Duration::from_secs(3);
    let endpoint = Site::deciding(|asked| match asked.form("client_secret") {
        Some(_) => Reply::Silence,
        None => Reply::status(401),
    })
    .await;

    let asked =
        tokio::time::timeout(DEADLINE, fetch_from(&endpoint.url("/token"), ENOUGH_FOR_ONE)).await;

    let error = asked.expect("ends in time").expect_err("no token");
    assert_eq!(error.to_string(), "no access token: 127.0.0.1 responded with status 401");
}

#[tokio::test]
async fn an_unreachable_endpoint_is_reported_without_internal_addresses() {
    let mut gone = Site::answering(Reply::json(token_answer(60))).await;
    let port = gone.address.port();
    gone.shut_down().await;
    let here = Site::answering(Reply::json(token_answer(60))).await;
    let strict = outgoing(false);
    let ring = KeyRing::development();
    let refused = async |host: &str| {
        let method = method_at(&format!("https://{host}:{}/token", here.address.port()));
        fetch_access_token(&strict, &ring, &method, PATIENT).await.expect_err("is refused")
    };

    let unreachable = fetch_from(&format!("http://127.0.0.1:{port}/token"), PATIENT)
        .await
        .expect_err("nothing listens");
    assert_eq!(unreachable.to_string(), "no access token: 127.0.0.1 could not be reached");
    assert!(
        unreachable.log_message().contains("Connection refused"),
        "{}",
        unreachable.log_message()
    );
    for host in ["localhost", "127.0.0.1", "nobody.invalid"] {
        let message = refused(host).await.to_string();
        assert_eq!(
            message,
            format!("no access token: {host} has no address that this server connects to")
        );
    }
    assert!(refused("localhost").await.log_message().contains("a loopback address"));
    assert_eq!(here.requests().len(), 0);
}

#[tokio::test]
async fn a_secret_bound_to_another_server_is_not_sent() {
    let endpoint = Site::answering(Reply::json(token_answer(60))).await;
    let method = method_at(&endpoint.url("/token"));
    let port = endpoint.address.port();
    for secret_origin in [
        format!("https://127.0.0.1:{port}"),
        "http://127.0.0.1".to_owned(),
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{port}/"),
        String::new(),
    ] {
        let moved = AuthMethod { secret_origin, ..method.clone() };

        let refused =
            fetch_access_token(&outgoing(true), &KeyRing::development(), &moved, PATIENT).await;

        let refused = refused.expect_err("is not sent");
        let expected = format!(
            "no access token: the client_secret is for {}, but access_token_url points to http://127.0.0.1:{port}: send \
             client_secret again, together with access_token_url",
            moved.secret_origin
        );
        assert_eq!(
            (refused.to_string(), refused.log_message(), refused.status()),
            (expected.clone(), expected, None)
        );
    }
    assert_eq!(endpoint.requests().len(), 0);
    assert!(fetch_from(&endpoint.url("/other"), PATIENT).await.is_ok());
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_is_not_sent() {
    let endpoint = Site::answering(Reply::json(token_answer(60))).await;
    let method = method_at(&endpoint.url("/token"));
    let moved = AuthMethod { org_id: OrgId(Uuid::from_u128(2)), ..method };

    let refused =
        fetch_access_token(&outgoing(true), &KeyRing::development(), &moved, PATIENT).await;

    let refused = refused.expect_err("is not opened").to_string();
    assert_eq!(refused, "no access token: this server cannot decrypt the client secret");
    assert_eq!(endpoint.requests().len(), 0);
}
