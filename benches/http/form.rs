//! A form that is posted with another token each time, from a queue or from the previous response.

use std::io::Write as _;
use std::sync::Arc;

use crate::request::FORM;
use crate::tokens::Tokens;

pub struct Form {
    head: String,
    /// The body without the token, which comes last.
    body: String,
    /// The source of the next token of a connection, or of its first one.
    pub tokens: Arc<Tokens>,
    /// The queue for access tokens, if the response contains the next token of the connection.
    access_tokens: Option<Arc<Tokens>>,
    /// Whether the next token goes to the end of the queue instead of the connection.
    is_spread: bool,
}

impl Form {
    pub fn new(
        path: &str,
        headers: &[(&str, &str)],
        pairs: &[(&str, &str)],
        name: &str,
        tokens: &Arc<Tokens>,
    ) -> Self {
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n");
        for (name, value) in headers.iter().chain([&FORM]) {
            head += &format!("{name}: {value}\r\n");
        }
        let pairs = encode(pairs);
        let body = if pairs.is_empty() { format!("{name}=") } else { format!("{pairs}&{name}=") };
        Self { head, body, tokens: Arc::clone(tokens), access_tokens: None, is_spread: false }
    }

    /// Each connection continues with the refresh token of its last response (RFC 6749 section 6).
    pub fn chained(self, access_tokens: &Arc<Tokens>) -> Self {
        Self { access_tokens: Some(Arc::clone(access_tokens)), ..self }
    }

    /// All tokens of the queue are used in turn, whatever the connection.
    pub fn spread(self) -> Self {
        Self { is_spread: true, ..self }
    }

    /// The whole request. Tokens need no escaping: both servers use only letters, digits, `-`, `_`
    /// and `.`.
    pub fn write(&self, token: &str, bytes: &mut Vec<u8>) {
        let Self { head, body, .. } = self;
        bytes.clear();
        // Writing to a vector cannot fail.
        let _ = write!(
            bytes,
            "{head}content-length: {}\r\n\r\n{body}{token}",
            body.len() + token.len()
        );
    }

    /// The token for the next request of the connection, if the response contains it.
    pub fn next(&self, answer: &[u8]) -> Option<String> {
        let access_tokens = self.access_tokens.as_ref()?;
        let answer = std::str::from_utf8(answer).ok()?;
        if let Some(token) = member(answer, "access_token") {
            access_tokens.give(token.to_owned());
        }
        let token = member(answer, "refresh_token")?.to_owned();
        if self.is_spread {
            self.tokens.give_last(token);
            return None;
        }
        Some(token)
    }
}

pub fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The text of a member of a JSON object, found by searching: the names occur nowhere else.
pub fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = json.split_once(&format!("\"{name}\":"))?;
    let (text, _) = after.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(text)
}
