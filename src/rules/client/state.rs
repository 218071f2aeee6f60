//! The states of a client, which decide whether it can be used.
//!
//! A private client can be used until it is deleted. The published one cannot be used before its
//! first version is approved, while it is suspended, and after it is retired.

use crate::client::kind::ClientKind;
use crate::timestamp::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// The client registered itself, or publishes a document.
    Registered,
    Private,
    Deleted,
    Unpublished,
    Published,
    Suspended,
    Retired,
}

/// When a client of an organization reached a state. `None`: it has not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Milestones {
    pub deleted_at: Option<Timestamp>,
    /// When its newest version was approved.
    pub published_at: Option<Timestamp>,
    /// `None` again after it was resumed.
    pub suspended_at: Option<Timestamp>,
    pub retired_at: Option<Timestamp>,
}

impl ClientState {
    pub const fn of(kind: ClientKind, milestones: Milestones) -> Self {
        let Milestones { deleted_at, published_at, suspended_at, retired_at } = milestones;
        match kind {
            ClientKind::Registered => Self::Registered,
            ClientKind::Private if deleted_at.is_some() => Self::Deleted,
            ClientKind::Private => Self::Private,
            ClientKind::Published if retired_at.is_some() => Self::Retired,
            ClientKind::Published if published_at.is_none() => Self::Unpublished,
            ClientKind::Published if suspended_at.is_some() => Self::Suspended,
            ClientKind::Published => Self::Published,
        }
    }

    /// Whether users can authorize the client and its tokens work.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Registered | Self::Private | Self::Published)
    }

    /// Whether it has a published version that was not retired. Its private client then cannot be
    /// deleted.
    pub const fn is_in_use(self) -> bool {
        matches!(self, Self::Published | Self::Suspended)
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Private => "private",
            Self::Deleted => "deleted",
            Self::Unpublished => "unpublished",
            Self::Published => "published",
            Self::Suspended => "suspended",
            Self::Retired => "retired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Option<Timestamp> = Some(Timestamp::from_seconds(1));

    #[test]
    fn the_state_follows_from_the_kind_and_the_milestones() {
        use ClientKind::{Private, Published, Registered};
        let none = Milestones::default();
        let published = Milestones { published_at: AT, ..none };
        let cases = [
            (Registered, none, "registered", true, false),
            (Private, none, "private", true, false),
            (Private, Milestones { deleted_at: AT, ..none }, "deleted", false, false),
            (Published, none, "unpublished", false, false),
            (Published, Milestones { suspended_at: AT, ..none }, "unpublished", false, false),
            (Published, published, "published", true, true),
            (Published, Milestones { suspended_at: AT, ..published }, "suspended", false, true),
            (Published, Milestones { retired_at: AT, ..published }, "retired", false, false),
            (
                Published,
                Milestones { retired_at: AT, suspended_at: AT, ..published },
                "retired",
                false,
                false,
            ),
            (Published, Milestones { retired_at: AT, ..none }, "retired", false, false),
        ];
        for (kind, milestones, name, is_usable, is_in_use) in cases {
            let state = ClientState::of(kind, milestones);
            assert_eq!(
                (state.as_str(), state.is_usable(), state.is_in_use()),
                (name, is_usable, is_in_use),
                "{kind:?} {milestones:?}"
            );
        }
    }
}
