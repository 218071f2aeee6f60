//! Reads the rest of a request body that the handler did not read.
//!
//! Many clients send headers and body in two pieces. If the server refused the request in between
//! and closed the connection, the body would arrive at a closed socket, and the reset could destroy
//! the response before the client has read it. So the rest is read first, within the limits of any
//! body. If that fails, the response closes the connection (RFC 9112 section 9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Frame, SizeHint};

use crate::http::middleware::body::BodyBounds;

/// A lent request body, which comes back here when its reader is dropped.
pub struct UnreadBody {
    returned: Arc<Mutex<Option<Body>>>,
    /// The client sends the body only after 100 Continue (RFC 9110 section 10.1.1).
    expects_continue: bool,
}

impl UnreadBody {
    /// Lends the body of a request to its handler. `None` if the request has no body.
    pub fn lend(request: &mut Request) -> Option<Self> {
        if request.body().is_end_stream() {
            return None;
        }
        let unread = Self {
            returned: Arc::default(),
            expects_continue: request.headers().contains_key(EXPECT),
        };
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = Body::new(LentBody { body, returned: Arc::clone(&unread.returned) });
        Some(unread)
    }

    /// Reads the rest of the body. Returns whether the connection can be used for another request.
    pub async fn drain(self, bounds: BodyBounds) -> bool {
        let left = self.returned.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(left) = left.filter(|left| !left.is_end_stream()) else { return true };
        if self.expects_continue || left.size_hint().lower() > bounds.max_bytes as u64 {
            return false;
        }
        let mut left = Limited::new(left, bounds.max_bytes);
        let drain_to_end = async {
            loop {
                match left.frame().await {
                    None => return true,
                    Some(Ok(_)) => {}
                    Some(Err(_)) => return false,
                }
            }
        };
        tokio::time::timeout(bounds.timeout, drain_to_end).await.unwrap_or(false)
    }
}

/// Returns the body when it is dropped.
struct LentBody {
    body: Body,
    returned: Arc<Mutex<Option<Body>>>,
}

impl HttpBody for LentBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        *self.returned.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(std::mem::take(&mut self.body));
    }
}
