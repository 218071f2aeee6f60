//! The bytes of a request, made once. For a registration, only the digits in the client's name
//! change, in place, because building JSON each time would cost the load generator more than
//! sending it. Likewise, an id in a path is replaced in place. For a form, only the token at its
//! end changes.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::form::Form;

pub const JSON: (&str, &str) = ("content-type", "application/json");
pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

pub struct Request {
    bytes: Vec<u8>,
    pub varies: Varies,
    pub expected_status: u16,
}

/// The part that differs between requests.
pub enum Varies {
    Never,
    Number(Number),
    Id(Ids),
    Token(Form),
}

/// Hexadecimal digits of a counter.
pub struct Number {
    digits: Range<usize>,
    next: AtomicU64,
    /// The numbers start again after this many.
    distinct: u64,
}

/// Ids of the same length, which are used in turn.
pub struct Ids {
    place: Range<usize>,
    ids: Vec<String>,
    next: AtomicU64,
}

const DIGITS: &str = "0000000000000000";

impl Request {
    pub fn get(path: &str, headers: &[(&str, &str)], expected_status: u16) -> Self {
        Self::constant(text("GET", path, headers, ""), expected_status)
    }

    /// A GET of the path of each id in turn. All ids have the same length.
    pub fn get_each(
        ids: Vec<String>,
        path: impl Fn(&str) -> String,
        headers: &[(&str, &str)],
    ) -> Self {
        let first = ids.first().map_or("", String::as_str);
        let text = text("GET", &path(first), headers, "");
        let start = text.find(first).unwrap_or_default();
        let place = start..start + first.len();
        let ids = Ids { place, ids, next: AtomicU64::new(0) };
        Self { bytes: text.into_bytes(), varies: Varies::Id(ids), expected_status: 200 }
    }

    pub fn post(path: &str, headers: &[(&str, &str)], body: &str) -> Self {
        Self::constant(text("POST", path, headers, body), 200)
    }

    pub fn form(form: Form) -> Self {
        Self { bytes: Vec::new(), varies: Varies::Token(form), expected_status: 200 }
    }

    fn constant(text: String, expected_status: u16) -> Self {
        Self { bytes: text.into_bytes(), varies: Varies::Never, expected_status }
    }

    /// A registration (RFC 7591 section 3.1) with all common members. `distinct` is the number of
    /// different clients before they repeat.
    pub fn register(path: &str, client: &str, distinct: u64) -> Self {
        let bytes = text("POST", path, &[JSON], &registration(client)).into_bytes();
        let start = bytes
            .windows(DIGITS.len())
            .position(|window| window == DIGITS.as_bytes())
            .unwrap_or_default();
        let number =
            Number { digits: start..start + DIGITS.len(), next: AtomicU64::new(0), distinct };
        Self { bytes, varies: Varies::Number(number), expected_status: 201 }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }
}

impl Number {
    /// Turns `bytes` into the next request.
    pub fn write(&self, bytes: &mut [u8]) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut rest = self.next.fetch_add(1, Ordering::Relaxed) % self.distinct;
        for digit in bytes[self.digits.clone()].iter_mut().rev() {
            *digit = HEX[(rest % 16) as usize];
            rest /= 16;
        }
    }
}

impl Ids {
    /// Turns `bytes` into the next request.
    pub fn write(&self, bytes: &mut [u8]) {
        let next = self.next.fetch_add(1, Ordering::Relaxed) as usize;
        bytes[self.place.clone()].copy_from_slice(self.ids[next % self.ids.len()].as_bytes());
    }
}

/// A request as it goes over the wire (RFC 9112 section 3).
pub fn text(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(text, "content-length: {}\r\n", body.len());
    }
    text + "\r\n" + body
}

pub fn registration(client: &str) -> String {
    serde_json::json!({
        "client_name": format!("{client} {DIGITS}"),
        "redirect_uris": ["https://client.example.com/oauth/callback", "http://127.0.0.1:8000/oauth/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "openid profile email offline_access",
        "client_uri": "https://client.example.com",
        "logo_uri": "https://client.example.com/logo.png",
        "policy_uri": "https://client.example.com/privacy",
        "tos_uri": "https://client.example.com/terms",
    })
    .to_string()
}
