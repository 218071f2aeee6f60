//! Idle time and number of connections.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use grantor::http::ConnectionBounds;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, interval, timeout};

use crate::support::{DEADLINE, Wire, until};

/// The time after which the server disconnects a client.
const A_WHILE: Duration = Duration::from_millis(200);
/// A time limit that is long enough on a busy machine.
const A_LONG_WHILE: Duration = Duration::from_secs(3);
const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST_REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn router() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let wire =
        Wire::serve(router(), ConnectionBounds { first_byte: A_WHILE, ..Wire::bounds() }).await;
    let began = Instant::now();

    let said = wire.connect().await.rest().await;

    assert_eq!(said, "");
    assert!(began.elapsed() >= A_WHILE);
}

#[tokio::test]
async fn a_client_that_sends_its_headers_too_slowly_is_disconnected() {
    let wire = Wire::serve(router(), ConnectionBounds { headers: A_WHILE, ..Wire::bounds() }).await;
    let mut connection = wire.connect().await;
    connection.write("GET / HTTP/1.1\r\nX: ").await;
    let (mut reader, mut writer) = connection.stream.into_split();
    let began = Instant::now();

    let trickling = tokio::spawn(async move {
        // The client is slow on purpose.
        let mut tick = interval(Duration::from_millis(10));
        while writer.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    });
    let cut = timeout(DEADLINE, reader.read(&mut [0; 100])).await;

    assert!(matches!(cut, Ok(Ok(0) | Err(_))), "{cut:?}");
    assert!(began.elapsed() >= A_WHILE / 2);
    timeout(DEADLINE, trickling).await.expect("cannot write on").expect("ends");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_responses_is_disconnected() {
    let large = Router::new().route("/", get(async || "x".repeat(1 << 20)));
    let wire = Wire::serve(large, ConnectionBounds { headers: A_WHILE, ..Wire::bounds() }).await;
    let mut connection = wire.connect().await;

    let asking = async { while connection.stream.write_all(REQUEST.as_bytes()).await.is_ok() {} };

    timeout(DEADLINE, asking).await.expect("the server closes the connection");
}

#[tokio::test]
async fn a_client_that_reads_slowly_gets_its_whole_response() {
    let large = Router::new().route("/", get(async || "x".repeat(16 << 20)));
    let wire =
        Wire::serve(large, ConnectionBounds { headers: A_LONG_WHILE, ..Wire::bounds() }).await;
    let mut connection = wire.connect().await;
    connection.write(LAST_REQUEST).await;

    let (mut taken, mut part) = (0, vec![0; 1 << 20]);
    loop {
        match connection.stream.read(&mut part).await.expect("is not cut off") {
            0 => break,
            count => taken += count,
        }
        // The client is slow on purpose: in total it takes longer than the limit, but it never
        // pauses that long.
        tokio::time::sleep(A_LONG_WHILE / 10).await;
    }

    assert!(taken > 16 << 20, "{taken} bytes");
}

#[tokio::test]
async fn a_connection_is_reused_for_the_next_request() {
    let wire = Wire::serve(router(), Wire::bounds()).await;
    let mut connection = wire.connect().await;

    connection.write(REQUEST).await;
    let first = connection.answer().await;
    connection.write(REQUEST).await;
    let second = connection.answer().await;

    assert!(first.starts_with("HTTP/1.1 200 OK\r\n") && first.ends_with("hello"), "{first}");
    assert!(second.starts_with("HTTP/1.1 200 OK\r\n") && second.ends_with("hello"), "{second}");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let wire = Wire::serve(router(), ConnectionBounds { headers: A_WHILE, ..Wire::bounds() }).await;
    let mut connection = wire.connect().await;

    connection.write(REQUEST).await;
    let first = connection.answer().await;
    let rest = connection.rest().await;

    assert!(first.ends_with("hello"), "{first}");
    assert_eq!(rest, "");
}

#[tokio::test]
async fn a_connection_over_the_limit_is_closed_until_another_one_ends() {
    let wire = Wire::serve(router(), ConnectionBounds { connections: 1, ..Wire::bounds() }).await;
    let mut first = wire.connect().await;
    first.write(REQUEST).await;
    first.answer().await;

    let second = wire.connect_from(Ipv4Addr::new(127, 0, 0, 2)).await.rest().await;
    first.write(LAST_REQUEST).await;
    let last_of_first = first.rest().await;
    let third = served_before_long(&wire).await;

    assert_eq!(second, "");
    assert!(wire.counts.refused.get() >= 1);
    assert_eq!(wire.counts.refused_of_source.get(), 0);
    assert!(last_of_first.ends_with("hello"), "{last_of_first}");
    assert!(third.ends_with("hello"), "{third}");
}

/// The server frees the connection a moment after the client sees the end.
async fn served_before_long(wire: &Wire) -> String {
    let mut said = String::new();
    until("the place comes back", async || {
        let mut connection = wire.connect().await;
        let written = connection.stream.write_all(LAST_REQUEST.as_bytes()).await;
        said = connection.rest().await;
        written.is_ok() && !said.is_empty()
    })
    .await;
    said
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    let wire =
        Wire::serve(router(), ConnectionBounds { connections_per_source: 1, ..Wire::bounds() })
            .await;
    let mut first = wire.connect().await;
    first.write(REQUEST).await;
    first.answer().await;

    let second = wire.connect().await.rest().await;
    let mut neighbor = wire.connect_from(Ipv4Addr::new(127, 0, 0, 2)).await;
    neighbor.write(REQUEST).await;
    let neighbor = neighbor.answer().await;

    assert_eq!(second, "");
    assert_eq!((wire.counts.refused.get(), wire.counts.refused_of_source.get()), (0, 1));
    assert!(neighbor.ends_with("hello"), "{neighbor}");
}

#[tokio::test]
async fn an_address_leaves_connections_to_others_below_its_own_limit() {
    let bounds =
        ConnectionBounds { connections: 33, connections_per_source: 100, ..Wire::bounds() };
    let wire = Wire::serve(router(), bounds).await;
    let mut held = Vec::new();
    for _ in 0..16 {
        held.push(wire.connect().await);
    }

    let beyond = wire.connect().await.rest().await;
    let mut neighbor = wire.connect_from(Ipv4Addr::new(127, 0, 0, 2)).await;
    neighbor.write(REQUEST).await;
    let neighbor = neighbor.answer().await;
    drop(held);

    assert_eq!(beyond, "");
    assert_eq!((wire.counts.refused.get(), wire.counts.refused_of_source.get()), (1, 0));
    assert!(neighbor.ends_with("hello"), "{neighbor}");
}

#[tokio::test]
async fn a_trusted_proxy_may_hold_the_connections_of_many() {
    let trusted = vec!["127.0.0.1/32".parse().expect("a network")];
    let wire = Wire::serve(
        router(),
        ConnectionBounds { connections_per_source: 1, trusted, ..Wire::bounds() },
    )
    .await;
    let mut first = wire.connect().await;
    first.write(REQUEST).await;
    first.answer().await;

    let mut second = wire.connect().await;
    second.write(REQUEST).await;

    assert!(second.answer().await.ends_with("hello"));
}
