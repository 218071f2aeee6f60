//! The steps in the life of an organization's own client, and of a partner. The audit trail uses the
//! same names.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientStep {
    Created,
    Changed,
    Deleted,
    SecretGenerated,
    SecretRegenerated,
    SecretEnded,
    Submitted,
    Withdrawn,
    Published,
    Rejected,
    Suspended,
    Resumed,
    Listed,
    Unlisted,
    Retired,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartnerStep {
    Approved,
    Changed,
    Ended,
}

impl ClientStep {
    pub const ALL: [Self; 15] = [
        Self::Created,
        Self::Changed,
        Self::Deleted,
        Self::SecretGenerated,
        Self::SecretRegenerated,
        Self::SecretEnded,
        Self::Submitted,
        Self::Withdrawn,
        Self::Published,
        Self::Rejected,
        Self::Suspended,
        Self::Resumed,
        Self::Listed,
        Self::Unlisted,
        Self::Retired,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "client.created",
            Self::Changed => "client.changed",
            Self::Deleted => "client.deleted",
            Self::SecretGenerated => "client.secret_generated",
            Self::SecretRegenerated => "client.secret_regenerated",
            Self::SecretEnded => "client.secret_ended",
            Self::Submitted => "client.submitted",
            Self::Withdrawn => "client.withdrawn",
            Self::Published => "client.published",
            Self::Rejected => "client.rejected",
            Self::Suspended => "client.suspended",
            Self::Resumed => "client.resumed",
            Self::Listed => "client.listed",
            Self::Unlisted => "client.unlisted",
            Self::Retired => "client.retired",
        }
    }

    /// What happened, to follow the name of the client.
    pub(super) const fn phrase(self) -> &'static str {
        match self {
            Self::Created => "was created",
            Self::Changed => "was changed",
            Self::Deleted => "was deleted",
            Self::SecretGenerated => "got its first secret",
            Self::SecretRegenerated => "got a new secret",
            Self::SecretEnded => "lost its previous secret",
            Self::Submitted => "was submitted for review",
            Self::Withdrawn => "was withdrawn from review",
            Self::Published => "was published",
            Self::Rejected => "was rejected",
            Self::Suspended => "was suspended",
            Self::Resumed => "was resumed",
            Self::Listed => "is shown to all organizations",
            Self::Unlisted => "is shown to its own organization only",
            Self::Retired => "was retired",
        }
    }
}

impl PartnerStep {
    pub const ALL: [Self; 3] = [Self::Approved, Self::Changed, Self::Ended];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Approved => "partner.approved",
            Self::Changed => "partner.changed",
            Self::Ended => "partner.ended",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Approved => "This organization was approved as a partner.",
            Self::Changed => "What this organization may do as a partner was changed.",
            Self::Ended => "This organization is no longer a partner.",
        }
    }
}
