//! The id of a request and the address of its client, which the outermost middleware determines.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::request::Parts;

/// The id and the client address of a request, in its extensions.
#[derive(Clone, Debug)]
pub struct Origin {
    pub request_id: Arc<str>,
    pub address: IpAddr,
}

impl Origin {
    pub fn of(parts: &Parts) -> Option<Self> {
        parts.extensions.get::<Self>().cloned()
    }
}
