//! What is proven about the client of a request. The consent page and the sign-in page speak of it accordingly.

use crate::rules::redirect::uri::RedirectKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// A metadata document on the host that receives access describes the client: whoever runs that host answers for it.
    Host,
    /// Access is sent to a web server, and nothing proves who runs it.
    Unproven,
    /// Access is sent to a program on the user's device, where any program can take the client's place (RFC 8252 section 8.6).
    Device,
}

impl ClientProof {
    /// `document` is the URL of the client's metadata document.
    pub fn of(document: Option<&str>, redirect: &str, kind: RedirectKind) -> Self {
        let describes_itself = || {
            let (document, redirect) = (document.and_then(authority), authority(redirect));
            document.zip(redirect).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
        };
        match kind {
            RedirectKind::Https if describes_itself() => Self::Host,
            RedirectKind::Https => Self::Unproven,
            RedirectKind::Loopback | RedirectKind::PrivateUse => Self::Device,
        }
    }

    /// Whether the user is warned before the facts. `is_used_here`: somebody in the organization has authorized the client.
    pub const fn needs_a_warning(self, is_used_here: bool) -> bool {
        match self {
            Self::Host => false,
            Self::Unproven => !is_used_here,
            Self::Device => true,
        }
    }
}

/// The host with its port, of a URI that was parsed before.
pub fn authority(uri: &str) -> Option<&str> {
    uri.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_proven_only_by_a_document_on_the_host_that_receives_access() {
        use ClientProof::{Device, Host, Unproven};
        use RedirectKind::{Https, Loopback, PrivateUse};
        let cases = [
            (Some("https://app.example/client.json"), "https://app.example/cb", Https, Host),
            (Some("https://app.example/client.json"), "https://APP.example?x=1", Https, Host),
            (Some("https://app.example:8443/client.json"), "https://app.example:8443/cb", Https, Host),
            (Some("https://app.example/client.json"), "https://app.example:8443/cb", Https, Unproven),
            (Some("https://app.example/client.json"), "https://evil.example/app.example/cb", Https, Unproven),
            (Some("https://app.example/client.json"), "https://www.app.example/cb", Https, Unproven),
            (Some("https://app.example/client.json"), "http://localhost:1/cb", Loopback, Device),
            (Some("https://localhost/client.json"), "https://localhost/cb", Loopback, Device),
            (Some("https://app.example/client.json"), "cursor://app.example/cb", PrivateUse, Device),
            (None, "https://app.example/cb", Https, Unproven),
            (None, "http://127.0.0.1/cb", Loopback, Device),
        ];
        for (document, redirect, kind, expected) in cases {
            assert_eq!(ClientProof::of(document, redirect, kind), expected, "{document:?} {redirect}");
        }
    }

    #[test]
    fn a_program_and_an_unproven_app_that_nobody_uses_come_with_a_warning() {
        let cases = [
            (ClientProof::Device, true, true),
            (ClientProof::Device, false, true),
            (ClientProof::Unproven, false, true),
            (ClientProof::Unproven, true, false),
            (ClientProof::Host, false, false),
        ];
        for (proof, is_used_here, expected) in cases {
            assert_eq!(proof.needs_a_warning(is_used_here), expected, "{proof:?} {is_used_here}");
        }
    }
}
