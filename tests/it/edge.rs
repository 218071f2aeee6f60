//! What every request passes, whatever it is for. No database is asked, so one engine is enough.

mod cors;
mod limits;
mod methods;
mod time;

use axum::body::Body;
use axum::http::{Method, Version};
use serde_json::{Value, json};

use crate::support::errors::{json_api, oauth};
use crate::support::{Answer, Engine, TestApp, request, restriction_path};

const REGISTER: &str = "/api/v2/oauth2/register";
const SITES: &str = "/api/v2/oauth2/.well-known/sites";

async fn send(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(request(method, path), |request, (name, value)| request.header(*name, *value));
    app.ask(request).await
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let app = TestApp::start(Engine::Sqlite).await;
    let answers =
        [app.get(SITES).await, app.get(SITES).await, app.get("/nowhere").await, app.post(REGISTER, &json!(1)).await];

    let ids: std::collections::BTreeSet<_> = answers.iter().map(|answer| answer.header("x-request-id")).collect();

    assert_eq!(ids.len(), answers.len());
    assert!(
        ids.iter().all(|id| id.is_some_and(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())))
    );
}

#[tokio::test]
async fn a_request_id_that_is_sent_is_not_taken_over() {
    let app = TestApp::start(Engine::Sqlite).await;

    let answer = send(&app, Method::GET, SITES, &[("x-request-id", "mine")]).await;

    assert_ne!(answer.header("x-request-id"), Some("mine"));
}

#[tokio::test]
async fn every_answer_keeps_browsers_from_guessing_framing_and_caching() {
    let app = TestApp::start(Engine::Sqlite).await;
    for answer in [app.get("/openapi.json").await, app.get("/nowhere").await, app.post(REGISTER, &json!(1)).await] {
        let names = ["x-content-type-options", "referrer-policy", "content-security-policy", "cache-control"];

        let values = names.map(|name| answer.header(name));

        let policy = "default-src 'none'; frame-ancestors 'none'";
        assert_eq!(values, ["nosniff", "no-referrer", policy, "no-store"].map(Some), "{answer:?}");
        assert_eq!(answer.header("strict-transport-security"), None);
    }
}

#[tokio::test]
async fn a_server_that_is_reached_by_https_tells_browsers_to_stay_there() {
    let app = TestApp::with(Engine::Sqlite, &[("http.public_url", "https://auth.example.com")]).await;

    let answer = app.get("/nowhere").await;

    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
}

/// The same refusal, as each audience is told it.
fn in_every_shape(status: u16, title: &str, detail: &str) -> [(String, Value); 3] {
    [
        ("/api/v2/something".to_owned(), json!({"errors": [detail]})),
        ("/oauth2/v1/something".to_owned(), oauth("invalid_request", detail)),
        ("/api/v2/oauth2/clients/x/something".to_owned(), json_api(status, title, detail)),
    ]
}

#[tokio::test]
async fn an_unknown_path_is_told_in_the_shape_of_its_audience() {
    let app = TestApp::start(Engine::Sqlite).await;
    for (path, body) in in_every_shape(404, "Not Found", "there is nothing at this path") {
        let answer = app.get(&path).await;

        answer.is(404, &body);
    }
}

#[tokio::test]
async fn a_path_that_is_nearly_right_is_another_path() {
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
async fn no_host_or_two_are_refused_in_the_shape_of_the_audience() {
    let app = TestApp::start(Engine::Sqlite).await;
    let detail = "an HTTP/1.1 request must have exactly one Host header";
    let mut shapes = in_every_shape(400, "Bad Request", detail);
    shapes[2].1["errors"][0]["source"] = json!({"header": "Host"});
    for (path, body) in shapes {
        let without = axum::extract::Request::builder().uri(&path).body(Body::empty()).expect("a request");

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
async fn credentials_that_a_public_endpoint_does_not_ask_for_do_no_harm() {
    let app = TestApp::start(Engine::Sqlite).await;
    for value in ["Bearer", "Bearer ", "Basic", "Basic !!!", "nonsense", ""] {
        let answer = send(&app, Method::GET, &restriction_path("x"), &[("authorization", value)]).await;
        let public = send(&app, Method::GET, SITES, &[("authorization", value)]).await;

        answer.is(401, &json!({"errors": ["Unauthorized"]}));
        assert_eq!(public.status, 200, "{value}");
    }
}
