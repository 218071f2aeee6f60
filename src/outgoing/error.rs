//! What became of a request that did not end in an answer: all of it for the log, and less for a stranger.

use std::error::Error;
use std::net::IpAddr;

use crate::rules::syntax::address::AddressKind;
use crate::rules::syntax::uri::UriSyntaxError;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    #[error("the URL {0}")]
    Syntax(#[from] UriSyntaxError),
    #[error("the URL of {host} is read differently by another reader, so nobody knows where it leads")]
    Ambiguous { host: String },
    #[error(
        "the URL of {host} does not use https: http is for loopback addresses only, and only where \
         `client_documents.allow_loopback`, or for webhooks `webhooks.allow_loopback`, is true"
    )]
    NotHttps { host: String },
    #[error(
        "{}: requests go to the public internet only, and to what `outgoing.allow_networks` lists (loopback also where \
         `client_documents.allow_loopback`, or for webhooks `webhooks.allow_loopback`, is true)",
        refused(.host, *.address, *.kind)
    )]
    Refused { host: String, address: IpAddr, kind: AddressKind },
    #[error("the name {host} was not found: {cause}")]
    Unresolved { host: String, cause: String },
    #[error("no connection to {host}: {cause}")]
    Unreachable { host: String, cause: String },
    #[error("{host} did not answer in time")]
    TimedOut { host: String },
    #[error("{host} answered with a redirect, which is not followed")]
    Redirected { host: String },
    #[error("{host} answered with more than {most} bytes")]
    TooLarge { host: String, status: u16, most: usize },
    #[error("{host} did not finish its answer: {cause}")]
    Broken { host: String, cause: String },
    #[error("too many requests are under way, to {host} or in all: try again in a moment")]
    Busy { host: String },
    #[error("the header {} has a name or a value that no header may have", .name.escape_debug())]
    BadHeader { name: String },
    #[error(
        "no HTTPS client can be made: {cause}. The certificates of the system and `outgoing.proxy` are what it needs"
    )]
    NoClient { cause: String },
}

/// An address that stands in the URL, or all that a name leads to.
fn refused(host: &str, address: IpAddr, kind: AddressKind) -> String {
    match host.parse::<IpAddr>() {
        Ok(_) => format!("the address {host} is refused, as {kind}"),
        Err(_) => format!("{host} has only addresses that are refused, such as {address}, {kind}"),
    }
}

/// Of a cause that somebody else words.
const LONGEST_CAUSE: usize = 200;

impl OutgoingError {
    /// For whoever named the URL. What names resolve to inside, and why an inner host is not reached, is not theirs to know:
    /// a name without an address and one with an inner address are told in the same words.
    pub fn told_to_strangers(&self) -> String {
        match self {
            Self::Refused { host, .. } | Self::Unresolved { host, .. } => {
                format!("{host} has no address that this server connects to")
            }
            Self::Unreachable { host, .. } => format!("{host} could not be reached"),
            Self::Broken { host, .. } => format!("{host} did not finish its answer"),
            Self::NoClient { .. } => "this server cannot make requests at the moment".to_owned(),
            Self::NotHttps { host } => format!("the URL of {host} does not use https"),
            Self::Syntax(_)
            | Self::BadHeader { .. }
            | Self::Ambiguous { .. }
            | Self::TimedOut { .. }
            | Self::Redirected { .. }
            | Self::TooLarge { .. }
            | Self::Busy { .. } => self.to_string(),
        }
    }

    /// Ours where the resolver said no, which is somewhere below what the client makes of it.
    pub(super) fn of(host: &str, error: reqwest::Error) -> Self {
        // The URL of a webhook may hold a secret.
        let error = error.without_url();
        let mut below: Option<&(dyn Error + 'static)> = error.source();
        while let Some(cause) = below {
            if let Some(ours) = cause.downcast_ref::<Self>() {
                return ours.clone();
            }
            below = cause.source();
        }
        let host = host.to_owned();
        if error.is_timeout() {
            Self::TimedOut { host }
        } else if error.is_body() || error.is_decode() {
            Self::Broken { host, cause: deepest(&error) }
        } else {
            Self::Unreachable { host, cause: deepest(&error) }
        }
    }
}

/// The first cause, which says most, cut where it is long.
pub(super) fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string().chars().take(LONGEST_CAUSE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_has_a_name_inside_and_an_address_inside_are_told_apart_in_the_log() {
        let (address, kind) = (IpAddr::from([10, 0, 0, 1]), AddressKind::Private);
        let refused = |host: &str| OutgoingError::Refused { host: host.to_owned(), address, kind }.to_string();
        let absent = OutgoingError::Unresolved { host: "nobody.invalid".to_owned(), cause: "no such name".to_owned() };

        assert_eq!(absent.to_string(), "the name nobody.invalid was not found: no such name");
        assert!(
            refused("10.0.0.1").starts_with("the address 10.0.0.1 is refused, as an address of a private network: ")
        );
        assert!(
            refused("a.example").starts_with("a.example has only addresses that are refused, such as 10.0.0.1, an ")
        );
        for text in [refused("10.0.0.1"), refused("a.example")] {
            assert!(text.contains("what `outgoing.allow_networks` lists"), "{text}");
        }
    }

    #[test]
    fn a_stranger_learns_nothing_about_what_is_inside() {
        let host = || "wiki.corp.example".to_owned();
        let inside =
            OutgoingError::Refused { host: host(), address: IpAddr::from([10, 0, 0, 5]), kind: AddressKind::Private };
        let absent = OutgoingError::Unresolved { host: host(), cause: "Name or service not known".to_owned() };

        assert_eq!(inside.told_to_strangers(), absent.told_to_strangers());
        assert_eq!(
            inside.to_string(),
            "wiki.corp.example has only addresses that are refused, such as 10.0.0.5, an address of a private network: \
             requests go to the public internet only, and to what `outgoing.allow_networks` lists (loopback also where \
             `client_documents.allow_loopback`, or for webhooks `webhooks.allow_loopback`, is true)",
        );
        let refused =
            OutgoingError::Unreachable { host: host(), cause: "Connection refused (os error 111)".to_owned() };
        assert_eq!(refused.told_to_strangers(), "wiki.corp.example could not be reached");
    }
}
