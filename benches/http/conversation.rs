//! The next request of a connection, which may depend on its last response.

use crate::request::{Request, Varies};

pub struct Conversation<'a> {
    request: &'a Request,
    bytes: Vec<u8>,
    /// The token of the last response.
    held: Option<String>,
}

impl<'a> Conversation<'a> {
    pub fn new(request: &'a Request) -> Self {
        Self { request, bytes: request.bytes(), held: None }
    }

    /// `None` if nothing is left to send.
    pub fn next(&mut self) -> Option<&[u8]> {
        match &self.request.varies {
            Varies::Never => {}
            Varies::Number(number) => number.write(&mut self.bytes),
            Varies::Id(ids) => ids.write(&mut self.bytes),
            Varies::Token(form) => {
                let token = self.held.take().or_else(|| form.tokens.take())?;
                form.write(&token, &mut self.bytes);
            }
        }
        Some(&self.bytes)
    }

    /// Handles a successful response.
    pub fn hear(&mut self, answer: &[u8]) {
        if let Varies::Token(form) = &self.request.varies {
            self.held = form.next(answer);
        }
    }
}

/// Another turn continues with the token.
impl Drop for Conversation<'_> {
    fn drop(&mut self) {
        if let (Varies::Token(form), Some(token)) = (&self.request.varies, self.held.take()) {
            form.tokens.give(token);
        }
    }
}
