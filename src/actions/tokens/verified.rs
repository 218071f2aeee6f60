//! Digests of tokens whose signature is known to be good, since it was verified here, or made here.
//!
//! Each is known for one generation of the key set ([`crate::signing::SigningKeys::generation`]), so that no token of a
//! revoked key is found here. The caller reads the generation before it verifies or signs.
//!
//! The youngest are kept, in two generations: when the younger one is full it becomes the older, which is dropped. A cache
//! that prefers what is asked about often would drop the tokens that were given a moment ago, which are asked about next.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::secret::Digest;

/// So many are known at least, and twice as many at most, at some twenty bytes each.
const GENERATION: usize = 131_072;
/// So that threads do not wait for each other.
const SHARDS: usize = 16;

/// Cheap to clone; all clones are one.
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

    /// Nobody finds a second token with the same 128 bits of a digest.
    fn place(&self, token: &Digest, generation: u64) -> (&Mutex<Generations>, [u8; 16]) {
        let mut half: [u8; 16] = std::array::from_fn(|index| token.bytes()[index]);
        // Other tokens' digests are no nearer to the result than to the digest itself.
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
    fn the_youngest_are_known_and_memory_is_bounded() {
        let tokens = VerifiedTokens::default();
        assert!(!tokens.knows(&digest(0), 7));
        for number in 0..4 * GENERATION {
            tokens.remember(&digest(number), 7);
        }

        assert!(!tokens.knows(&digest(0), 7));
        assert!((4 * GENERATION - GENERATION / 2..4 * GENERATION).all(|number| tokens.knows(&digest(number), 7)));
        assert!(!tokens.knows(&digest(4 * GENERATION - 1), 8));
        let held = |shard: &Mutex<Generations>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.younger.len() + shard.older.len()
        };
        assert!(tokens.0.iter().map(held).sum::<usize>() <= 2 * GENERATION);
    }
}
