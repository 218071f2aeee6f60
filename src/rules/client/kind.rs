//! Kinds of clients. The kind never changes, and a client of another kind has another id.

/// How a client came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientKind {
    /// It registered itself, or publishes a document about itself. It has no secret.
    Registered,
    /// A member of an organization created it for this organization. It has a secret.
    Private,
    /// The version of a private client that a reviewer approved for all organizations. It has a
    /// secret of its own.
    Published,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such kind of client")]
pub struct ClientKindError;

impl ClientKind {
    pub const ALL: [Self; 3] = [Self::Registered, Self::Private, Self::Published];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Private => "private",
            Self::Published => "published",
        }
    }

    pub fn parse(text: &str) -> Result<Self, ClientKindError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(ClientKindError)
    }

    /// Whether the client keeps a secret (RFC 6749 section 2.1), with which it must authenticate.
    pub const fn is_confidential(self) -> bool {
        matches!(self, Self::Private | Self::Published)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_from_its_name() {
        for kind in ClientKind::ALL {
            assert_eq!(ClientKind::parse(kind.as_str()), Ok(kind));
        }
        for text in ["", "Private", "document"] {
            assert_eq!(ClientKind::parse(text), Err(ClientKindError), "{text}");
        }
        assert_eq!(ClientKind::ALL.map(ClientKind::is_confidential), [false, true, true]);
    }
}
