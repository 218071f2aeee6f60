//! Checks that apply to every request. They use no database, so one engine is enough.

mod cors;
mod methods;
mod rate_limit;
mod time;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Version};
use grantor::http;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::errors::{json_api, oauth};
use crate::support::{Answer, Engine, TestApp, request, restriction_path};

const REGISTER: &str = "/api/v2/oauth2/register";
const SITES: &str = "/api/v2/oauth2/.well-known/sites";

async fn send(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers
        .iter()
        .fold(request(method, path), |request, (name, value)| request.header(*name, *value));
    app.ask(request).await
}

#[tokio::test]
async fn every_response_has_its_own_request_id() {
    let app = TestApp::start(Engine::Sqlite).await;
    let answers = [
        app.get(SITES).await,
        app.get(SITES).await,
        app.get("/nowhere").await,
        app.post(REGISTER, &json!(1)).await,
    ];

    let ids: std::collections::BTreeSet<_> =
        answers.iter().map(|answer| answer.header("x-request-id")).collect();

    assert_eq!(ids.len(), answers.len());
    assert!(ids.iter().all(|id| {
        id.is_some_and(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }));
}

#[tokio::test]
async fn a_sent_request_id_is_not_used() {
    let app = TestApp::start(Engine::Sqlite).await;

    let answer = send(&app, Method::GET, SITES, &[("x-request-id", "mine")]).await;

    assert_ne!(answer.header("x-request-id"), Some("mine"));
}

#[tokio::test]
async fn large_documents_are_compressed_if_the_client_accepts_that() {
    let app = TestApp::start(Engine::Sqlite).await;
    for path in ["/openapi.json", "/style.css"] {
        let plain = app.get(path).await;
        let accepting = request(Method::GET, path).header("accept-encoding", "gzip");
        let accepting = accepting.body(Body::empty()).expect("a request");
        let response =
            http::public(Arc::clone(&app.app)).oneshot(accepting).await.expect("a response");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();

        assert_eq!(
            (plain.header("content-encoding"), plain.header("vary")),
            (None, Some("accept-encoding"))
        );
        assert_eq!(parts.headers["content-encoding"], "gzip", "{path}");
        assert!(body.starts_with(&[0x1f, 0x8b]) && body.len() < plain.text.len() / 2, "{path}");
    }
}

#[tokio::test]
async fn every_response_forbids_sniffing_framing_and_caching() {
    let app = TestApp::start(Engine::Sqlite).await;
    for answer in [
        app.get("/openapi.json").await,
        app.get("/nowhere").await,
        app.post(REGISTER, &json!(1)).await,
    ] {
        let names = [
            "x-content-type-options",
            "referrer-policy",
            "content-security-policy",
            "cache-control",
        ];

        let values = names.map(|name| answer.header(name));

        let policy = "default-src 'none'; frame-ancestors 'none'";
        assert_eq!(values, ["nosniff", "no-referrer", policy, "no-store"].map(Some), "{answer:?}");
        assert_eq!(answer.header("strict-transport-security"), None);
    }
}

#[tokio::test]
async fn an_https_server_sends_strict_transport_security() {
    let app =
        TestApp::with(Engine::Sqlite, &[("http.public_url", "https://auth.example.com")]).await;

    let answer = app.get("/nowhere").await;

    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
}

/// The same refusal in the error format of each audience.
fn in_every_shape(status: u16, title: &str, detail: &str) -> [(String, Value); 3] {
    [
        ("/api/v2/something".to_owned(), json!({"errors": [detail]})),
        ("/oauth2/v1/something".to_owned(), oauth("invalid_request", detail)),
        ("/api/v2/oauth2/clients/x/something".to_owned(), json_api(status, title, detail)),
    ]
}

#[tokio::test]
async fn an_unknown_path_returns_the_error_format_of_its_audience() {
    let app = TestApp::start(Engine::Sqlite).await;
    for (path, body) in in_every_shape(404, "Not Found", "there is nothing at this path") {
        let answer = app.get(&path).await;

        answer.is(404, &body);
    }
}

#[tokio::test]
async fn a_similar_path_is_unknown() {
    let app = TestApp::start(Engine::Sqlite).await;
    for path in [
        "/openapi.json/",
        "//openapi.json",
        "/OPENAPI.json",
        "/x/../openapi.json",
        "/openapi.json;v=1",
        "/%6fpenapi.json",
    ] {
        let answer = app.get(path).await;

        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_missing_or_repeated_host_returns_the_error_format_of_its_audience() {
    let app = TestApp::start(Engine::Sqlite).await;
    let detail = "an HTTP/1.1 request must have exactly one Host header";
    let mut shapes = in_every_shape(400, "Bad Request", detail);
    shapes[2].1["errors"][0]["source"] = json!({"header": "Host"});
    for (path, body) in shapes {
        let without =
            axum::extract::Request::builder().uri(&path).body(Body::empty()).expect("a request");

        let none = app.send(without).await;
        let two = send(&app, Method::GET, &path, &[("host", "elsewhere.example")]).await;

        none.is(400, &body);
        two.is(400, &body);
    }
}

#[tokio::test]
async fn http_1_0_needs_no_host() {
    let app = TestApp::start(Engine::Sqlite).await;
    let request = axum::extract::Request::builder().uri(SITES).version(Version::HTTP_10);

    let answer = app.ask(request).await;

    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_public_endpoint_ignores_credentials() {
    let app = TestApp::start(Engine::Sqlite).await;
    for value in ["Bearer", "Bearer ", "Basic", "Basic !!!", "nonsense", ""] {
        let answer =
            send(&app, Method::GET, &restriction_path("x"), &[("authorization", value)]).await;
        let public = send(&app, Method::GET, SITES, &[("authorization", value)]).await;

        answer.is(401, &json!({"errors": ["Unauthorized"]}));
        assert_eq!(public.status, 200, "{value}");
    }
}
