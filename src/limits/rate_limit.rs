//! Rate limits per source and in total, so that no client can fill the disk or keep others out.
//!
//! These are token buckets in memory, by the generic cell rate algorithm: a bucket is one number,
//! the time at which it will be empty again. The number of buckets is bounded, so that random
//! addresses do not use up memory. Classes do not affect each other, no block is permanent, and
//! each replica has its own buckets.
//!
//! An IPv6 address counts in its /64, /56 and /48, so that a client with many networks is one
//! source. The total limit on registrations is shared fairly: the more a network has registered
//! recently, the more of the total it leaves to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::clock::Clock;
use crate::rules::secret::Digest;
use crate::rules::syntax::network::Network;

const BUCKETS: usize = 100_000;
const MINUTE: Duration = Duration::from_secs(60);
const QUARTER_HOUR: Duration = Duration::from_secs(900);
/// The time that an authorization request waits for its user.
const TEN_MINUTES: Duration = Duration::from_secs(600);
const WAITING_WHEN_SCARCE: u32 = 5;
const AUTH_METHOD_TESTS_PER_MINUTE: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// The classes of requests that are counted separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// All requests, by source.
    Requests,
    /// Registrations, by source.
    Register,
    /// New registrations from all sources, to protect the database.
    RegisterTotal,
    /// Recent new registrations of a network, which decide its share of the total. It never
    /// refuses.
    RegisterShare,
    /// Calls of the API with one application key, or with the tokens of one user.
    ApiCaller,
    /// Wrong keys and secrets, by source.
    FailedKeys,
    /// Token, refresh and revocation requests, by source.
    Token,
    /// Failed sign-ins, by source.
    Login,
    /// Failed sign-ins to one account, by source, or by browser if the account has signed in there
    /// before.
    LoginAccount,
    /// Failed sign-ins to one account, from all sources. It never refuses: beyond it,
    /// [`Self::LoginUnderAttack`] applies.
    LoginAccountTotal,
    /// Like [`Self::LoginAccount`] by source, while many sources guess at the account.
    LoginUnderAttack,
    /// Tests of one auth method, each of which sends a request to another server.
    AuthMethodTest,
    /// Pending authorization requests, by source.
    Waiting,
    /// The same, while so many are pending that each source may add only a few.
    WaitingWhenScarce,
    /// Events about a refusal by a restriction, by organization, client and user. It never refuses
    /// a request.
    RestrictionHit,
}

/// The key by which a class is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counted {
    Network(Network),
    Key(Uuid),
    Digest(Digest),
    Everyone,
}

/// Allows `limit` requests per period, and `burst` requests at once after a pause. 0 means no
/// limit.
#[derive(Clone, Copy, Debug, Default)]
struct Rule {
    limit: u32,
    period: Duration,
    burst: u32,
}

/// A refusal, with the values of its response headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyRequests {
    pub limit: u32,
    pub period: u64,
    /// Seconds until the next request is allowed, at least 1.
    pub reset: u64,
    pub class: Class,
}

/// The number of variants of [`Class`].
const CLASSES: usize = 15;
/// After this many recent registrations, a network leaves half of the total to others.
const REMEMBERED_REGISTRATIONS: u32 = 10;
/// A registration counts as recent for this long.
const REGISTRATION_MEMORY: Duration = Duration::from_secs(300);

pub struct RateLimits {
    rules: [Rule; CLASSES],
    buckets: Cache<(Class, Counted), Arc<AtomicU64>>,
    clock: Clock,
}

