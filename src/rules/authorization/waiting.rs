//! How much room there is for one more authorization request that waits for its user.

/// From how many waiting requests on each source may add only a few. 0 is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingBounds {
    pub total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Ample,
    /// Each source may add a few.
    Scarce,
    None,
}

impl WaitingBounds {
    pub const fn most(&self) -> u64 {
        if self.total == 0 { u64::MAX } else { self.total.saturating_mul(2) }
    }

    pub const fn room(&self, waiting: u64) -> Room {
        match waiting {
            _ if self.total == 0 || waiting < self.total => Room::Ample,
            _ if waiting < self.most() => Room::Scarce,
            _ => Room::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_scarce_from_the_bound_on_and_there_is_none_from_twice_the_bound_on() {
        let cases = [
            (0, 0, Room::Ample),
            (0, u64::MAX, Room::Ample),
            (10, 0, Room::Ample),
            (10, 9, Room::Ample),
            (10, 10, Room::Scarce),
            (10, 19, Room::Scarce),
            (10, 20, Room::None),
            (10, u64::MAX, Room::None),
            (u64::MAX, u64::MAX - 1, Room::Ample),
        ];
        for (total, waiting, expected) in cases {
            assert_eq!(WaitingBounds { total }.room(waiting), expected, "{total} {waiting}");
        }
    }
}
