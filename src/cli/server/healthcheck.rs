//! `grantor healthcheck`: checks whether the server on this machine is ready, for images without
//! curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::Output;
use crate::cli::runtime::block_on;
use crate::config::Loaded;

const TIMEOUT: Duration = Duration::from_secs(4);

/// Requests `/readyz` from the management listener, or a public document if there is no such
/// listener.
pub fn run(loaded: Loaded, output: Output) -> Result<(), Failure> {
    let http = &loaded.config.http;
    let (address, path) = match http.management_listen {
        Some(address) => (address, "/readyz"),
        None => (http.listen, "/api/v2/oauth2/.well-known/sites"),
    };
    let (status, reason) = block_on(async {
        let response = timeout(TIMEOUT, request(reachable(address), path)).await;
        response.map_err(|_| Failure::Problem(format!("{address} did not respond in time")))?
    })?;
    if status.starts_with("HTTP/1.1 200 ") {
        return output::item(output, &json!({"ready": true}), || "ready".to_owned());
    }
    let reason = reason.trim().escape_debug();
    Err(Failure::Problem(format!(
        "not ready: {address}{path} returned {}: {reason}",
        status.trim().escape_debug()
    )))
}

/// Replaces an unspecified address by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Returns the status line of the response, and the reason in its body.
async fn request(address: SocketAddr, path: &str) -> Result<(String, String), Failure> {
    let problem =
        |cause: std::io::Error| Failure::Problem(format!("{address} cannot be reached: {cause}"));
    let mut stream = TcpStream::connect(address).await.map_err(problem)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(problem)?;
    let mut response = Vec::new();
    stream.take(4096).read_to_end(&mut response).await.map_err(problem)?;
    let response = String::from_utf8_lossy(&response);
    let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let reason = body["status"].as_str().unwrap_or("no reason given");
    Ok((response.lines().next().unwrap_or_default().to_owned(), reason.to_owned()))
}