impl RateLimits {
    pub fn new(config: &crate::config::Limits, clock: Clock) -> Self {
        let rule = |limit: u32, period, burst: u32| Rule { limit, period, burst: burst.max(1) };
        let loose = config.login_per_minute.saturating_mul(10);
        let under_attack = if loose == 0 { 0 } else { (loose / 30).max(1) };
        let rules = [
            rule(config.requests_per_minute, MINUTE, config.requests_per_minute / 2),
            // For clients that register twice at each start, in an office behind one address.
            rule(config.register_per_minute, MINUTE, config.register_per_minute.saturating_mul(2)),
            rule(
                config.register_per_second_total,
                SECOND,
                config.register_per_second_total.saturating_mul(2),
            ),
            rule(1, REGISTRATION_MEMORY, REMEMBERED_REGISTRATIONS),
            rule(config.operator_per_minute, MINUTE, config.operator_per_minute / 6),
            rule(config.failed_keys_per_minute, MINUTE, config.failed_keys_per_minute),
            rule(config.token_per_minute, MINUTE, config.token_per_minute / 5),
            rule(config.login_per_minute, MINUTE, config.login_per_minute),
            rule(config.login_per_minute, QUARTER_HOUR, config.login_per_minute),
            rule(loose, QUARTER_HOUR, loose),
            rule(under_attack, QUARTER_HOUR, under_attack),
            rule(AUTH_METHOD_TESTS_PER_MINUTE, MINUTE, AUTH_METHOD_TESTS_PER_MINUTE),
            rule(
                config.waiting_requests_per_source,
                TEN_MINUTES,
                config.waiting_requests_per_source,
            ),
            rule(WAITING_WHEN_SCARCE, TEN_MINUTES, WAITING_WHEN_SCARCE),
            rule(1, MINUTE, 1),
        ];
        Self { rules, buckets: Cache::new(BUCKETS), clock }
    }

    fn rule(&self, class: Class) -> Rule {
        self.rules[class as usize]
    }

    /// Counts a request, or returns when the next one is allowed. A refusal counts nothing, not
    /// even against the larger networks around it.
    pub fn take(&self, class: Class, counted: Counted) -> Result<(), TooManyRequests> {
        let rule = self.rule(class);
        if rule.limit == 0 {
            return Ok(());
        }
        let now = self.now_in_nanos();
        let Counted::Network(network @ Network::V6 { .. }) = counted else {
            return self.take_one(class, counted, rule, now);
        };
        self.check_network(class, network, now)?;
        network.counted_networks().try_for_each(|(network, times)| {
            self.take_one(class, Counted::Network(network), rule.times(times), now)
        })
    }

    /// Returns a request that was counted and does not count after all.
    pub fn give_back(&self, class: Class, counted: Counted) {
        let rule = self.rule(class);
        match counted {
            Counted::Network(network @ Network::V6 { .. }) => {
                network.counted_networks().for_each(|(network, times)| {
                    self.give_back_one(class, Counted::Network(network), rule.times(times))
                })
            }
            counted => self.give_back_one(class, counted, rule),
        }
    }

