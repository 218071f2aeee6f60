//! Requests that take too long, and more of them at once than the server takes on.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::Method;
use futures_util::stream;
use serde_json::json;
use tokio::sync::oneshot;

use super::{REGISTER, SITES};
use crate::support::errors::oauth;
use crate::support::{Engine, TestApp, request, restriction_path};

const BUSY: &str = "the server has as many requests in hand as it may: try again in a second";

fn registration() -> String {
    json!({"client_name": "A client", "redirect_uris": ["https://example.com/callback"]}).to_string()
}

fn never() -> Body {
    Body::from_stream(stream::pending::<Result<String, Infallible>>())
}

#[tokio::test]
async fn more_requests_than_may_be_in_hand_are_sent_away_and_told_when_to_come_back() {
    let app = TestApp::with(Engine::Sqlite, &[("http.max_in_flight", "1")]).await;
    let (begun, has_begun) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let slow_body = Body::from_stream(stream::once(async move {
        begun.send(()).expect("somebody waits");
        may_go_on.await.expect("somebody sends");
        Ok::<_, Infallible>(registration())
    }));

    let (first, (second, operators, sites)) = tokio::join!(app.post_text(REGISTER, slow_body), async {
        has_begun.await.expect("the first request is in hand");
        let restriction = restriction_path("72b68208-36a6-11f0-b21b-da7ad0900002");
        let refused =
            (app.post_text(REGISTER, registration()).await, app.get(&restriction).await, app.get(SITES).await);
        go_on.send(()).expect("the first request goes on");
        refused
    });
    let afterwards = app.post_text(REGISTER, registration()).await;

    second.is(503, &oauth("temporarily_unavailable", BUSY));
    operators.is(503, &crate::support::errors::json_api(503, "Service Unavailable", BUSY));
    sites.is(503, &json!({"errors": [BUSY]}));
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(second.header("access-control-allow-origin"), Some("*"));
    assert_eq!((first.status.as_u16(), afterwards.status.as_u16()), (201, 201));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let app = TestApp::with(Engine::Sqlite, &[("http.header_timeout", "1")]).await;

    let answer = app.post_text(REGISTER, never()).await;

    answer.is(408, &oauth("invalid_request", "the body did not arrive in time"));
}

#[tokio::test]
async fn a_request_that_takes_too_long_as_a_whole_is_given_up() {
    let app = TestApp::with(Engine::Sqlite, &[("http.request_timeout", "1")]).await;

    let answer = app.post_text(REGISTER, never()).await;

    answer.is(503, &oauth("temporarily_unavailable", "the request took longer than the server allows"));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let app = TestApp::start(Engine::Sqlite).await;
    let broken = Body::from_stream(stream::iter([Ok(registration()), Err(std::io::Error::other("reset"))]));
    let request = request(Method::POST, REGISTER).header("content-type", "application/json");

    let answer = app.send(request.body(broken).expect("a request")).await;

    answer.is(400, &oauth("invalid_request", "the body did not arrive whole"));
}
