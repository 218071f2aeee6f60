//! Access tokens for the receivers of webhooks, kept in memory until shortly before they end.
//!
//! One request at a time asks for the token of a method; whoever comes meanwhile waits for it and shares what became of
//! it. Each server has its own: nothing of it is stored.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::actions::context::Context;
use crate::actions::webhooks::fetch_access_token::{AccessToken, TokenFetchError, fetch_access_token};
use crate::db::webhooks::auth_methods::AuthMethod;
use crate::outgoing::{Outgoing, Turns};
use crate::rules::id::AuthMethodId;
use crate::sealing::KeyRing;
use crate::secret::{Digest, Secret, hex};

/// Cheap to clone; all clones share what they know.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    known: Cache<AuthMethodId, Known>,
    turns: Turns,
}

/// What became of the last request for a method.
#[derive(Clone)]
struct Known {
    /// Of the method that it was for. A changed one is asked anew.
    version: Digest,
    outcome: Result<Secret, TokenFetchError>,
    /// When it came, by the clock that measures durations.
    came_at: Duration,
    good_until: Duration,
}

const METHODS: usize = 10_000;
/// A token is not sent on its last seconds, nor on the last tenth of its time: the receiver's clock is another one.
const SHORTLY: i64 = 10;
const FAILURES_FOR: Duration = Duration::from_secs(1);
/// For the request that is under way already, beyond what it may take.
const GRACE: Duration = Duration::from_secs(1);

impl Default for Tokens {
    fn default() -> Self {
        Self(Arc::new(Inner { known: Cache::new(METHODS), turns: Turns::new(1) }))
    }
}

impl Tokens {
    /// A token that is kept, or a new one. Never within a transaction.
    pub async fn find(
        &self,
        context: &Context,
        outgoing: &Outgoing,
        ring: &KeyRing,
        method: &AuthMethod,
        within: Duration,
    ) -> Result<Secret, TokenFetchError> {
        let (version, arrived) = (version_of(method), context.clock.elapsed());
        if let Some(known) = self.known(method, version).filter(|known| arrived < known.good_until) {
            return known.outcome;
        }
        let turn = self.0.turns.take(&format!("{} {}", method.id.0, hex(version.bytes())), within + GRACE).await;
        let _turn = turn.ok_or(TokenFetchError::Busy)?;
        // Whoever had the turn before has asked: after this one came, so that it is as good as an answer of its own.
        let is_fresh = |known: &Known| arrived <= known.came_at || context.clock.elapsed() < known.good_until;
        if let Some(known) = self.known(method, version).filter(is_fresh) {
            return known.outcome;
        }
        let fetched = fetch_access_token(outgoing, ring, method, within).await;
        let known = Known::new(version, fetched, context.clock.elapsed());
        self.0.known.insert(method.id, known.clone());
        known.outcome
    }

    /// After a receiver refused it: the next one who looks asks anew, unless somebody has already.
    pub fn forget(&self, id: AuthMethodId, token: &Secret) {
        self.0.known.remove_if(&id, |known| known.outcome.as_ref() == Ok(token));
    }

    fn known(&self, method: &AuthMethod, version: Digest) -> Option<Known> {
        self.0.known.get(&method.id).filter(|known| known.version == version)
    }
}

impl Known {
    fn new(version: Digest, fetched: Result<AccessToken, TokenFetchError>, came_at: Duration) -> Self {
        let good_for = match &fetched {
            Ok(given) => usable_for(given.good_for),
            Err(_) => FAILURES_FOR,
        };
        let outcome = fetched.map(|given| given.token);
        Self { version, outcome, came_at, good_until: came_at.saturating_add(good_for) }
    }
}

fn usable_for(good_for: i64) -> Duration {
    let usable = good_for.saturating_sub(SHORTLY.max(good_for / 10));
    Duration::from_secs(u64::try_from(usable).unwrap_or_default())
}

/// Times are in whole seconds, and somebody may change a method twice in one: so everything that a request goes by counts.
fn version_of(method: &AuthMethod) -> Digest {
    let AuthMethod { access_token_url, client_id, client_secret, audience, scope, modified_at, .. } = method;
    let parts = (modified_at.seconds(), access_token_url, client_id, audience, scope, &client_secret.bytes);
    Digest::of(&format!("{parts:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_it_ends() {
        for (good_for, expected) in
            [(0, 0), (1, 0), (10, 0), (11, 1), (60, 50), (100, 90), (300, 270), (3_600, 3_240), (86_400, 77_760)]
        {
            assert_eq!(usable_for(good_for), Duration::from_secs(expected), "{good_for}");
        }
    }
}