    fn give_back_one(&self, class: Class, counted: Counted, rule: Rule) {
        if let Some(bucket) = self.buckets.get(&(class, counted)) {
            let less = |empty_at: u64| Some(empty_at.saturating_sub(rule.interval()));
            let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Returns what [`Self::take`] would return, without counting.
    pub fn check(&self, class: Class, counted: Counted) -> Result<(), TooManyRequests> {
        let now = self.now_in_nanos();
        match counted {
            Counted::Network(network) => self.check_network(class, network, now),
            counted => self.check_one(class, counted, self.rule(class), now),
        }
    }

    /// Counts a new registration against the total. The more a network has registered recently, the
    /// more of the total it leaves to others, up to half. So a network without recent registrations
    /// is refused only if the total is exhausted.
    pub fn take_registration(&self, network: Option<Network>) -> Result<(), TooManyRequests> {
        let rule = self.rule(Class::RegisterTotal);
        if rule.limit == 0 {
            return Ok(());
        }
        let now = self.now_in_nanos();
        let remembered = u64::from(REMEMBERED_REGISTRATIONS);
        let used = network
            .map_or(0, |network| self.used(Class::RegisterShare, network, now))
            .min(remembered);
        let left_to_others = rule.room() / 2 / remembered * used;
        let room = (rule.room() - left_to_others).max(rule.interval());
        let take = |empty_at| rule.try_add_within(room, empty_at, now).ok();
        let bucket = self.bucket(Class::RegisterTotal, Counted::Everyone);
        if let Err(empty_at) = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            return Err(rule.refusal(Class::RegisterTotal, empty_at, now));
        }
        // A full bucket ignores more registrations, since the network already has the smallest
        // share.
        let _ = network.map(|network| self.take(Class::RegisterShare, Counted::Network(network)));
        Ok(())
    }

    fn take_one(
        &self,
        class: Class,
        counted: Counted,
        rule: Rule,
        now: u64,
    ) -> Result<(), TooManyRequests> {
        let bucket = self.bucket(class, counted);
        let taken = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
            rule.try_add(empty_at, now).ok()
        });
        taken.map(drop).map_err(|empty_at| rule.refusal(class, empty_at, now))
    }

    fn check_network(
        &self,
        class: Class,
        network: Network,
        now: u64,
    ) -> Result<(), TooManyRequests> {
        let rule = self.rule(class);
        network.counted_networks().try_for_each(|(network, times)| {
            self.check_one(class, Counted::Network(network), rule.times(times), now)
        })
    }

    fn check_one(
        &self,
        class: Class,
        counted: Counted,
        rule: Rule,
        now: u64,
    ) -> Result<(), TooManyRequests> {
        let Some(bucket) = self.buckets.get(&(class, counted)).filter(|_| rule.limit > 0) else {
            return Ok(());
        };
        let empty_at = bucket.load(Ordering::Relaxed);
        rule.try_add(empty_at, now).map(drop).map_err(|()| rule.refusal(class, empty_at, now))
    }

    /// The requests of the network that still count. A larger network around it may make more
    /// requests in the same time, so the time until the bucket is empty tells which has used the
    /// larger part.
    fn used(&self, class: Class, network: Network, now: u64) -> u64 {
        let until_empty = |(network, _)| {
            let bucket = self.buckets.get(&(class, Counted::Network(network)));
            bucket.map_or(0, |bucket| bucket.load(Ordering::Relaxed).saturating_sub(now))
        };
        let longest = network.counted_networks().map(until_empty).max().unwrap_or_default();
        longest.div_ceil(self.rule(class).interval().max(1))
    }

    fn bucket(&self, class: Class, counted: Counted) -> Arc<AtomicU64> {
        let key = (class, counted);
        if let Some(bucket) = self.buckets.get(&key) {
            return bucket;
        }
        let fresh = Arc::new(AtomicU64::new(0));
        self.buckets
            .get_or_insert_with::<_, std::convert::Infallible>(&key, || Ok(Arc::clone(&fresh)))
            .unwrap_or(fresh)
    }

    fn now_in_nanos(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Rule {
    /// The time after which one more request is allowed, in nanoseconds.
    fn interval(&self) -> u64 {
        u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX) / u64::from(self.limit.max(1))
    }

    /// The same for a larger network, which may use so many times as much.
    fn times(self, times: u32) -> Self {
        let limit = self.limit.saturating_mul(times);
        let burst = self.burst.saturating_mul(times);
        Self { limit, burst, ..self }
    }

    /// The capacity of the bucket, in nanoseconds.
    fn room(&self) -> u64 {
        self.interval().saturating_mul(u64::from(self.burst))
    }

    /// The time at which the bucket will be empty after one more request, if one more fits.
    fn try_add(&self, empty_at: u64, now: u64) -> Result<u64, ()> {
        self.try_add_within(self.room(), empty_at, now)
    }

    fn try_add_within(&self, room: u64, empty_at: u64, now: u64) -> Result<u64, ()> {
        let next = empty_at.max(now).saturating_add(self.interval());
        if next.saturating_sub(now) <= room { Ok(next) } else { Err(()) }
    }

    fn refusal(&self, class: Class, empty_at: u64, now: u64) -> TooManyRequests {
        let wait = empty_at
            .saturating_add(self.interval())
            .saturating_sub(self.room())
            .saturating_sub(now);
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
            Self::RegisterShare => "register_share",
            Self::ApiCaller => "operator_per_minute",
            Self::FailedKeys => "failed_keys_per_minute",
            Self::Token => "token_per_minute",
            Self::Login => "login_per_minute",
            Self::LoginAccount => "login_per_account",
            Self::LoginAccountTotal => "login_per_account_total",
            Self::LoginUnderAttack => "login_per_account_under_attack",
            Self::AuthMethodTest => "auth_method_test",
            Self::Waiting => "waiting_requests_per_source",
            Self::WaitingWhenScarce => "waiting_requests_total",
            Self::RestrictionHit => "restriction_hit_per_user",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::rules::timestamp::Timestamp;

    const SOMEONE: Counted = Counted::Network(Network::V4(1));

    fn limits(limit: u32, burst: u32) -> (RateLimits, ManualClock) {
        let (clock, time) = Clock::manual(Timestamp::from_seconds(0));
        time.advance(Duration::from_secs(1_000));
        let rules = [Rule { limit, period: MINUTE, burst }; CLASSES];
        (RateLimits { rules, buckets: Cache::new(100), clock }, time)
    }

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let (limits, time) = limits(60, 3);
        for _ in 0..3 {
            assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));
        }
        let refused = TooManyRequests { limit: 60, period: 60, reset: 1, class: Class::Register };
        assert_eq!(limits.take(Class::Register, SOMEONE), Err(refused));

        time.advance(Duration::from_secs(1));

        assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));
        assert_eq!(limits.take(Class::Register, SOMEONE), Err(refused));
    }

    #[test]
    fn the_reset_time_is_exact() {
        let (limits, time) = limits(2, 1);
        assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));
        let reset = limits.take(Class::Register, SOMEONE).expect_err("is refused").reset;
        assert_eq!(reset, 30);

        time.advance(Duration::from_secs(reset - 1));
        assert!(limits.take(Class::Register, SOMEONE).is_err());
        time.advance(Duration::from_secs(1));
        assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));
    }

    #[test]
    fn sources_and_classes_do_not_affect_each_other() {
        let (limits, _) = limits(1, 1);
        assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));

        assert_eq!(limits.take(Class::Register, Counted::Network(Network::V4(2))), Ok(()));
        assert_eq!(limits.take(Class::Requests, SOMEONE), Ok(()));
        assert!(limits.take(Class::Register, SOMEONE).is_err());
    }

    #[test]
    fn a_returned_request_can_be_taken_again_once() {
        let (limits, _) = limits(1, 2);
        for _ in 0..5 {
            assert_eq!(limits.take(Class::Login, SOMEONE), Ok(()));
            limits.give_back(Class::Login, SOMEONE);
        }
        assert_eq!(limits.take(Class::Login, SOMEONE), Ok(()));
        assert_eq!(limits.take(Class::Login, SOMEONE), Ok(()));
        assert!(limits.take(Class::Login, SOMEONE).is_err());
    }

    #[test]
    fn checking_counts_nothing() {
        let (limits, _) = limits(1, 1);
        assert_eq!(limits.check(Class::FailedKeys, SOMEONE), Ok(()));
        assert_eq!(limits.take(Class::FailedKeys, SOMEONE), Ok(()));

        assert!(limits.check(Class::FailedKeys, SOMEONE).is_err());
    }

    #[test]
    fn a_limit_of_zero_means_no_limit() {
        let (limits, _) = limits(0, 1);
        for _ in 0..1_000 {
            assert_eq!(limits.take(Class::Register, SOMEONE), Ok(()));
        }
    }

    fn v6(text: &str) -> Counted {
        Counted::Network(Network::from(text.parse::<std::net::IpAddr>().expect("an address")))
    }

    #[test]
    fn an_ipv6_address_counts_in_its_64_56_and_48() {
        let (limits, _) = limits(1, 1);
        let take = |text: &str| limits.take(Class::Requests, v6(text)).is_ok();

        assert!(take("2001:db8:0:1::1"));
        assert!(!take("2001:db8:0:1::2"), "the same /64");
        assert!(take("2001:db8:0:2::1"));
        assert!(!take("2001:db8:0:3::1"), "the third /64 of a /56");
        assert!(take("2001:db8:0:100::1") && take("2001:db8:0:200::1"));
        assert!(!take("2001:db8:0:300::1"), "the fifth /64 of a /48");
        assert!(take("2001:db8:1::1"), "another /48");
    }

    #[test]
    fn refused_requests_do_not_count_against_the_networks_around() {
        let (limits, _) = limits(1, 1);
        for _ in 0..100 {
            let _ = limits.take(Class::Requests, v6("2001:db8:0:1::1"));
        }

        assert_eq!(limits.take(Class::Requests, v6("2001:db8:0:2::1")), Ok(()));
    }

    /// The number of registrations that `networks` get in a minute, if each tries ten times a
    /// second.
    fn flood(limits: &RateLimits, time: &ManualClock, networks: std::ops::Range<u32>) -> u32 {
        let mut taken = 0;
        for _ in 0..600 {
            time.advance(Duration::from_millis(100));
            let tries =
                networks.clone().map(|number| limits.take_registration(Some(Network::V4(number))));
            taken += u32::try_from(tries.filter(Result::is_ok).count()).expect("a few");
        }
        taken
    }

    fn registrations_per_second(limit: u32) -> (RateLimits, ManualClock) {
        let (mut limits, time) = limits(0, 1);
        limits.buckets = Cache::new(BUCKETS);
        limits.rules[Class::RegisterTotal as usize] =
            Rule { limit, period: SECOND, burst: 2 * limit };
        limits.rules[Class::RegisterShare as usize] =
            Rule { limit: 1, period: REGISTRATION_MEMORY, burst: REMEMBERED_REGISTRATIONS };
        (limits, time)
    }

    #[test]
    fn a_new_network_can_register_while_many_others_use_up_the_total() {
        let (limits, time) = registrations_per_second(10);
        for _ in 0..5 {
            flood(&limits, &time, 0..200);
        }

        let newcomers =
            (1_000..1_008).map(|number| limits.take_registration(Some(Network::V4(number))));

        assert_eq!(newcomers.filter(Result::is_ok).count(), 8);
    }

    #[test]
    fn one_network_may_use_half_of_an_unused_total_at_once() {
        let (limits, _) = registrations_per_second(10);

        let taken =
            (0..100).filter(|_| limits.take_registration(Some(Network::V4(1))).is_ok()).count();

        assert!((10..=15).contains(&taken), "{taken}");
    }

    #[test]
    fn the_whole_total_can_be_used_by_one_network_or_by_many() {
        let (limits, time) = registrations_per_second(10);

        let by_one = flood(&limits, &time, 0..1);
        let by_many = flood(&limits, &time, 0..200);

        assert!(by_one >= 590 && by_many >= 590, "{by_one} {by_many}");
    }

    #[test]
    fn the_subnets_of_one_ipv6_subscriber_share_one_part_of_the_total() {
        let (limits, time) = registrations_per_second(10);
        for number in 0..2_000_u32 {
            time.advance(Duration::from_millis(50));
            let text = format!("2001:db8:0:{:x}::1", number % 0xffff);
            let _ = limits.take_registration(Some(Network::from(
                text.parse::<std::net::IpAddr>().expect("an address"),
            )));
        }

        assert_eq!(limits.take_registration(Some(Network::V4(1))), Ok(()));
    }

    #[test]
    fn random_sources_do_not_use_up_memory() {
        let (limits, _) = limits(1, 1);
        for number in 0..10_000 {
            let _ = limits.take(Class::Requests, Counted::Network(Network::V4(number)));
        }

        assert!(limits.buckets.len() <= 100);
    }
}
