//! One request and its response on a new connection, for setup and not for measurements.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::failure::Failure;
use crate::request;
use crate::response::Head;

pub struct Answer {
    pub status: u16,
    pub body: String,
}

pub fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Answer, Failure> {
    let headers = [headers, &[("connection", "close")]].concat();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request::text(method, path, &headers, body).as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    answer(&bytes).ok_or_else(|| Failure::Unexpected {
        what: "an HTTP answer with a Content-Length",
        came: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

fn answer(bytes: &[u8]) -> Option<Answer> {
    let head = Head::parse(bytes).ok()??;
    let body = String::from_utf8_lossy(bytes.get(head.body)?).into_owned();
    Some(Answer { status: head.status, body })
}

impl Answer {
    pub fn expect_status(self, expected: u16, request: &str) -> Result<Self, Failure> {
        if self.status == expected {
            return Ok(self);
        }
        Err(Failure::Refused { request: request.to_owned(), status: self.status, body: self.body })
    }
}
