//! A form that is posted with another token each time: taken from a queue, or from the answer before.

use std::io::Write as _;
use std::sync::Arc;

use crate::request::FORM;
use crate::tokens::Tokens;

pub struct Form {
    head: String,
    /// All of the body but the token, which stands last.
    body: String,
    /// Where a connection finds its next token, or its first.
    pub tokens: Arc<Tokens>,
    /// Present where the answer holds the connection's next token: where the access tokens go.
    access_tokens: Option<Arc<Tokens>>,
}

impl Form {
    pub fn new(path: &str, headers: &[(&str, &str)], pairs: &[(&str, &str)], name: &str, tokens: &Arc<Tokens>) -> Self {
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n");
        for (name, value) in headers.iter().chain([&FORM]) {
            head += &format!("{name}: {value}\r\n");
        }
        let pairs = encode(pairs);
        let body = if pairs.is_empty() { format!("{name}=") } else { format!("{pairs}&{name}=") };
        Self { head, body, tokens: Arc::clone(tokens), access_tokens: None }
    }

    /// Each connection goes on with the refresh token of its last answer (RFC 6749 section 6).
    pub fn chained(self, access_tokens: &Arc<Tokens>) -> Self {
        Self { access_tokens: Some(Arc::clone(access_tokens)), ..self }
    }

    /// The whole request. Tokens need no escape: both servers make them of letters, digits, `-`, `_` and `.`.
    pub fn write(&self, token: &str, bytes: &mut Vec<u8>) {
        let Self { head, body, .. } = self;
        bytes.clear();
        // A vector takes everything.
        let _ = write!(bytes, "{head}content-length: {}\r\n\r\n{body}{token}", body.len() + token.len());
    }

    /// The token for the connection's next request, where the answer brings it.
    pub fn next(&self, answer: &[u8]) -> Option<String> {
        let access_tokens = self.access_tokens.as_ref()?;
        let answer = std::str::from_utf8(answer).ok()?;
        if let Some(token) = member(answer, "access_token") {
            access_tokens.give(token.to_owned());
        }
        member(answer, "refresh_token").map(str::to_owned)
    }
}

pub fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The text of a member of a JSON object, found without parsing the whole: there is no other place for these names.
pub fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = json.split_once(&format!("\"{name}\":"))?;
    let (text, _) = after.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(text)
}
