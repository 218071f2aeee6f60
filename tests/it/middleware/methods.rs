//! HEAD, OPTIONS, and unsupported methods.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::{REGISTER, SITES, send};
use crate::support::errors::{json_api, oauth};
use crate::support::{Answer, Engine, TestApp, restriction_path};

const REFUSAL: &str = "this method is not allowed here: the Allow header lists the allowed methods";

/// The headers without the request id, which is always different.
fn headers(answer: &Answer) -> axum::http::HeaderMap {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    headers
}

#[tokio::test]
async fn head_returns_the_response_of_get_without_its_body() {
    let app = TestApp::start(Engine::Sqlite).await;
    let operator = app.operator("Acme").await;
    let restriction = restriction_path(&app.registered("A client").await);
    for path in [SITES, "/openapi.json", &restriction] {
        let request =
            |method| operator.request(method, path).body(Body::empty()).expect("a request");

        let get = app.send(request(Method::GET)).await;
        let head = app.send(request(Method::HEAD)).await;

        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""), "{path}");
        assert_eq!(headers(&head), headers(&get), "{path}");
        assert_eq!(
            head.header("content-length"),
            Some(get.text.len().to_string().as_str()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn options_lists_the_methods_of_a_path() {
    let app = TestApp::start(Engine::Sqlite).await;
    let restriction = restriction_path("72b68208-36a6-11f0-b21b-da7ad0900002");
    let cases = [
        (REGISTER, "POST, OPTIONS"),
        (SITES, "GET, HEAD, OPTIONS"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        (&restriction, "GET, HEAD, POST, DELETE, OPTIONS"),
    ];
    for (path, allow) in cases {
        let answer = send(&app, Method::OPTIONS, path, &[]).await;

        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""), "{path}");
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
}

#[tokio::test]
async fn an_unsupported_method_is_refused_with_allow() {
    let app = TestApp::start(Engine::Sqlite).await;
    let restriction = restriction_path("72b68208-36a6-11f0-b21b-da7ad0900002");
    let cases = [
        ("GET", REGISTER, "POST, OPTIONS", oauth("invalid_request", REFUSAL)),
        ("PUT", REGISTER, "POST, OPTIONS", oauth("invalid_request", REFUSAL)),
        ("POST", SITES, "GET, HEAD, OPTIONS", json!({"errors": [REFUSAL]})),
        ("BREW", SITES, "GET, HEAD, OPTIONS", json!({"errors": [REFUSAL]})),
        ("DELETE", "/openapi.json", "GET, HEAD, OPTIONS", json!({"errors": [REFUSAL]})),
        (
            "PATCH",
            &restriction,
            "GET, HEAD, POST, DELETE, OPTIONS",
            json_api(405, "Method Not Allowed", REFUSAL),
        ),
    ];
    for (method, path, allow, body) in cases {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");

        let answer = send(&app, method, path, &[]).await;

        answer.is(405, &body);
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
}
