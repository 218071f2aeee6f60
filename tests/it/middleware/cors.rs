//! Pages of other origins can call the public endpoints and no others.

use axum::http::Method;
use serde_json::json;

use super::{REGISTER, SITES, send};
use crate::support::{Answer, Engine, TestApp, restriction_path};

const PREFLIGHT: [(&str, &str); 3] = [
    ("origin", "https://inspector.example"),
    ("access-control-request-method", "POST"),
    ("access-control-request-headers", "content-type,mcp-protocol-version"),
];

fn cors_headers(answer: &Answer) -> Vec<(&str, &str)> {
    let headers =
        answer.headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
    headers.sort_unstable();
    headers
}

const EXPOSED: &str = "retry-after, www-authenticate, x-ratelimit-limit, x-ratelimit-period, x-ratelimit-remaining, \
                       x-ratelimit-reset, x-request-id";
const OPEN: [(&str, &str); 2] =
    [("access-control-allow-origin", "*"), ("access-control-expose-headers", EXPOSED)];

#[tokio::test]
async fn a_preflight_of_a_public_endpoint_allows_what_clients_send() {
    let app = TestApp::start(Engine::Sqlite).await;
    for path in [REGISTER, SITES, "/openapi.json", "/.well-known/oauth-authorization-server"] {
        let answer = send(&app, Method::OPTIONS, path, &PREFLIGHT).await;

        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""), "{path}");
        assert_eq!(
            cors_headers(&answer),
            [
                (
                    "access-control-allow-headers",
                    "accept, authorization, content-type, mcp-protocol-version, x-request-id"
                ),
                ("access-control-allow-methods", "GET, HEAD, POST, OPTIONS"),
                ("access-control-allow-origin", "*"),
                ("access-control-expose-headers", EXPOSED),
                ("access-control-max-age", "86400"),
            ],
            "{path}"
        );
    }
}

#[tokio::test]
async fn any_origin_can_read_every_response_of_a_public_endpoint() {
    let app = TestApp::with(Engine::Sqlite, &[("limits.requests_per_minute", "8")]).await;

    let answers = [
        app.get(SITES).await,
        app.post(REGISTER, &json!([])).await,
        app.get("/.well-known/nothing").await,
        send(&app, Method::DELETE, REGISTER, &[]).await,
        app.get(SITES).await,
    ];

    assert_eq!(answers.each_ref().map(|answer| answer.status.as_u16()), [200, 400, 404, 405, 429]);
    for answer in answers {
        assert_eq!(cors_headers(&answer), OPEN, "{}", answer.status);
    }
}

#[tokio::test]
async fn no_other_origin_can_call_the_operator_api() {
    let app = TestApp::start(Engine::Sqlite).await;
    let operator = app.operator("Acme").await;
    let path = restriction_path(&app.registered("A client").await);

    let preflight = send(&app, Method::OPTIONS, &path, &PREFLIGHT).await;
    let refused = send(&app, Method::GET, &path, &PREFLIGHT[..1]).await;
    let answered = operator.get(&path).await;
    let elsewhere = send(&app, Method::GET, "/api/v2/nothing", &PREFLIGHT[..1]).await;

    for answer in [preflight, refused, answered, elsewhere] {
        assert_eq!(cors_headers(&answer), [], "{}", answer.status);
    }
}
