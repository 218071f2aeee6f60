//! HTTP requests to a spawned server, one connection per request, without retries.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Answer, DEADLINE};

/// Sends a request and reads the response to the end.
pub fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    let extra: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n"
    );
    stream.write_all(format!("{head}{extra}\r\n{body}").as_bytes())?;
    read_answer(&mut stream)
}

/// Reads until the server closes. A connection that ends before a response is an error.
pub fn read_answer(stream: &mut TcpStream) -> io::Result<Answer> {
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::other(format!("no answer: {text:?}")))
}

fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let (status_line, lines) = head.split_once("\r\n")?;
    let status = StatusCode::from_bytes(status_line.split(' ').nth(1)?.as_bytes()).ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    let headers: HeaderMap = lines.split("\r\n").map(header).collect::<Option<_>>()?;
    let length: usize =
        headers.get("content-length").map_or(Some(0), |value| value.to_str().ok()?.parse().ok())?;
    // A truncated response of a killed server does not count as a response.
    (body.len() == length).then(|| Answer { status, headers, text: body.to_owned() })
}
