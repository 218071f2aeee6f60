//! How far the identity of a client is proven for a request. The consent page and the sign-in page
//! describe the client accordingly.

use crate::redirect::uri::RedirectKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// The client has a metadata document on the host of its redirect URI, so the owner of that
    /// host is responsible for the client.
    Host,
    /// The redirect goes to a web server whose owner is not proven.
    Unproven,
    /// The redirect goes to a program on the user's device, where any program can impersonate the
    /// client (RFC 8252 section 8.6).
    Device,
}

impl ClientProof {
    /// `document` is the URL of the client's metadata document.
    pub fn of(document: Option<&str>, redirect: &str, kind: RedirectKind) -> Self {
        let describes_itself = || {
            let document = document.and_then(authority);
            let redirect = authority(redirect);
            document
                .zip(redirect)
                .is_some_and(|(document, redirect)| document.eq_ignore_ascii_case(redirect))
        };
        match kind {
            RedirectKind::Https if describes_itself() => Self::Host,
            RedirectKind::Https => Self::Unproven,
            RedirectKind::Loopback | RedirectKind::PrivateUse => Self::Device,
        }
    }

    /// Whether the page shows a warning before the details. `is_used_here` is true if a member of
    /// the organization has authorized the client.
    pub const fn needs_a_warning(self, is_used_here: bool) -> bool {
        match self {
            Self::Host => false,
            Self::Unproven => !is_used_here,
            Self::Device => true,
        }
    }
}

/// The host and port of a valid URI.
pub fn authority(uri: &str) -> Option<&str> {
    uri.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_proven_only_by_a_document_on_the_host_of_its_redirect_uri() {
        use ClientProof::{Device, Host, Unproven};
        use RedirectKind::{Https, Loopback, PrivateUse};
        let cases = [
            (Some("https://app.example/client.json"), "https://app.example/cb", Https, Host),
            (Some("https://app.example/client.json"), "https://APP.example?x=1", Https, Host),
            (
                Some("https://app.example:8443/client.json"),
                "https://app.example:8443/cb",
                Https,
                Host,
            ),
            (
                Some("https://app.example/client.json"),
                "https://app.example:8443/cb",
                Https,
                Unproven,
            ),
            (
                Some("https://app.example/client.json"),
                "https://evil.example/app.example/cb",
                Https,
                Unproven,
            ),
            (
                Some("https://app.example/client.json"),
                "https://www.app.example/cb",
                Https,
                Unproven,
            ),
            (Some("https://app.example/client.json"), "http://localhost:1/cb", Loopback, Device),
            (Some("https://localhost/client.json"), "https://localhost/cb", Loopback, Device),
            (
                Some("https://app.example/client.json"),
                "cursor://app.example/cb",
                PrivateUse,
                Device,
            ),
            (None, "https://app.example/cb", Https, Unproven),
            (None, "http://127.0.0.1/cb", Loopback, Device),
        ];
        for (document, redirect, kind, expected) in cases {
            assert_eq!(
                ClientProof::of(document, redirect, kind),
                expected,
                "{document:?} {redirect}"
            );
        }
    }

    #[test]
    fn a_program_on_a_device_and_an_unproven_new_app_need_a_warning() {
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
