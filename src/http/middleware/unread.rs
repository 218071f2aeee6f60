//! What is left of a body when its request is answered without it.
//!
//! Many clients send headers and body in two pieces. Were a refusal sent between them and the connection closed, the body
//! would meet a closed socket, whose reset can destroy the answer before the client has read it; and the client's next
//! request would meet the same. So what is left is read first, within the bounds of any body; where it cannot be, the
//! answer says that the connection ends (RFC 9112 section 9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Frame, SizeHint};

use crate::http::middleware::body::BodyBounds;

/// Where a body comes back to.
pub struct Unread {
    back: Arc<Mutex<Option<Body>>>,
    /// The client sends only once somebody reads (RFC 9110 section 10.1.1).
    is_held_back: bool,
}

impl Unread {
    /// Lends the body of a request to whoever answers it. None where there is no body.
    pub fn lend(request: &mut Request) -> Option<Self> {
        if request.body().is_end_stream() {
            return None;
        }
        let unread = Self { back: Arc::default(), is_held_back: request.headers().contains_key(EXPECT) };
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = Body::new(Lent { body, back: Arc::clone(&unread.back) });
        Some(unread)
    }

    /// Reads what is left. Whether the connection can carry another request.
    pub async fn read(self, bounds: BodyBounds) -> bool {
        let left = self.back.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(left) = left.filter(|left| !left.is_end_stream()) else { return true };
        if self.is_held_back || left.size_hint().lower() > bounds.most as u64 {
            return false;
        }
        let mut left = Limited::new(left, bounds.most);
        let to_its_end = async {
            loop {
                match left.frame().await {
                    None => return true,
                    Some(Ok(_)) => {}
                    Some(Err(_)) => return false,
                }
            }
        };
        tokio::time::timeout(bounds.within, to_its_end).await.unwrap_or(false)
    }
}

/// Gives the body back when nobody reads it any more.
struct Lent {
    body: Body,
    back: Arc<Mutex<Option<Body>>>,
}

impl HttpBody for Lent {
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

impl Drop for Lent {
    fn drop(&mut self) {
        *self.back.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::mem::take(&mut self.body));
    }
}
