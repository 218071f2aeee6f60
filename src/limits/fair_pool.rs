//! A pool of places, or of bytes, that networks share fairly.
//!
//! A network may hold at most an nth part of what is free. So a single network never takes
//! everything, and with more networks, each may hold less: ten busy networks leave room for an
//! eleventh. A single network in a quiet pool gets far more than a fixed share would allow.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rules::syntax::network::Network;

/// Cheap to clone; all clones are one pool.
#[derive(Clone, Debug)]
pub struct FairPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: PoolRules,
    held: Mutex<Held>,
}

#[derive(Clone, Copy, Debug)]
pub struct PoolRules {
    pub total: usize,
    /// One network may hold at most this part of what is free: 8 means an eighth.
    pub part: usize,
    /// A network may always hold this much while the pool is not exhausted.
    pub minimum: usize,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_network: HashMap<Network, usize>,
}

/// Returned to the pool when it is dropped.
#[must_use = "a share that is dropped is returned"]
#[derive(Debug)]
pub struct Share {
    pool: FairPool,
    /// `None`: the share is exempt from the limit per network.
    network: Option<Network>,
    amount: usize,
}

impl FairPool {
    pub fn new(rules: PoolRules) -> Self {
        Self(Arc::new(Inner { rules, held: Mutex::default() }))
    }

    /// Returns `None` if the pool, or the part that this network may hold, is exhausted.
    pub fn take(&self, network: Network, amount: usize) -> Option<Share> {
        self.take_for(Some(network), amount)
    }

    /// Takes a share without the limit per network. Returns `None` if the pool is exhausted.
    pub fn take_exempt(&self, amount: usize) -> Option<Share> {
        self.take_for(None, amount)
    }

    fn take_for(&self, network: Option<Network>, amount: usize) -> Option<Share> {
        let mut share = Share { pool: self.clone(), network, amount: 0 };
        share.grow(amount).then_some(share)
    }

    /// The amount that is currently held by all networks together.
    pub fn held(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Grows the share. Returns false if the pool does not allow that much more.
    pub fn grow(&mut self, by: usize) -> bool {
        let mut held = self.pool.lock();
        if !held.allows(self.network, by, self.pool.0.rules) {
            return false;
        }
        held.total += by;
        for (network, _) in self.network.into_iter().flat_map(Network::counted_networks) {
            *held.by_network.entry(network).or_default() += by;
        }
        self.amount += by;
        true
    }
}

impl Held {
    fn allows(&self, network: Option<Network>, by: usize, rules: PoolRules) -> bool {
        let free = rules.total.saturating_sub(self.total);
        let part = (free / rules.part.max(1)).max(rules.minimum);
        by <= free
            && network.into_iter().flat_map(Network::counted_networks).all(|(network, times)| {
                let after = self.by_network.get(&network).copied().unwrap_or_default() + by;
                after <= part.saturating_mul(times as usize)
            })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.pool.lock();
        held.total -= self.amount;
        for (network, _) in self.network.into_iter().flat_map(Network::counted_networks) {
            if let Some(of_network) = held.by_network.get_mut(&network) {
                *of_network -= self.amount;
                if *of_network == 0 {
                    held.by_network.remove(&network);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: PoolRules = PoolRules { total: 1_000, part: 8, minimum: 1 };

    /// Takes one at a time until the network gets no more.
    fn take_all(pool: &FairPool, network: Network) -> Vec<Share> {
        std::iter::from_fn(|| pool.take(network, 1)).take(10 * RULES.total).collect()
    }

    fn v6(text: &str) -> Network {
        Network::from(text.parse::<std::net::IpAddr>().expect("an address"))
    }

    #[test]
    fn one_network_gets_a_part_and_ten_leave_room_for_an_eleventh() {
        let pool = FairPool::new(RULES);
        let first = take_all(&pool, Network::V4(1));
        assert_eq!(first.len(), 111);

        let others: Vec<_> = (2..=10).map(|number| take_all(&pool, Network::V4(number))).collect();
        let eleventh = take_all(&pool, Network::V4(11));

        assert!(
            others.iter().all(|shares| shares.len() >= 30),
            "{:?}",
            others.iter().map(Vec::len).collect::<Vec<_>>()
        );
        assert!(eleventh.len() >= 30, "{}", eleventh.len());
    }

    #[test]
    fn returned_shares_can_be_taken_again_and_take_no_memory() {
        let pool = FairPool::new(RULES);
        let before = take_all(&pool, Network::V4(1)).len();

        assert_eq!(take_all(&pool, Network::V4(1)).len(), before);
        assert_eq!((pool.held(), pool.lock().by_network.len()), (0, 0));
    }

    #[test]
    fn exempt_shares_may_take_everything_and_leave_less_to_others() {
        let pool = FairPool::new(RULES);
        let _exempt = pool.take_exempt(920).expect("a share");
        let of_one = take_all(&pool, Network::V4(1));

        assert_eq!(of_one.len(), 9);
        assert!(pool.take_exempt(72).is_none());
        assert!(pool.take_exempt(71).is_some());
    }

    #[test]
    fn a_share_that_cannot_grow_keeps_its_amount() {
        let pool = FairPool::new(RULES);
        let mut share = pool.take(Network::V4(1), 100).expect("a share");

        assert!(!share.grow(100));
        assert_eq!(pool.held(), 100);
        drop(share);
        assert_eq!(pool.held(), 0);
    }

    #[test]
    fn a_network_gets_the_minimum_until_the_pool_is_exhausted() {
        let pool = FairPool::new(PoolRules { total: 4, part: 8, minimum: 1 });
        let shares: Vec<_> = (0..6).map(|number| pool.take(Network::V4(number), 1)).collect();

        assert_eq!(shares.iter().filter(|share| share.is_some()).count(), 4);
    }

    #[test]
    fn many_subnets_of_one_ipv6_subscriber_get_what_four_addresses_get() {
        let pool = FairPool::new(RULES);
        let shares: Vec<_> = (0..200)
            .flat_map(|subnet| take_all(&pool, v6(&format!("2001:db8:0:{subnet:x}00::1"))))
            .collect();
        let other = take_all(&pool, v6("2001:db8:1::1"));

        assert!(shares.len() <= 4 * 111, "{}", shares.len());
        assert!(other.len() >= 50, "{}", other.len());
    }
}
