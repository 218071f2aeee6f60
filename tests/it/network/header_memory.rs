//! The memory that incomplete headers use, measured as the resident memory of a separate server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::{Program, Server};

const CONNECTIONS: usize = 400;
const OF_ONE_SOURCE: usize = 100;
/// 40 MB for 2,000 connections.
const MAX_EACH: usize = 20 * 1024;
/// The server buffers headers below the limit. On a quiet machine this uses about 24 KB.
const MAX_EACH_BELOW_THE_LIMIT: usize = 40 * 1024;

#[tokio::test]
async fn incomplete_headers_use_little_memory() {
    // Longer than the test runs.
    let program = Program::on_the_default_file().with("GRANTOR_HTTP__HEADER_TIMEOUT", "600");
    let server = program.start();
    for _ in 0..100 {
        assert_eq!(server.get("/openapi.json").status, 200);
    }
    let before = resident(&server);

    for (bytes, most) in [(60_000, MAX_EACH), (16_000, MAX_EACH_BELOW_THE_LIMIT)] {
        let mut held = Vec::new();
        for number in 0..CONNECTIONS {
            held.push(half_sent(program.address(), number, bytes).await);
        }
        // The server has read everything that was sent earlier.
        for _ in 0..50 {
            assert_eq!(server.get("/openapi.json").status, 200);
        }
        let each = resident(&server).saturating_sub(before) / CONNECTIONS;

        assert!(each <= most, "{each} bytes for a head of {bytes} bytes");
    }
}

/// Sends the beginning of a request with endless headers. The server may close the connection
/// first.
async fn half_sent(address: SocketAddr, number: usize, bytes: usize) -> TcpStream {
    let source = u8::try_from(number / OF_ONE_SOURCE).expect("few sources");
    let socket = TcpSocket::new_v4().expect("a socket");
    let from = IpAddr::V4(Ipv4Addr::new(127, 0, 2, 1 + source));
    socket.bind(SocketAddr::from((from, 0))).expect("a source address");
    let mut stream = socket.connect(address).await.expect("connects");
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(bytes));
    let _ = timeout(Duration::from_secs(1), stream.write_all(head.as_bytes())).await;
    stream
}

/// The resident memory in bytes.
fn resident(server: &Server) -> usize {
    let path = format!("/proc/{}/status", server.process_id());
    let status = std::fs::read_to_string(path).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    1024 * line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number")
}
