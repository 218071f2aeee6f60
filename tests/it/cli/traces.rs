//! Spans leave the server by OTLP where a collector is named, and only there.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use crate::support::{Engine, Program};

/// What was posted to a collector: the request line, and the body as far as it is text.
type Posted = (String, String);

#[tokio::test]
async fn spans_arrive_at_the_collector_that_is_named() {
    let (address, posted) = collector();
    let program = Program::on(Engine::Sqlite).await.with("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    let server = program.start();
    server.registered("A client");

    assert_eq!(server.stop().code, 0);

    let (request_line, body) = posted.recv_timeout(crate::support::DEADLINE).expect("spans");
    assert_eq!(request_line, "POST /v1/traces HTTP/1.1");
    assert!(body.contains("service.name") && body.contains("grantor"), "{body:?}");
    assert!(body.contains("/api/v2/oauth2/register"), "{body:?}");
}

/// Whatever it exports without being told where goes to the proxy, and so would be seen.
#[tokio::test]
async fn without_the_variable_nothing_leaves_the_server() {
    let (address, posted) = collector();
    let program = Program::on(Engine::Sqlite).await.with("http_proxy", format!("http://{address}"));
    let server = program.start();
    server.registered("A client");

    assert_eq!(server.stop().code, 0);

    assert_eq!(posted.try_recv().ok(), None);
}

#[tokio::test]
async fn the_sdk_can_be_disabled_by_its_own_variable() {
    let (address, posted) = collector();
    let program = Program::on(Engine::Sqlite)
        .await
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .with("OTEL_SDK_DISABLED", "true");
    let server = program.start();
    server.registered("A client");

    assert_eq!(server.stop().code, 0);

    assert_eq!(posted.try_recv().ok(), None);
}

/// Takes whatever is posted, with thanks, one request for each connection.
fn collector() -> (SocketAddr, Receiver<Posted>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            let mut head = Vec::new();
            while head.last().is_none_or(|line: &String| !line.is_empty()) {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a line");
                head.push(line.trim_end().to_owned());
            }
            let length =
                head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).expect("a body");
            let thanks = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(thanks.as_bytes()).expect("thanks");
            if sender.send((head.swap_remove(0), String::from_utf8_lossy(&body).into_owned())).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}
