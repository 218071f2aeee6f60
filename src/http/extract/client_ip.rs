//! The address of the client, for limits by source.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::middleware::origin::Origin;
use crate::limits::rate_limit::Counted;
use crate::rules::syntax::network::Network;

/// `None` only for requests that did not pass the middleware.
#[derive(Clone, Copy)]
pub struct ClientIp(pub Option<IpAddr>);

impl ClientIp {
    pub fn network(self) -> Option<Network> {
        self.0.map(Network::from)
    }

    /// The key by which requests of this source are counted.
    pub fn counted(self) -> Option<Counted> {
        self.network().map(Counted::Network)
    }
}

impl<S: Sync> FromRequestParts<S> for ClientIp {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Origin>().map(|origin| origin.address)))
    }
}
