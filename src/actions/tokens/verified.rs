//! Caches the digests of tokens whose signature this server verified or made.
//!
//! Each entry is valid for one generation of the key set
//! ([`crate::signing::SigningKeys::generation`]), so that no token of a revoked key is found here.
//! The caller reads the generation before it verifies or signs.
//!
//! The newest entries are kept in two halves. When the younger half is full, it replaces the older
//! one, which is dropped. A cache that prefers frequent entries would drop newly issued tokens,
//! which are the next ones to be checked.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::rules::secret::Digest;

/// At least this many digests are cached, and at most twice as many, at about twenty bytes each.
const GENERATION: usize = 131_072;
/// Number of locks, so that threads rarely wait for each other.
const SHARDS: usize = 16;

/// Cheap to clone; all clones share the cache.
#[derive(Clone, Default)]
pub struct VerifiedTokens(Arc<[Mutex<Generations>; SHARDS]>);

#[derive(Default)]
struct Generations {
    younger: HashSet<[u8; 16]>,
    older: HashSet<[u8; 16]>,
}

impl VerifiedTokens {
    pub fn remember(&self, token: &Digest, generation: u64) {
        let (shard, half) = self.place(token, generation);
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.younger.len() >= GENERATION / SHARDS {
            shard.older = std::mem::take(&mut shard.younger);
        }
        shard.younger.insert(half);
    }

    pub fn knows(&self, token: &Digest, generation: u64) -> bool {
        let (shard, half) = self.place(token, generation);
        let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.younger.contains(&half) || shard.older.contains(&half)
    }

    /// 128 bits of the digest suffice, since finding a second token with the same bits is
    /// infeasible.
    fn place(&self, token: &Digest, generation: u64) -> (&Mutex<Generations>, [u8; 16]) {
        let mut half: [u8; 16] = std::array::from_fn(|index| token.bytes()[index]);
        // Mixing in the generation makes a collision with another digest no more likely.
        for (byte, of_generation) in half[8..].iter_mut().zip(generation.to_be_bytes()) {
            *byte ^= of_generation;
        }
        (&self.0[usize::from(half[0]) % SHARDS], half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> Digest {
        Digest::of(&number.to_string())
    }

    #[test]
    fn the_newest_tokens_are_known_and_memory_is_bounded() {
        let tokens = VerifiedTokens::default();
        assert!(!tokens.knows(&digest(0), 7));
        for number in 0..4 * GENERATION {
            tokens.remember(&digest(number), 7);
        }

        assert!(!tokens.knows(&digest(0), 7));
        assert!(
            (4 * GENERATION - GENERATION / 2..4 * GENERATION)
                .all(|number| tokens.knows(&digest(number), 7))
        );
        assert!(!tokens.knows(&digest(4 * GENERATION - 1), 8));
        let held = |shard: &Mutex<Generations>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.younger.len() + shard.older.len()
        };
        assert!(tokens.0.iter().map(held).sum::<usize>() <= 2 * GENERATION);
    }
}
