//! The parts of an HTTP/1.1 response that a benchmark needs: the status and the end of the body
//! (RFC 9112 sections 4 and 6.3). Only responses with a Content-Length or without a body are
//! supported.

use std::ops::Range;

pub struct Head {
    pub status: u16,
    pub body: Range<usize>,
}

/// The bytes are not a supported response.
pub struct Malformed;

impl Head {
    /// `None` until the header section is complete.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| Malformed)?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(status).ok_or(Malformed)?;
        let length = lines.find_map(content_length).unwrap_or(Ok(0))?;
        let start = end + 4;
        Ok(Some(Self { status, body: start..start + length }))
    }
}

fn status(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

pub fn content_length(line: &str) -> Option<Result<usize, Malformed>> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().map_err(|_| Malformed))
}
