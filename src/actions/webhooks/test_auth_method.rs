//! Tests whether an auth method returns an access token. The test neither uses nor fills the cache
//! of tokens.

use std::time::Duration;

use crate::actions::context::Context;
use crate::actions::webhooks::fetch_access_token::{
    AccessToken, TokenFetchError, fetch_access_token,
};
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::outgoing::Outgoing;
use crate::rules::timestamp::Timestamp;

#[derive(Debug)]
pub struct AuthMethodTest {
    pub outcome: Result<AccessToken, TokenFetchError>,
    pub requested_at: Timestamp,
    pub took: Duration,
}

pub async fn test_auth_method(
    context: &Context,
    outgoing: &Outgoing,
    method: &AuthMethod,
    within: Duration,
) -> AuthMethodTest {
    let (requested_at, began) = (context.clock.now(), context.clock.elapsed());
    let outcome = fetch_access_token(outgoing, &context.ring, method, within).await;
    AuthMethodTest { outcome, requested_at, took: context.clock.elapsed().saturating_sub(began) }
}

impl AuthMethodTest {
    /// The HTTP status of the response, if one arrived.
    pub fn status(&self) -> Option<u16> {
        self.outcome.as_ref().map_or_else(TokenFetchError::status, |token| Some(token.status))
    }

    pub fn took_millis(&self) -> u64 {
        u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX)
    }
}
