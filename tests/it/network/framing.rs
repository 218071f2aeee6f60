//! Requests on the wire: their framing, and the maximum size of their headers.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use grantor::http;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Engine, TestApp, Wire};

fn echo() -> Router {
    let path = |uri: axum::http::Uri| async move { uri.path().to_owned() };
    Router::new().route("/echo", post(async |body: String| body)).fallback(get(path))
}

async fn said_to(request: &str) -> String {
    let wire = Wire::serve(echo(), Wire::bounds()).await;
    let mut connection = wire.connect().await;
    connection.write(request).await;
    connection.rest().await
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let requests = "GET /one HTTP/1.1\r\nHost: localhost\r\n\r\n\
                    POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\ntwo\
                    GET /three HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

    let said = said_to(requests).await;

    let bodies: Vec<_> = said
        .split("HTTP/1.1 200 OK\r\n")
        .filter_map(|answer| answer.split("\r\n\r\n").nth(1))
        .collect();
    assert_eq!(bodies, ["/one", "two", "/three"]);
}

/// The server stops reading early, so a connection reset may destroy the response.
#[tokio::test]
async fn headers_that_are_too_large_are_refused_early() {
    let wire = Wire::serve(echo(), Wire::bounds()).await;
    let mut connection = wire.connect().await;
    let request =
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(4_000_000));

    let written = connection.stream.write_all(request.as_bytes()).await;
    let said = connection.rest().await;

    assert!(written.is_err());
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"),
        "{said}"
    );
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: x\r\n".repeat(101));

    let said = said_to(&request).await;

    assert!(said.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{said}");
}

#[tokio::test]
async fn a_request_with_two_lengths_is_refused_and_closes_the_connection() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for framing in [
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3, 4",
        "Content-Length: +3",
        "Content-Length: -3",
        "Content-Length: 0x3",
        "Content-Length : 3",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
    ] {
        let request =
            format!("POST /echo HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\nabc{smuggled}");

        let said = said_to(&request).await;

        assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{framing}: {said}");
        assert!(!said.contains("smuggled"), "{framing}: {said}");
    }
}

#[tokio::test]
async fn a_request_with_a_length_and_chunks_closes_the_connection() {
    let app = TestApp::start(Engine::Sqlite).await;
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
    ] {
        let wire = Wire::serve(http::public(Arc::clone(&app.app)), Wire::bounds()).await;
        let mut connection = wire.connect().await;

        connection
            .write(&format!(
                "POST /api/v2/oauth2/register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 {framing}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
            ))
            .await;
        let said = connection.rest().await;

        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{framing}: {said}");
        assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{framing}: {said}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_a_request_are_refused() {
    for bytes in [
        "nonsense\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        let said = said_to(bytes).await;

        assert!(
            said.starts_with("HTTP/1.1 400 Bad Request\r\n") || said.starts_with("HTTP/1.1 505 "),
            "{bytes}: {said}"
        );
    }
}

#[tokio::test]
async fn a_request_refused_before_its_body_keeps_the_connection_open() {
    let app = TestApp::start(Engine::Sqlite).await;
    let wire = Wire::serve(http::public(Arc::clone(&app.app)), Wire::bounds()).await;
    let mut connection = wire.connect().await;
    let head = "PUT /api/v2/oauth2/clients/8d7e5f9c-0000-4000-8000-000000000000/scopes_restriction HTTP/1.1\r\n\
                Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n";

    connection.write(head).await;
    // Enough time for the refusal, because the server does not wait for the body.
    let mut another = wire.connect().await;
    another
        .write("GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    another.answer().await;
    connection.write("what nobody asks for").await;
    let refused = connection.answer().await;
    connection
        .write("GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let answered = connection.answer().await;

    assert!(refused.starts_with("HTTP/1.1 40"), "{refused}");
    assert!(!refused.contains("connection: close"), "{refused}");
    assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
}

#[tokio::test]
async fn a_response_before_the_end_of_a_long_body_announces_the_close() {
    let app = TestApp::start(Engine::Sqlite).await;
    let wire = Wire::serve(http::public(Arc::clone(&app.app)), Wire::bounds()).await;
    for left in ["Content-Length: 20\r\nExpect: 100-continue", "Content-Length: 65537"] {
        let mut connection = wire.connect().await;

        connection
            .write(&format!(
                "POST /api/v2/oauth2/register HTTP/1.1\r\nHost: localhost\r\n{left}\r\n\r\n"
            ))
            .await;
        let refused = connection.rest().await;

        assert!(refused.starts_with("HTTP/1.1 4"), "{left}: {refused}");
        assert!(refused.contains("\r\nconnection: close\r\n"), "{left}: {refused}");
    }
}
