//! A shutdown finishes accepted requests and waits for nothing else.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use grantor::http::ConnectionBounds;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::support::{Connection, Wire, until};

const REQUEST: &str = "GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A route that reports its start and ends on command.
fn slow() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (Arc::clone(&begun), Arc::clone(&go_on));
    let handler = async move || {
        tell.notify_one();
        wait.notified().await;
        "finished"
    };
    (Router::new().route("/slow", get(handler)).route("/", get(async || "hello")), begun, go_on)
}

/// A running request for the route, and the sender that ends it.
async fn under_way(bounds: ConnectionBounds) -> (Wire, Connection, Arc<Notify>) {
    let (router, begun, go_on) = slow();
    let wire = Wire::serve(router, bounds).await;
    let mut connection = wire.connect().await;
    connection.write(REQUEST).await;
    begun.notified().await;
    (wire, connection, go_on)
}

#[tokio::test]
async fn an_accepted_request_is_answered_during_shutdown_and_its_connection_closed() {
    let (wire, mut connection, go_on) = under_way(Wire::bounds()).await;

    wire.stop.stop();
    go_on.notify_one();
    let said = connection.rest().await;

    assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.ends_with("finished"), "{said}");
    wire.ended().await;
}

#[tokio::test]
async fn idle_connections_do_not_delay_shutdown() {
    let (router, _, _) = slow();
    let wire = Wire::serve(router, Wire::bounds()).await;
    // Connections are accepted in order, so if the second is answered, the first was accepted too.
    let mut silent = wire.connect().await;
    let mut idle = wire.connect().await;
    idle.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    idle.answer().await;

    wire.stop.stop();
    wire.ended().await;

    assert_eq!((idle.rest().await, silent.rest().await), (String::new(), String::new()));
}

#[tokio::test]
async fn an_endless_request_is_dropped_at_the_end_of_the_shutdown_time() {
    let shutdown = Duration::from_millis(200);
    let (wire, _connection, _go_on) =
        under_way(ConnectionBounds { shutdown, ..Wire::bounds() }).await;
    let began = Instant::now();

    wire.stop.stop();
    wire.ended().await;

    assert!(began.elapsed() >= shutdown);
}

#[tokio::test]
async fn no_connection_is_accepted_during_shutdown() {
    let (wire, _connection, go_on) = under_way(Wire::bounds()).await;

    wire.stop.stop();

    // The last request is still running.
    until("the port is closed", async || TcpStream::connect(wire.address).await.is_err()).await;
    go_on.notify_one();
    wire.ended().await;
}
