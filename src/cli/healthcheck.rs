//! `grantor healthcheck`: asks the server on this machine whether it is ready, for images without a shell or curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::output::Output;
use crate::cli::{Failure, block_on, output};
use crate::config::Loaded;

const WITHIN: Duration = Duration::from_secs(4);

/// Asks `/readyz` on the management listener, or, where there is none, for any answer on the public one.
pub fn run(loaded: Loaded, output: Output) -> Result<(), Failure> {
    let http = &loaded.config.http;
    let (address, path) = match http.management_listen {
        Some(address) => (address, "/readyz"),
        None => (http.listen, "/api/v2/oauth2/.well-known/sites"),
    };
    let (status, reason) = block_on(async {
        let asked = timeout(WITHIN, ask(reachable(address), path)).await;
        asked.map_err(|_| Failure::Problem(format!("{address} did not answer in time")))?
    })?;
    if status.starts_with("HTTP/1.1 200 ") {
        return output::one(output, &json!({"ready": true}), || "ready".to_owned());
    }
    let reason = reason.trim().escape_debug();
    Err(Failure::Problem(format!("not ready: {address}{path} answered {}: {reason}", status.trim().escape_debug())))
}

/// A server that listens everywhere is asked on loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The status line of the answer, and the reason that it gives.
async fn ask(address: SocketAddr, path: &str) -> Result<(String, String), Failure> {
    let problem = |cause: std::io::Error| Failure::Problem(format!("{address} cannot be reached: {cause}"));
    let mut stream = TcpStream::connect(address).await.map_err(problem)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(problem)?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await.map_err(problem)?;
    let answer = String::from_utf8_lossy(&answer);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let reason = body["status"].as_str().unwrap_or("it does not say why");
    Ok((answer.lines().next().unwrap_or_default().to_owned(), reason.to_owned()))
}
