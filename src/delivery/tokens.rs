//! Caches access tokens for the receivers of webhooks until shortly before they expire.
//!
//! The token of an auth method is requested by one task at a time; concurrent tasks wait and share
//! the result. Each server has its own cache, and nothing is stored.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::actions::context::Context;
use crate::actions::webhooks::fetch_access_token::{
    AccessToken, TokenFetchError, fetch_access_token,
};
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::outgoing::{Outgoing, PerKeyLimit};
use crate::rules::id::AuthMethodId;
use crate::rules::secret::{Digest, Secret, hex};

/// Cheap to clone; all clones share the cache.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    known: Cache<AuthMethodId, Known>,
    per_method: PerKeyLimit,
}

/// The outcome of the last request for an auth method. Times are as
/// [`crate::clock::Clock::elapsed`].
#[derive(Clone)]
struct Known {
    /// The version of the method at that time. A changed method needs a new token.
    version: Digest,
    outcome: Result<Secret, TokenFetchError>,
    received_at: Duration,
    usable_until: Duration,
}

const MAX_METHODS: usize = 10_000;
/// A token is not used in its last ten seconds or in the last tenth of its lifetime, since the
/// clock of the receiver may differ.
const MIN_REMAINING: i64 = 10;
const FAILURES_CACHED_FOR: Duration = Duration::from_secs(1);
/// How much longer than the time limit to wait for a request that is already in progress.
const GRACE: Duration = Duration::from_secs(1);

impl Default for Tokens {
    fn default() -> Self {
        Self(Arc::new(Inner { known: Cache::new(MAX_METHODS), per_method: PerKeyLimit::new(1) }))
    }
}

impl Tokens {
    /// Returns a cached token or requests a new one. Never call this within a transaction.
    pub async fn find(
        &self,
        context: &Context,
        outgoing: &Outgoing,
        method: &AuthMethod,
        within: Duration,
    ) -> Result<Secret, TokenFetchError> {
        let (version, arrived) = (version_of(method), context.clock.elapsed());
        let known = self.known(method, version);
        if let Some(known) = known.filter(|known| arrived < known.usable_until) {
            return known.outcome;
        }
        let key = format!("{} {}", method.id.0, hex(version.bytes()));
        let permit = self.0.per_method.take(&key, within + GRACE).await;
        let _permit = permit.ok_or(TokenFetchError::Busy)?;
        // The task that held the permit before may have requested a token after this task arrived.
        // Its outcome is as good as one of our own request.
        let is_fresh = |known: &Known| {
            arrived <= known.received_at || context.clock.elapsed() < known.usable_until
        };
        if let Some(known) = self.known(method, version).filter(is_fresh) {
            return known.outcome;
        }
        let fetched = fetch_access_token(outgoing, &context.ring, method, within).await;
        let known = Known::new(version, fetched, context.clock.elapsed());
        self.0.known.insert(method.id, known.clone());
        known.outcome
    }

    /// Forgets a token that a receiver refused, unless it was already replaced.
    pub fn forget(&self, id: AuthMethodId, token: &Secret) {
        self.0.known.remove_if(&id, |known| known.outcome.as_ref() == Ok(token));
    }

    fn known(&self, method: &AuthMethod, version: Digest) -> Option<Known> {
        self.0.known.get(&method.id).filter(|known| known.version == version)
    }
}

impl Known {
    fn new(
        version: Digest,
        fetched: Result<AccessToken, TokenFetchError>,
        received_at: Duration,
    ) -> Self {
        let usable_for = match &fetched {
            Ok(token) => usable_for(token.lifetime),
            Err(_) => FAILURES_CACHED_FOR,
        };
        let outcome = fetched.map(|received| received.token);
        let usable_until = received_at.saturating_add(usable_for);
        Self { version, outcome, received_at, usable_until }
    }
}

fn usable_for(lifetime: i64) -> Duration {
    let usable = lifetime.saturating_sub(MIN_REMAINING.max(lifetime / 10));
    Duration::from_secs(u64::try_from(usable).unwrap_or_default())
}

/// Identifies everything that a token request depends on. The time of the last change is not
/// enough: it has whole seconds, and a method can change twice in one.
fn version_of(method: &AuthMethod) -> Digest {
    let AuthMethod {
        access_token_url, client_id, client_secret, audience, scope, modified_at, ..
    } = method;
    let parts =
        (modified_at.seconds(), access_token_url, client_id, audience, scope, &client_secret.bytes);
    Digest::of(&format!("{parts:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_it_expires() {
        for (lifetime, expected) in [
            (0, 0),
            (1, 0),
            (10, 0),
            (11, 1),
            (60, 50),
            (100, 90),
            (300, 270),
            (3_600, 3_240),
            (86_400, 77_760),
        ] {
            assert_eq!(usable_for(lifetime), Duration::from_secs(expected), "{lifetime}");
        }
    }
}
