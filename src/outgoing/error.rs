//! Why an outgoing request failed, with a detailed message for the log and a public one for others.

use std::error::Error;
use std::net::IpAddr;

use crate::rules::syntax::address::AddressKind;
use crate::rules::syntax::uri::UriSyntaxError;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutgoingError {
    #[error("the URL {0}")]
    Syntax(#[from] UriSyntaxError),
    #[error(
        "the URL of {host} does not use https: http is allowed only for loopback addresses, if \
         `client_documents.allow_loopback` (or `webhooks.allow_loopback` for webhooks) is true"
    )]
    NotHttps { host: String },
    #[error(
        "{}: requests go only to the public internet and to the networks in \
         `outgoing.allow_networks` (and to loopback if `client_documents.allow_loopback`, or \
         `webhooks.allow_loopback` for webhooks, is true)",
        refused(.host, *.address, *.kind)
    )]
    Refused { host: String, address: IpAddr, kind: AddressKind },
    #[error("the host name {host} could not be resolved: {cause}")]
    Unresolved { host: String, cause: String },
    #[error("no connection to {host}: {cause}")]
    Unreachable { host: String, cause: String },
    #[error("{host} did not respond in time")]
    TimedOut { host: String },
    #[error("{host} responded with a redirect, which is not followed")]
    Redirected { host: String },
    #[error("{host} responded with more than {max_bytes} bytes")]
    TooLarge { host: String, status: u16, max_bytes: usize },
    #[error("{host} did not finish its response: {cause}")]
    Broken { host: String, cause: String },
    #[error("too many requests to {host}, or in total, are in progress; retry in a moment")]
    Busy { host: String },
    #[error("the header {} has an invalid name or value", .name.escape_debug())]
    BadHeader { name: String },
    #[error(
        "the HTTPS client could not be created: {cause}. It needs the certificates of the system \
         and a valid `outgoing.proxy`, if that is set"
    )]
    NoClient { cause: String },
}

/// Describes a refused address in the URL, or a name that resolves only to refused addresses.
fn refused(host: &str, address: IpAddr, kind: AddressKind) -> String {
    match host.parse::<IpAddr>() {
        Ok(_) => format!("the address {host} is not allowed, since it is {kind}"),
        Err(_) => format!("{host} has no allowed address; {address} is {kind}"),
    }
}

/// Longer causes, which other libraries word, are cut off.
const MAX_CAUSE_LENGTH: usize = 200;

impl OutgoingError {
    /// The message for anyone who sent the URL. It must not reveal internal names or hosts, so a
    /// name without an address and a name with an internal address have the same message.
    pub fn public_message(&self) -> String {
        match self {
            Self::Refused { host, .. } | Self::Unresolved { host, .. } => {
                format!("{host} has no address that this server connects to")
            }
            Self::Unreachable { host, .. } => format!("{host} could not be reached"),
            Self::Broken { host, .. } => format!("{host} did not finish its response"),
            Self::NoClient { .. } => "this server cannot send requests at the moment".to_owned(),
            Self::NotHttps { host } => format!("the URL of {host} does not use https"),
            Self::Syntax(_)
            | Self::BadHeader { .. }
            | Self::TimedOut { .. }
            | Self::Redirected { .. }
            | Self::TooLarge { .. }
            | Self::Busy { .. } => self.to_string(),
        }
    }

    /// Returns our own error if the resolver refused the name. The HTTP library wraps it several
    /// times.
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

/// Returns the first cause, which is the most specific one, with a limited length.
pub(super) fn deepest(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string().chars().take(MAX_CAUSE_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_distinguishes_unknown_names_internal_names_and_internal_addresses() {
        let (address, kind) = (IpAddr::from([10, 0, 0, 1]), AddressKind::Private);
        let refused = |host: &str| {
            OutgoingError::Refused { host: host.to_owned(), address, kind }.to_string()
        };
        let absent = OutgoingError::Unresolved {
            host: "nobody.invalid".to_owned(),
            cause: "no such name".to_owned(),
        };

        assert_eq!(
            absent.to_string(),
            "the host name nobody.invalid could not be resolved: no such name"
        );
        assert!(
            refused("10.0.0.1").starts_with("the address 10.0.0.1 is not allowed, since it is an ")
        );
        assert!(
            refused("a.example").starts_with("a.example has no allowed address; 10.0.0.1 is an ")
        );
        for text in [refused("10.0.0.1"), refused("a.example")] {
            assert!(text.contains("the networks in `outgoing.allow_networks`"), "{text}");
        }
    }

    #[test]
    fn public_messages_reveal_nothing_about_the_internal_network() {
        let host = || "wiki.corp.example".to_owned();
        let inside = OutgoingError::Refused {
            host: host(),
            address: IpAddr::from([10, 0, 0, 5]),
            kind: AddressKind::Private,
        };
        let absent = OutgoingError::Unresolved {
            host: host(),
            cause: "Name or service not known".to_owned(),
        };

        assert_eq!(inside.public_message(), absent.public_message());
        assert_eq!(
            inside.to_string(),
            "wiki.corp.example has no allowed address; 10.0.0.5 is an address of a private network: \
             requests go only to the public internet and to the networks in \
             `outgoing.allow_networks` (and to loopback if `client_documents.allow_loopback`, or \
             `webhooks.allow_loopback` for webhooks, is true)",
        );
        let refused = OutgoingError::Unreachable {
            host: host(),
            cause: "Connection refused (os error 111)".to_owned(),
        };
        assert_eq!(refused.public_message(), "wiki.corp.example could not be reached");
    }
}
