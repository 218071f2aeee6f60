//! How much one source may ask, and how much all together, so that nobody fills the disk or keeps others out.
//!
//! Token buckets in the process, by the generic cell rate algorithm: a bucket is one number, the time at which it will be
//! empty again. Buckets are bounded in number, so that random addresses cost no memory; a limit on one class does not
//! touch another; no block is permanent. Several replicas have each their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use uuid::Uuid;

use super::source::Network;
use crate::clock::Clock;
use crate::secret::Digest;

const BUCKETS: usize = 100_000;
const MINUTE: Duration = Duration::from_secs(60);
const A_QUARTER: Duration = Duration::from_secs(900);
const AUTH_METHOD_TESTS_PER_MINUTE: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// What is counted, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Any request, by source.
    Requests,
    /// Registrations, by source.
    Register,
    /// Registrations of everyone: protects the database.
    RegisterTotal,
    /// Calls with one application key.
    Operator,
    /// Failed keys, by source: guessing.
    FailedKeys,
    /// Token, refresh and revocation requests, by source.
    Token,
    /// Attempts to sign in, by source.
    Login,
    /// Attempts to sign in to one account, by whoever has not done so before; and by each browser that has.
    LoginAccount,
    /// Tests of one auth method: each makes this server ask another one.
    AuthMethodTest,
    /// Events of a refusal by a restriction, by organisation, client and user. Nobody is refused for it.
    RestrictionHit,
}

/// By what a class is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    Network(Network),
    Key(Uuid),
    Digest(Digest),
    Everyone,
}

/// So many in a period, and so many at once after a pause. A limit of 0 is none.
#[derive(Clone, Copy, Debug, Default)]
struct Rule {
    limit: u32,
    period: Duration,
    burst: u32,
}

/// What a caller is told who asked too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRequests {
    pub limit: u32,
    pub period: u64,
    /// Whole seconds until one more is allowed, at least 1.
    pub reset: u64,
    pub class: Class,
}

pub struct RateLimits {
    rules: [Rule; 10],
    buckets: Cache<(Class, Counted), Arc<AtomicU64>>,
    clock: Clock,
}

impl RateLimits {
    pub fn new(config: &crate::config::Limits, clock: Clock) -> Self {
        let rule = |limit: u32, period, burst: u32| Rule { limit, period, burst: burst.max(1) };
        let rules = [
            rule(config.requests_per_minute, MINUTE, config.requests_per_minute / 2),
            // A client that tries twice at each start, in an office behind one address.
            rule(config.register_per_minute, MINUTE, config.register_per_minute.saturating_mul(2)),
            rule(config.register_per_second_total, SECOND, config.register_per_second_total.saturating_mul(2)),
            rule(config.operator_per_minute, MINUTE, config.operator_per_minute / 6),
            rule(config.failed_keys_per_minute, MINUTE, config.failed_keys_per_minute),
            rule(config.token_per_minute, MINUTE, config.token_per_minute / 5),
            rule(config.login_per_minute, MINUTE, config.login_per_minute),
            rule(config.login_per_minute, A_QUARTER, config.login_per_minute),
            rule(AUTH_METHOD_TESTS_PER_MINUTE, MINUTE, AUTH_METHOD_TESTS_PER_MINUTE),
            rule(1, MINUTE, 1),
        ];
        Self { rules, buckets: Cache::new(BUCKETS), clock }
    }

    fn rule(&self, class: Class) -> Rule {
        self.rules[class as usize]
    }

