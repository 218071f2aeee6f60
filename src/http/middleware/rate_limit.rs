//! How much one source may ask, and how much all together, so that nobody fills the disk or keeps others out.
//!
//! Token buckets in the process, by the generic cell rate algorithm: a bucket is one number, the time at which it will be
//! empty again. Buckets are bounded in number, so that random addresses cost no memory; a limit on one class does not
//! touch another; no block is permanent. Several replicas have each their own.
//!
//! An IPv6 address is counted in its /64, /56 and /48 together, so that somebody with many networks is one source. The total
//! limit on registrations is shared fairly: the more a network has registered lately, the more of it is left to others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::Cache;
use uuid::Uuid;

use crate::clock::Clock;
use crate::rules::syntax::network::Network;
use crate::secret::Digest;

const BUCKETS: usize = 100_000;
const MINUTE: Duration = Duration::from_secs(60);
const A_QUARTER: Duration = Duration::from_secs(900);
/// For as long as an authorization request waits.
const TEN_MINUTES: Duration = Duration::from_secs(600);
const FEW_WAITING: u32 = 5;
const AUTH_METHOD_TESTS_PER_MINUTE: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// What is counted, each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Any request, by source.
    Requests,
    /// Registrations, by source.
    Register,
    /// New registrations of everyone: protects the database.
    RegisterTotal,
    /// New registrations of a network lately, which decide its part of the total. Nobody is refused for it.
    RegisterShare,
    /// Calls with one application key, or with the tokens of one user.
    Operator,
    /// Failed keys, by source: guessing.
    FailedKeys,
    /// Token, refresh and revocation requests, by source.
    Token,
    /// Failed attempts to sign in, by source.
    Login,
    /// Failed attempts to sign in to one account, by source; and by each browser in which it has signed in before.
    LoginAccount,
    /// Failed attempts to sign in to one account, of all sources together. Nobody is refused for it: beyond it
    /// [`Self::LoginUnderAttack`] counts.
    LoginAccountTotal,
    /// The same as [`Self::LoginAccount`] by source, while many sources guess at the account.
    LoginUnderAttack,
    /// Tests of one auth method: each makes this server ask another one.
    AuthMethodTest,
    /// Authorization requests that wait for their user, by source.
    Waiting,
    /// The same, while so many wait that each source may add only a few.
    WaitingWhenScarce,
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

