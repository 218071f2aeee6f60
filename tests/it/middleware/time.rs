//! Requests that take too long, and limits on concurrent requests.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::Method;
use form_urlencoded::byte_serialize;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::sync::oneshot;

use super::{REGISTER, SITES};
use crate::support::errors::oauth;
use crate::support::{Engine, Reply, Site, TestApp, request, restriction_path, until};

const ON_LOOPBACK: (&str, &str) = ("client_documents.allow_loopback", "true");
const BUSY: &str = "the server is at its limit of concurrent requests; retry in a second";

fn registration() -> String {
    json!({"client_name": "A client", "redirect_uris": ["https://example.com/callback"]})
        .to_string()
}

fn never() -> Body {
    Body::from_stream(stream::pending::<Result<String, Infallible>>())
}

/// Requests that stay pending, because they make the server fetch a document from a silent site.
async fn with_pending_requests<T>(
    app: &TestApp,
    number: usize,
    meanwhile: impl Future<Output = T>,
) -> T {
    let site = Site::answering(Reply::Silence).await;
    let pending = join_all((0..number).map(|number| {
        let client_id: String =
            byte_serialize(site.url(&format!("/{number}.json")).as_bytes()).collect();
        async move { app.get(&format!("/oauth2/v1/authorize?client_id={client_id}")).await }
    }));
    let meanwhile = async {
        until("they are pending", async || app.app.intake.in_flight() == number).await;
        meanwhile.await
    };
    tokio::select! {
        _ = pending => panic!("the requests ended early"),
        result = meanwhile => result,
    }
}

#[tokio::test]
async fn requests_over_the_concurrency_limit_get_retry_after() {
    let app = TestApp::with(Engine::Sqlite, &[("http.max_in_flight", "1"), ON_LOOPBACK]).await;
    let restriction = restriction_path("72b68208-36a6-11f0-b21b-da7ad0900002");

    let (registration, operators, sites) = with_pending_requests(&app, 1, async {
        (
            app.post_text(REGISTER, registration()).await,
            app.get(&restriction).await,
            app.get(SITES).await,
        )
    })
    .await;
    let afterwards = app.post_text(REGISTER, self::registration()).await;

    registration.is(503, &oauth("temporarily_unavailable", BUSY));
    operators.is(503, &crate::support::errors::json_api(503, "Service Unavailable", BUSY));
    sites.is(503, &json!({"errors": [BUSY]}));
    assert_eq!(registration.header("retry-after"), Some("1"));
    assert_eq!(registration.header("access-control-allow-origin"), Some("*"));
    assert_eq!(afterwards.status, 201);
}

#[tokio::test]
async fn a_quarter_of_the_concurrency_is_reserved_for_tokens_and_operators() {
    let app = TestApp::with(Engine::Sqlite, &[("http.max_in_flight", "4"), ON_LOOPBACK]).await;
    let restriction = restriction_path("72b68208-36a6-11f0-b21b-da7ad0900002");

    let statuses = with_pending_requests(&app, 3, async {
        let token = app.post_text("/oauth2/v1/token", "{}").await;
        [app.get(SITES).await.status, token.status, app.get(&restriction).await.status]
            .map(|status| status.as_u16())
    })
    .await;

    assert_eq!(statuses, [503, 400, 401]);
}

#[tokio::test]
async fn a_slowly_arriving_body_does_not_count_as_a_running_request() {
    let app = TestApp::with(Engine::Sqlite, &[("http.max_in_flight", "1")]).await;
    let (send_body, body_may_start) = oneshot::channel::<()>();
    let slow_body = Body::from_stream(stream::once(async move {
        body_may_start.await.expect("is sent");
        Ok::<_, Infallible>(registration())
    }));

    let (slow, meanwhile) = tokio::join!(app.post_text(REGISTER, slow_body), async {
        until("the body is waited for", async || app.app.intake.pending().0 == 1).await;
        let meanwhile = app.get(SITES).await;
        send_body.send(()).expect("the body goes on");
        meanwhile
    });

    assert_eq!((slow.status.as_u16(), meanwhile.status.as_u16()), (201, 200));
    assert_eq!((app.app.intake.in_flight(), app.app.intake.pending()), (0, (0, 0)));
}

#[tokio::test]
async fn the_number_of_arriving_bodies_is_limited() {
    let app = TestApp::with(Engine::Sqlite, &[("http.max_pending_bodies", "1")]).await;
    let refused = async {
        until("a body is waited for", async || app.app.intake.pending().0 == 1).await;
        (
            app.post_text(REGISTER, broken_in_two()).await,
            app.post_text(REGISTER, registration()).await,
        )
    };

    let (second, whole) = tokio::select! {
        _ = app.post_text(REGISTER, never()) => panic!("the first body never arrives"),
        answers = refused => answers,
    };

    let words = "too many request bodies are still arriving; retry in a second";
    second.is(503, &oauth("temporarily_unavailable", words));
    assert_eq!((second.header("retry-after"), whole.status.as_u16()), (Some("1"), 201));
}

/// The second part is sent when the server reads it.
fn broken_in_two() -> Body {
    let text = registration();
    let (head, tail) = (text[..10].to_owned(), text[10..].to_owned());
    let later = async {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(tail)
    };
    Body::from_stream(stream::iter([Ok(head)]).chain(stream::once(later)))
}

#[tokio::test]
async fn a_body_in_several_pieces_is_accepted() {
    let app = TestApp::start(Engine::Sqlite).await;

    let answer = app.post_text(REGISTER, broken_in_two()).await;

    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused() {
    let app = TestApp::with(Engine::Sqlite, &[("http.header_timeout", "1")]).await;

    let answer = app.post_text(REGISTER, never()).await;

    answer.is(408, &oauth("invalid_request", "the body did not arrive in time"));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_refused() {
    let app = TestApp::with(
        Engine::Sqlite,
        &[("http.request_timeout", "1"), ("http.header_timeout", "3")],
    )
    .await;

    let answer = app.post_text(REGISTER, never()).await;

    answer.is(
        503,
        &oauth("temporarily_unavailable", "the request took longer than the server allows"),
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn an_incomplete_body_is_refused() {
    let app = TestApp::start(Engine::Sqlite).await;
    let broken =
        Body::from_stream(stream::iter([Ok(registration()), Err(std::io::Error::other("reset"))]));
    let request = request(Method::POST, REGISTER).header("content-type", "application/json");

    let answer = app.send(request.body(broken).expect("a request")).await;

    answer.is(400, &oauth("invalid_request", "the body is incomplete"));
}
