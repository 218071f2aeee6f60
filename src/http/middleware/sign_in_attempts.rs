//! Limits sign-in attempts. Only failures count, but each attempt is counted when it starts and
//! returned if it did not fail, so that concurrent attempts cannot bypass the limits.
//!
//! A browser in which the account has signed in before is counted separately. All other attempts
//! are counted by source, and by account and source together. All sources together never lock the
//! owner out: while many of them guess at one account, each of them has fewer attempts.

use std::net::IpAddr;

use crate::limits::rate_limit::{Class, Counted, RateLimits, TooManyRequests};
use crate::rules::secret::Digest;

/// An attempt in progress.
#[must_use = "an attempt that did not fail must be given back"]
pub struct Attempt<'a> {
    limits: &'a RateLimits,
    taken: Vec<(Class, Counted)>,
}

impl<'a> Attempt<'a> {
    /// `known` is the digest of the cookie that marks a browser in which the account has signed in
    /// before.
    pub fn begin(
        limits: &'a RateLimits,
        address: Option<IpAddr>,
        email: &str,
        known: Option<Digest>,
    ) -> Result<Self, TooManyRequests> {
        let mut attempt = Self { limits, taken: Vec::new() };
        let outcome = match known {
            Some(browser) => attempt
                .take(Class::LoginAccount, account_key(email, &format!("{:?}", browser.bytes()))),
            None => attempt.take_for_unknown_browser(address, email),
        };
        match outcome {
            Ok(()) => Ok(attempt),
            Err(refused) => {
                attempt.give_back();
                Err(refused)
            }
        }
    }

    fn take_for_unknown_browser(
        &mut self,
        address: Option<IpAddr>,
        email: &str,
    ) -> Result<(), TooManyRequests> {
        let pair = account_key(email, &address.map(network).unwrap_or_default());
        self.take(Class::LoginAccount, pair)?;
        let total = self.take(Class::LoginAccountTotal, account_key(email, ""));
        let under_attack = self.take(Class::LoginUnderAttack, pair);
        if total.is_err() {
            under_attack?;
        }
        match address {
            Some(address) => self.take(Class::Login, Counted::Network(address.into())),
            None => Ok(()),
        }
    }

    fn take(&mut self, class: Class, counted: Counted) -> Result<(), TooManyRequests> {
        self.limits.take(class, counted)?;
        self.taken.push((class, counted));
        Ok(())
    }

    /// For an attempt that did not fail, or whose outcome is unknown.
    pub fn give_back(self) {
        for (class, counted) in self.taken {
            self.limits.give_back(class, counted);
        }
    }
}

/// The IPv4 address, or the /56 of an IPv6 address, which is what one subscriber gets.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{:x}", address.to_bits() >> 72),
    }
}

/// The length of the email address keeps the two parts apart.
fn account_key(email: &str, with: &str) -> Counted {
    Counted::Digest(Digest::of(&format!("{}:{email}{with}", email.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::rules::timestamp::Timestamp;

    const EVE: &str = "eve@mail.example";

    fn limits() -> RateLimits {
        let (clock, time) = Clock::manual(Timestamp::from_seconds(0));
        time.advance(std::time::Duration::from_secs(10_000));
        let sources = crate::config::Sources {
            file: None,
            environment: Vec::new(),
            flags: Vec::new(),
            read_file: |path| std::fs::read_to_string(path),
        };
        let config = crate::config::Config::load(&sources).expect("the defaults").config;
        RateLimits::new(&config.limits, clock)
    }

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number)))
    }

    /// How many attempts fail before the next is refused.
    fn failures(
        limits: &RateLimits,
        address: Option<IpAddr>,
        email: &str,
        known: Option<Digest>,
    ) -> u32 {
        let mut failed = 0;
        while failed < 1_000 && Attempt::begin(limits, address, email, known).is_ok() {
            failed += 1;
        }
        failed
    }

    #[test]
    fn a_source_has_ten_failures_per_account_and_does_not_use_up_those_of_others() {
        let limits = limits();

        assert_eq!(failures(&limits, address(1), EVE, None), 10);
        assert_eq!(failures(&limits, address(2), EVE, None), 10);
        assert_eq!(
            failures(&limits, address(1), "bob@mail.example", None),
            0,
            "the source has used its ten attempts"
        );
        assert_eq!(failures(&limits, address(3), "bob@mail.example", None), 10);
    }

    #[test]
    fn many_sources_that_guess_at_one_account_have_three_failures_each_and_lock_nobody_out() {
        let limits = limits();
        let guessed: u32 =
            (0..100).map(|source| failures(&limits, address(source), EVE, None)).sum();

        assert_eq!(guessed, 10 * 10 + 90 * 3);
        assert!(
            Attempt::begin(&limits, address(1_000), EVE, None).is_ok(),
            "the owner in a new browser"
        );
        let browser = Digest::of("cookie");
        assert_eq!(
            failures(&limits, address(1), EVE, Some(browser)),
            10,
            "the owner in a known browser"
        );
        assert_eq!(
            failures(&limits, address(2_000), "bob@mail.example", None),
            10,
            "another account"
        );
    }

    #[test]
    fn attempts_that_do_not_fail_are_not_counted() {
        let limits = limits();
        for _ in 0..1_000 {
            Attempt::begin(&limits, address(1), EVE, None).expect("is allowed").give_back();
        }
    }

    #[test]
    fn a_refused_attempt_does_not_count_against_other_limits() {
        let limits = limits();
        failures(&limits, address(1), EVE, None);
        for _ in 0..1_000 {
            assert!(Attempt::begin(&limits, address(1), EVE, None).is_err());
        }

        let others: u32 = (2..11).map(|source| failures(&limits, address(source), EVE, None)).sum();
        assert_eq!(others, 90, "the account's total limit counts only attempts that were made");
    }

    #[test]
    fn an_ipv6_subscriber_is_one_source() {
        let limits = limits();
        let of = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(failures(&limits, of("2001:db8:0:0::1"), EVE, None), 10);
        assert_eq!(failures(&limits, of("2001:db8:0:1::1"), EVE, None), 0);
        assert_eq!(failures(&limits, of("2001:db8:0:100::1"), EVE, None), 10);
    }
}
