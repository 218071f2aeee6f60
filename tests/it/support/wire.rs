//! A real listener on a free port, and clients that write raw bytes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use grantor::http::{ConnectionBounds, ConnectionCounts, Listener};
use grantor::shutdown::Shutdown;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::waiting::DEADLINE;

pub struct Wire {
    pub address: SocketAddr,
    pub stop: Shutdown,
    pub counts: ConnectionCounts,
    serving: JoinHandle<()>,
}

impl Wire {
    /// Limits that no test reaches unless it sets its own: `ConnectionBounds { first_byte: …,
    /// ..Wire::bounds() }`.
    pub fn bounds() -> ConnectionBounds {
        ConnectionBounds {
            first_byte: DEADLINE,
            headers: DEADLINE,
            shutdown: 2 * DEADLINE,
            connections: 0,
            connections_per_source: 0,
            header_bytes: 16_384,
            trusted: Vec::new(),
        }
    }

    pub async fn serve(router: Router, bounds: ConnectionBounds) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let counts = ConnectionCounts::default();
        let listener = Listener::bind(any, bounds, counts.clone()).await.expect("a free port");
        let (address, stop) = (listener.address().expect("an address"), Shutdown::default());
        let serving = tokio::spawn(listener.serve(router, stop.clone()));
        Self { address, stop, counts, serving }
    }

    pub async fn connect(&self) -> Connection {
        self.connect_from(Ipv4Addr::LOCALHOST).await
    }

    /// Connects from another loopback address. All of 127.0.0.0/8 is this machine.
    pub async fn connect_from(&self, source: Ipv4Addr) -> Connection {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from((IpAddr::V4(source), 0))).expect("a source address");
        Connection { stream: socket.connect(self.address).await.expect("connects") }
    }

    /// Waits until all connections are closed.
    pub async fn ended(self) {
        timeout(DEADLINE, self.serving).await.expect("stops in time").expect("does not panic");
    }
}

pub struct Connection {
    pub stream: TcpStream,
}

impl Connection {
    pub async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("is taken");
    }

    /// Reads one response with a content length: its headers and body.
    pub async fn answer(&mut self) -> String {
        let mut text = Vec::new();
        let whole = async {
            while !is_whole(&text) {
                text.push(self.stream.read_u8().await.expect("the answer goes on"));
            }
        };
        timeout(DEADLINE, whole).await.expect("an answer in time");
        String::from_utf8(text).expect("text")
    }

    /// Reads until the other side closes. A reset counts as the end, because unread bytes cause
    /// one.
    pub async fn rest(&mut self) -> String {
        let mut text = Vec::new();
        let _ = timeout(DEADLINE, self.stream.read_to_end(&mut text))
            .await
            .expect("the connection is closed");
        String::from_utf8(text).expect("text")
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    body.len() >= length.parse().expect("a length")
}
