//! The limits for authorization requests that wait for their user.

/// From `total` waiting requests on, each source may add only a few more. 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingBounds {
    pub total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Ample,
    /// Each source may add only a few more.
    Scarce,
    None,
}

impl WaitingBounds {
    /// The maximum number of waiting requests.
    pub const fn max(&self) -> u64 {
        if self.total == 0 { u64::MAX } else { self.total.saturating_mul(2) }
    }

    pub const fn room(&self, waiting: u64) -> Room {
        match waiting {
            _ if self.total == 0 || waiting < self.total => Room::Ample,
            _ if waiting < self.max() => Room::Scarce,
            _ => Room::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_scarce_at_the_limit_and_used_up_at_twice_the_limit() {
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