    /// Takes one, or says when there will be one.
    pub fn take(&self, class: Class, counted: Counted) -> Result<(), TooManyRequests> {
        let rule = self.rule(class);
        if rule.limit == 0 {
            return Ok(());
        }
        let now = self.now_in_nanos();
        let bucket = self.bucket(class, counted);
        let taken =
            bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| rule.after_one(empty_at, now).ok());
        match taken {
            Ok(_) => Ok(()),
            Err(empty_at) => Err(rule.refusal(class, empty_at, now)),
        }
    }

    /// Whether [`Self::take`] would refuse, without taking.
    pub fn check(&self, class: Class, counted: Counted) -> Result<(), TooManyRequests> {
        let rule = self.rule(class);
        let Some(bucket) = self.buckets.get(&(class, counted)).filter(|_| rule.limit > 0) else { return Ok(()) };
        let (empty_at, now) = (bucket.load(Ordering::Relaxed), self.now_in_nanos());
        rule.after_one(empty_at, now).map(drop).map_err(|()| rule.refusal(class, empty_at, now))
    }

    fn bucket(&self, class: Class, counted: Counted) -> Arc<AtomicU64> {
        let key = (class, counted);
        if let Some(bucket) = self.buckets.get(&key) {
            return bucket;
        }
        let fresh = Arc::new(AtomicU64::new(0));
        self.buckets.get_or_insert_with::<_, std::convert::Infallible>(&key, || Ok(Arc::clone(&fresh))).unwrap_or(fresh)
    }

    fn now_in_nanos(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Rule {
    /// How long one takes to come back.
    fn interval(&self) -> u64 {
        u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX) / u64::from(self.limit.max(1))
    }

    /// When the bucket will be empty again after one more, if it holds one more.
    fn after_one(&self, empty_at: u64, now: u64) -> Result<u64, ()> {
        let next = empty_at.max(now).saturating_add(self.interval());
        let room = self.interval().saturating_mul(u64::from(self.burst));
        if next.saturating_sub(now) <= room { Ok(next) } else { Err(()) }
    }

    fn refusal(&self, class: Class, empty_at: u64, now: u64) -> TooManyRequests {
        let room = self.interval().saturating_mul(u64::from(self.burst));
        let wait = empty_at.saturating_add(self.interval()).saturating_sub(room).saturating_sub(now);
        let reset = Duration::from_nanos(wait).as_secs_f64().ceil().max(1.0) as u64;
        TooManyRequests { limit: self.limit, period: self.period.as_secs(), reset, class }
    }
}

impl Class {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_minute",
            Self::Register => "register_per_minute",
            Self::RegisterTotal => "register_per_second_total",
            Self::Operator => "operator_per_minute",
            Self::FailedKeys => "failed_keys_per_minute",
            Self::Token => "token_per_minute",
            Self::Login => "login_per_minute",
            Self::LoginAccount => "login_per_account",
            Self::AuthMethodTest => "auth_method_test",
            Self::RestrictionHit => "restriction_hit_per_user",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Hand;
    use crate::oauth::Timestamp;

    const SOMEONE: Counted = Counted::Network(Network::V4(1));

    fn limits(limit: u32, burst: u32) -> (RateLimits, Hand) {
        let (clock, hand) = Clock::by_hand(Timestamp::from_seconds(0));
        hand.advance(Duration::from_secs(1_000));
        let rules = [Rule { limit, period: MINUTE, burst }; 10];
        (RateLimits { rules, buckets: Cache::new(100), clock }, hand)
    }

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let (limits, hand) = limits(60, 3);
        for _ in 0..3 {
            assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));
        }
        let refused = TooManyRequests { limit: 60, period: 60, reset: 1, class: Class::Register };
        assert_eq!(limits.take(Class::Register, SOMEONE), Err(refused));

        hand.advance(Duration::from_secs(1));

        assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));
        assert_eq!(limits.take(Class::Register, SOMEONE), Err(refused));
    }

    #[test]
    fn the_wait_that_is_told_is_enough_and_not_too_long() {
        let (limits, hand) = limits(2, 1);
        assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));
        let told = limits.take(Class::Register, SOMEONE).expect_err("is refused").reset;
        assert_eq!(told, 30);

        hand.advance(Duration::from_secs(told - 1));
        assert!(limits.take(Class::Register, SOMEONE).is_err());
        hand.advance(Duration::from_secs(1));
        assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));
    }

    #[test]
    fn sources_and_classes_do_not_touch_each_other() {
        let (limits, _) = limits(1, 1);
        assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));

        assert_eq!(limits.take(Class::Register, Counted::Network(Network::V4(2))), Ok(()));
        assert_eq!(limits.take(Class::Requests, SOMEONE), Ok(()));
        assert!(limits.take(Class::Register, SOMEONE).is_err());
    }

    #[test]
    fn checking_takes_nothing() {
        let (limits, _) = limits(1, 1);
        assert_eq!(limits.check(Class::FailedKeys, SOMEONE), Ok(()));
        assert_eq!(limits.take(Class::FailedKeys, SOMEONE), Ok(()));

        assert!(limits.check(Class::FailedKeys, SOMEONE).is_err());
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        let (limits, _) = limits(0, 1);
        for _ in 0..1_000 {
            assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));
        }
    }

    #[test]
    fn random_sources_cost_no_memory() {
        let (limits, _) = limits(1, 1);
        for number in 0..10_000 {
            let _ = limits.take(Class::Requests, Counted::Network(Network::V4(number)));
        }

        assert!(limits.buckets.len() <= 100);
    }
}
