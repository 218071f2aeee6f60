//! The id of a request and the address of its client, which the outermost middleware determines.

use std::net::IpAddr;

use axum::http::request::Parts;

use crate::random::RequestId;

/// The id and the client address of a request, in its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub request_id: RequestId,
    pub address: IpAddr,
}

impl Origin {
    pub fn of(parts: &Parts) -> Option<Self> {
        parts.extensions.get::<Self>().copied()
    }
}
