//! Limits for unused clients, which were never authorized or restricted. Registration is open to
//! everyone, so these clients must not fill the disk. If there are too many, the least recently
//! seen ones are deleted. A deleted client that registers the same metadata again gets the same
//! `client_id`.

/// The number of unused clients and the total size of their metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    pub clients: u64,
    pub bytes: u64,
}

/// The maximum that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusedBounds {
    pub clients: u64,
    pub bytes: u64,
}

impl UnusedBounds {
    /// When a bound is exceeded, this fraction of it is freed (1/16), so that the next registration
    /// does not exceed it again.
    const SLACK: u64 = 16;

    pub const fn are_exceeded_by(&self, unused: Unused) -> bool {
        unused.clients > self.clients || unused.bytes > self.bytes
    }

    /// Whether 80 % of either bound is reached.
    pub const fn are_nearly_reached_by(&self, unused: Unused) -> bool {
        unused.clients.saturating_mul(5) >= self.clients.saturating_mul(4)
            || unused.bytes.saturating_mul(5) >= self.bytes.saturating_mul(4)
    }

    /// Whether so many clients were added that they must be counted again. Other servers add
    /// clients too.
    pub const fn need_a_recount_after(&self, added: Unused) -> bool {
        added.clients > self.clients / Self::SLACK || added.bytes > self.bytes / Self::SLACK
    }

    /// How many of the least recently seen clients to delete. `sizes` are their sizes in that
    /// order. Returns 0 within the bounds.
    pub fn how_many_to_delete(
        &self,
        unused: Unused,
        sizes: impl IntoIterator<Item = u64>,
    ) -> usize {
        if !self.are_exceeded_by(unused) {
            return 0;
        }
        let freed = |bound: u64| bound - bound / Self::SLACK;
        let low = Self { clients: freed(self.clients), bytes: freed(self.bytes) };
        let mut left = unused;
        let is_still_over = |bytes: &u64| {
            let is_over = low.are_exceeded_by(left);
            left = Unused {
                clients: left.clients.saturating_sub(1),
                bytes: left.bytes.saturating_sub(*bytes),
            };
            is_over
        };
        sizes.into_iter().take_while(is_still_over).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: UnusedBounds = UnusedBounds { clients: 32, bytes: 3_200 };

    fn unused(clients: u64, bytes: u64) -> Unused {
        Unused { clients, bytes }
    }

    #[test]
    fn a_bound_is_exceeded_by_one_more_client_or_byte() {
        let cases = [((32, 3_200), false), ((33, 0), true), ((0, 3_201), true), ((0, 0), false)];
        for ((clients, bytes), expected) in cases {
            assert_eq!(
                BOUNDS.are_exceeded_by(unused(clients, bytes)),
                expected,
                "{clients} {bytes}"
            );
        }
    }

    #[test]
    fn a_bound_is_nearly_reached_at_80_percent() {
        let cases = [((25, 0), false), ((26, 0), true), ((0, 2_559), false), ((0, 2_560), true)];
        for ((clients, bytes), expected) in cases {
            assert_eq!(
                BOUNDS.are_nearly_reached_by(unused(clients, bytes)),
                expected,
                "{clients} {bytes}"
            );
        }
        let huge = UnusedBounds { clients: u64::MAX, bytes: u64::MAX };
        assert!(!huge.are_nearly_reached_by(unused(1, 1)));
    }

    #[test]
    fn a_recount_is_needed_after_a_sixteenth_of_a_bound() {
        let cases = [((2, 200), false), ((3, 0), true), ((0, 201), true)];
        for ((clients, bytes), expected) in cases {
            assert_eq!(
                BOUNDS.need_a_recount_after(unused(clients, bytes)),
                expected,
                "{clients} {bytes}"
            );
        }
    }

    #[test]
    fn a_sixteenth_of_the_exceeded_bound_is_freed() {
        // Clients, bytes, sizes of the oldest clients, number of deleted clients.
        let cases: [(u64, u64, &[u64], usize); 7] = [
            (32, 3_200, &[100; 9], 0),
            (33, 0, &[0; 9], 3),
            (33, 3_200, &[100; 9], 3),
            (40, 0, &[0; 9], 9),
            (3, 3_201, &[200, 2_000, 1_001], 2),
            (3, 3_201, &[201, 2_000, 1_000], 1),
            (1, 9_999, &[9_999], 1),
        ];
        for (clients, bytes, sizes, expected) in cases {
            let sizes = sizes.iter().copied();
            assert_eq!(
                BOUNDS.how_many_to_delete(unused(clients, bytes), sizes),
                expected,
                "{clients} {bytes}"
            );
        }
    }
}
