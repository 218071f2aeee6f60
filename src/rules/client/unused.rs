//! How many clients that nobody ever authorized or restricted are kept: anybody may register one, so they must not fill the
//! disk. If there are too many, the least recently seen ones are deleted; the same metadata brings the same `client_id` back.

/// How many such clients there are, and how many bytes their metadata takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    pub clients: u64,
    pub bytes: u64,
}

/// The most that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnusedBounds {
    pub clients: u64,
    pub bytes: u64,
}

impl UnusedBounds {
    /// Once a bound is exceeded, one part in this many is freed, so that the next registration does not exceed it again.
    const SLACK: u64 = 16;

    pub const fn are_exceeded_by(&self, unused: Unused) -> bool {
        unused.clients > self.clients || unused.bytes > self.bytes
    }

    /// From 80 % of either bound on.
    pub const fn are_nearly_reached_by(&self, unused: Unused) -> bool {
        unused.clients.saturating_mul(5) >= self.clients.saturating_mul(4)
            || unused.bytes.saturating_mul(5) >= self.bytes.saturating_mul(4)
    }

    /// Whether so many new clients are worth another count: other servers add clients too.
    pub const fn are_worth_a_count_after(&self, added: Unused) -> bool {
        added.clients > self.clients / Self::SLACK || added.bytes > self.bytes / Self::SLACK
    }

    /// How many of the least recently seen clients to delete, given their sizes in that order. None within the bounds.
    pub fn how_many_to_delete(&self, unused: Unused, sizes: impl IntoIterator<Item = u64>) -> usize {
        if !self.are_exceeded_by(unused) {
            return 0;
        }
        let freed = |bound: u64| bound - bound / Self::SLACK;
        let low = Self { clients: freed(self.clients), bytes: freed(self.bytes) };
        let mut left = unused;
        let is_still_over = |bytes: &u64| {
            let is_over = low.are_exceeded_by(left);
            left = Unused { clients: left.clients.saturating_sub(1), bytes: left.bytes.saturating_sub(*bytes) };
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
    fn the_bound_itself_is_within_and_both_bounds_count() {
        let cases = [((32, 3_200), false), ((33, 0), true), ((0, 3_201), true), ((0, 0), false)];
        for ((clients, bytes), expected) in cases {
            assert_eq!(BOUNDS.are_exceeded_by(unused(clients, bytes)), expected, "{clients} {bytes}");
        }
    }

    #[test]
    fn nearly_reached_is_from_80_percent_of_either_on() {
        let cases = [((25, 0), false), ((26, 0), true), ((0, 2_559), false), ((0, 2_560), true)];
        for ((clients, bytes), expected) in cases {
            assert_eq!(BOUNDS.are_nearly_reached_by(unused(clients, bytes)), expected, "{clients} {bytes}");
        }
        let huge = UnusedBounds { clients: u64::MAX, bytes: u64::MAX };
        assert!(!huge.are_nearly_reached_by(unused(1, 1)));
    }

    #[test]
    fn a_sixteenth_of_a_bound_is_worth_a_count() {
        let cases = [((2, 200), false), ((3, 0), true), ((0, 201), true)];
        for ((clients, bytes), expected) in cases {
            assert_eq!(BOUNDS.are_worth_a_count_after(unused(clients, bytes)), expected, "{clients} {bytes}");
        }
    }

    #[test]
    fn as_many_go_as_free_a_sixteenth_of_the_bound_that_was_exceeded() {
        // Clients, bytes, the sizes of the oldest, how many go.
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
            assert_eq!(BOUNDS.how_many_to_delete(unused(clients, bytes), sizes), expected, "{clients} {bytes}");
        }
    }
}