/// As many as there are variants of [`Class`].
const CLASSES: usize = 15;
/// After so many new registrations a network leaves half of the total to others. Each is remembered for so long.
const REMEMBERED_REGISTRATIONS: u32 = 10;
const REGISTRATION_IS_REMEMBERED_FOR: Duration = Duration::from_secs(300);

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
            // A client that tries twice at each start, in an office behind one address.
            rule(config.register_per_minute, MINUTE, config.register_per_minute.saturating_mul(2)),
            rule(config.register_per_second_total, SECOND, config.register_per_second_total.saturating_mul(2)),
            rule(1, REGISTRATION_IS_REMEMBERED_FOR, REMEMBERED_REGISTRATIONS),
            rule(config.operator_per_minute, MINUTE, config.operator_per_minute / 6),
            rule(config.failed_keys_per_minute, MINUTE, config.failed_keys_per_minute),
            rule(config.token_per_minute, MINUTE, config.token_per_minute / 5),
            rule(config.login_per_minute, MINUTE, config.login_per_minute),
            rule(config.login_per_minute, A_QUARTER, config.login_per_minute),
            rule(loose, A_QUARTER, loose),
            rule(under_attack, A_QUARTER, under_attack),
            rule(AUTH_METHOD_TESTS_PER_MINUTE, MINUTE, AUTH_METHOD_TESTS_PER_MINUTE),
            rule(config.waiting_requests_per_source, TEN_MINUTES, config.waiting_requests_per_source),
            rule(FEW_WAITING, TEN_MINUTES, FEW_WAITING),
            rule(1, MINUTE, 1),
        ];
        Self { rules, buckets: Cache::new(BUCKETS), clock }
    }

    fn rule(&self, class: Class) -> Rule {
        self.rules[class as usize]
    }

    /// Takes one, or says when there will be one. A refusal takes nothing, also not from the larger networks around.
    pub fn take(&self, class: Class, counted: Counted) -> Result<(), TooManyRequests> {
        let rule = self.rule(class);
        if rule.limit == 0 {
            return Ok(());
        }
        let now = self.now_in_nanos();
        let Counted::Network(network @ Network::V6 { .. }) = counted else {
            return self.take_one(class, counted, rule, now);
        };
        self.check_each(class, network, now)?;
        network
            .counted()
            .try_for_each(|(network, times)| self.take_one(class, Counted::Network(network), rule.times(times), now))
    }

    /// Gives back one that was taken, since what it was taken for does not count after all.
    pub fn give_back(&self, class: Class, counted: Counted) {
        let rule = self.rule(class);
        match counted {
            Counted::Network(network @ Network::V6 { .. }) => network
                .counted()
                .for_each(|(network, times)| self.give_back_one(class, Counted::Network(network), rule.times(times))),
            counted => self.give_back_one(class, counted, rule),
        }
    }

    fn give_back_one(&self, class: Class, counted: Counted, rule: Rule) {
        if let Some(bucket) = self.buckets.get(&(class, counted)) {
            let less = |empty_at: u64| Some(empty_at.saturating_sub(rule.interval()));
            let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Whether [`Self::take`] would refuse, without taking.
    pub fn check(&self, class: Class, counted: Counted) -> Result<(), TooManyRequests> {
        let now = self.now_in_nanos();
        match counted {
            Counted::Network(network) => self.check_each(class, network, now),
            counted => self.check_one(class, counted, self.rule(class), now),
        }
    }

    /// One new registration of the total. The more a network has registered lately, the more of the total it leaves to
    /// others, up to half. So a network that has registered nothing lately is refused only if the total is exhausted.
    pub fn take_registration(&self, network: Option<Network>) -> Result<(), TooManyRequests> {
        let rule = self.rule(Class::RegisterTotal);
        if rule.limit == 0 {
            return Ok(());
        }
        let now = self.now_in_nanos();
        let remembered = u64::from(REMEMBERED_REGISTRATIONS);
        let used = network.map_or(0, |network| self.used(Class::RegisterShare, network, now)).min(remembered);
        let left_to_others = rule.room() / 2 / remembered * used;
        let room = (rule.room() - left_to_others).max(rule.interval());
        let take = |empty_at| rule.after_one_within(room, empty_at, now).ok();
        let bucket = self.bucket(Class::RegisterTotal, Counted::Everyone);
        if let Err(empty_at) = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            return Err(rule.refusal(Class::RegisterTotal, empty_at, now));
        }
        // What does not fit is not remembered, which changes nothing: everything is used.
        let _ = network.map(|network| self.take(Class::RegisterShare, Counted::Network(network)));
        Ok(())
    }

    fn take_one(&self, class: Class, counted: Counted, rule: Rule, now: u64) -> Result<(), TooManyRequests> {
        let bucket = self.bucket(class, counted);
        let taken =
            bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| rule.after_one(empty_at, now).ok());
        taken.map(drop).map_err(|empty_at| rule.refusal(class, empty_at, now))
    }

    fn check_each(&self, class: Class, network: Network, now: u64) -> Result<(), TooManyRequests> {
        let rule = self.rule(class);
        network
            .counted()
            .try_for_each(|(network, times)| self.check_one(class, Counted::Network(network), rule.times(times), now))
    }

    fn check_one(&self, class: Class, counted: Counted, rule: Rule, now: u64) -> Result<(), TooManyRequests> {
        let Some(bucket) = self.buckets.get(&(class, counted)).filter(|_| rule.limit > 0) else { return Ok(()) };
        let empty_at = bucket.load(Ordering::Relaxed);
        rule.after_one(empty_at, now).map(drop).map_err(|()| rule.refusal(class, empty_at, now))
    }

    /// How many the network has taken that have not come back. A larger network around it may take more in the same time, so
    /// the time until its bucket is empty says which of them has used the larger part.
    fn used(&self, class: Class, network: Network, now: u64) -> u64 {
        let until_empty = |(network, _)| {
            let bucket = self.buckets.get(&(class, Counted::Network(network)));
            bucket.map_or(0, |bucket| bucket.load(Ordering::Relaxed).saturating_sub(now))
        };
        let longest = network.counted().map(until_empty).max().unwrap_or_default();
        longest.div_ceil(self.rule(class).interval().max(1))
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

    /// The same for a larger network, which may use so many times as much.
    fn times(self, times: u32) -> Self {
        let (limit, burst) = (self.limit.saturating_mul(times), self.burst.saturating_mul(times));
        Self { limit, burst, ..self }
    }

    /// How much fits into the bucket, in nanoseconds.
    fn room(&self) -> u64 {
        self.interval().saturating_mul(u64::from(self.burst))
    }

    /// When the bucket will be empty again after one more, if it holds one more.
    fn after_one(&self, empty_at: u64, now: u64) -> Result<u64, ()> {
        self.after_one_within(self.room(), empty_at, now)
    }

    fn after_one_within(&self, room: u64, empty_at: u64, now: u64) -> Result<u64, ()> {
        let next = empty_at.max(now).saturating_add(self.interval());
        if next.saturating_sub(now) <= room { Ok(next) } else { Err(()) }
    }

    fn refusal(&self, class: Class, empty_at: u64, now: u64) -> TooManyRequests {
        let wait = empty_at.saturating_add(self.interval()).saturating_sub(self.room()).saturating_sub(now);
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
            Self::Operator => "operator_per_minute",
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
    use crate::clock::Hand;
    use crate::rules::timestamp::Timestamp;

    const SOMEONE: Counted = Counted::Network(Network::V4(1));

    fn limits(limit: u32, burst: u32) -> (RateLimits, Hand) {
        let (clock, hand) = Clock::by_hand(Timestamp::from_seconds(0));
        hand.advance(Duration::from_secs(1_000));
        let rules = [Rule { limit, period: MINUTE, burst }; CLASSES];
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
    fn one_that_is_given_back_can_be_taken_again_and_no_more() {
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

    fn v6(text: &str) -> Counted {
        Counted::Network(Network::from(text.parse::<std::net::IpAddr>().expect("an address")))
    }

    #[test]
    fn ipv6_is_counted_by_64_56_and_48_together() {
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
    fn what_a_network_is_refused_does_not_use_up_the_limit_of_the_networks_around_it() {
        let (limits, _) = limits(1, 1);
        for _ in 0..100 {
            let _ = limits.take(Class::Requests, v6("2001:db8:0:1::1"));
        }

        assert_eq!(limits.take(Class::Requests, v6("2001:db8:0:2::1")), Ok(()));
    }

    /// New registrations that each of `networks` gets in a minute in which all of them try ten times a second.
    fn flood(limits: &RateLimits, hand: &Hand, networks: std::ops::Range<u32>) -> u32 {
        let mut taken = 0;
        for _ in 0..600 {
            hand.advance(Duration::from_millis(100));
            let tries = networks.clone().map(|number| limits.take_registration(Some(Network::V4(number))));
            taken += u32::try_from(tries.filter(Result::is_ok).count()).expect("a few");
        }
        taken
    }

    fn registrations_per_second(limit: u32) -> (RateLimits, Hand) {
        let (mut limits, hand) = limits(0, 1);
        limits.buckets = Cache::new(BUCKETS);
        limits.rules[Class::RegisterTotal as usize] = Rule { limit, period: SECOND, burst: 2 * limit };
        limits.rules[Class::RegisterShare as usize] =
            Rule { limit: 1, period: REGISTRATION_IS_REMEMBERED_FOR, burst: REMEMBERED_REGISTRATIONS };
        (limits, hand)
    }

    #[test]
    fn a_network_that_has_registered_nothing_gets_a_registration_while_many_others_use_the_total_up() {
        let (limits, hand) = registrations_per_second(10);
        for _ in 0..5 {
            flood(&limits, &hand, 0..200);
        }

        let newcomers = (1_000..1_008).map(|number| limits.take_registration(Some(Network::V4(number))));

        assert_eq!(newcomers.filter(Result::is_ok).count(), 8);
    }

    #[test]
    fn one_network_may_use_half_of_an_unused_total_at_once() {
        let (limits, _) = registrations_per_second(10);

        let taken = (0..100).filter(|_| limits.take_registration(Some(Network::V4(1))).is_ok()).count();

        assert!((10..=15).contains(&taken), "{taken}");
    }

    #[test]
    fn the_total_is_given_out_whoever_asks_for_it() {
        let (limits, hand) = registrations_per_second(10);

        let by_one = flood(&limits, &hand, 0..1);
        let by_many = flood(&limits, &hand, 0..200);

        assert!(by_one >= 590 && by_many >= 590, "{by_one} {by_many}");
    }

    #[test]
    fn the_subnets_of_one_ipv6_subscriber_have_one_part_of_the_total() {
        let (limits, hand) = registrations_per_second(10);
        for number in 0..2_000_u32 {
            hand.advance(Duration::from_millis(50));
            let text = format!("2001:db8:0:{:x}::1", number % 0xffff);
            let _ =
                limits.take_registration(Some(Network::from(text.parse::<std::net::IpAddr>().expect("an address"))));
        }

        assert_eq!(limits.take_registration(Some(Network::V4(1))), Ok(()));
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
