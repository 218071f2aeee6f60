//! Parses and checks the URL of a request before anything is sent: its scheme, and its address if
//! it contains one.

use std::net::{IpAddr, Ipv4Addr};

use url::Url;

use crate::outgoing::error::OutgoingError;
use crate::rules::syntax::address::AddressRules;
use crate::rules::syntax::uri::Uri;

#[derive(Debug)]
pub struct Target {
    pub url: Url,
    /// The host in lower case, without the brackets of an address. It has at most 253 bytes.
    pub host: String,
}

impl Target {
    pub fn parse(text: &str, rules: &AddressRules) -> Result<Self, OutgoingError> {
        Self::read(text, Some(rules))
    }

    /// Accepts http and https URLs with any host.
    pub fn parse_any(text: &str) -> Result<Self, OutgoingError> {
        Self::read(text, None)
    }

    /// Reads any spelling, since the URLs of webhooks that earlier versions stored must keep working.
    /// The host that is checked here is the one that the request goes to.
    fn read(text: &str, rules: Option<&AddressRules>) -> Result<Self, OutgoingError> {
        let uri = Uri::parse_any_spelling(text)?;
        let host = uri.host()?;
        let name = host.text.trim_matches(['[', ']']).to_owned();
        if let (Some(rules), Some(address)) = (rules, host.address) {
            let refused = |kind| OutgoingError::Refused { host: name.clone(), address, kind };
            rules.check(address).map_err(refused)?;
        }
        let is_this_machine =
            host.known_address().is_some_and(|address| address.to_canonical().is_loopback());
        let may_use_http = rules.is_none_or(|rules| rules.allow_loopback && is_this_machine);
        match uri.scheme() {
            "https" => {}
            "http" if may_use_http => {}
            _ => return Err(OutgoingError::NotHttps { host: name }),
        }
        Ok(Self { host: name, url: uri.into_url() })
    }

    /// Checks what is known without resolving the name, for requests through a proxy: `localhost`
    /// is a loopback address (RFC 6761 section 6.3).
    pub fn check_name(&self, rules: &AddressRules) -> Result<(), OutgoingError> {
        if self.host != "localhost" && !self.host.ends_with(".localhost") {
            return Ok(());
        }
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let refused = |kind| OutgoingError::Refused { host: self.host.clone(), address, kind };
        rules.check(address).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::syntax::address::AddressKind;
    use crate::rules::syntax::uri::UriSyntaxError;

    fn host(text: &str, allow_loopback: bool) -> Result<String, OutgoingError> {
        let rules = AddressRules { allow_loopback, ..Default::default() };
        Target::parse(text, &rules).map(|target| target.host)
    }

    #[test]
    fn requests_go_to_https_on_names_and_public_addresses() {
        for (url, expected) in [
            ("https://app.example/client.json", "app.example"),
            ("https://app.example:8443/client.json?a=b", "app.example"),
            ("https://xn--bcher-kva.example/c", "xn--bcher-kva.example"),
            ("https://8.8.8.8/c", "8.8.8.8"),
            ("https://[2606:4700::1111]/c", "2606:4700::1111"),
        ] {
            assert_eq!(host(url, false), Ok(expected.to_owned()), "{url}");
        }
    }

    #[test]
    fn urls_that_earlier_versions_stored_keep_working() {
        for (url, expected) in [
            ("HTTPS://APP.example/c", "app.example"),
            ("https://app.example:443/c", "app.example"),
            ("https://app.example:08443/c", "app.example"),
            ("https://app.example/a/../c?d='e'", "app.example"),
            ("https://[2606:4700:0::1111]/c", "2606:4700::1111"),
        ] {
            assert_eq!(host(url, false), Ok(expected.to_owned()), "{url}");
        }
    }

    #[test]
    fn literal_addresses_that_are_not_public_are_refused() {
        for (url, kind) in [
            ("https://127.0.0.1/c", AddressKind::Loopback),
            ("https://[::1]/c", AddressKind::Loopback),
            ("https://[::ffff:7f00:1]/c", AddressKind::Loopback),
            ("https://[::ffff:127.0.0.1]/c", AddressKind::Loopback),
            ("https://[0:0:0:0:0:0:0:1]/c", AddressKind::Loopback),
            ("https://[64:ff9b::a00:1]/c", AddressKind::Private),
            ("https://10.0.0.1:8443/c", AddressKind::Private),
            ("https://169.254.169.254/latest/meta-data", AddressKind::Metadata),
            ("https://0.0.0.0/c", AddressKind::Unspecified),
        ] {
            assert!(
                matches!(host(url, false), Err(OutgoingError::Refused { kind: found, .. }) if found == kind),
                "{url}"
            );
        }
    }

    #[test]
    fn http_is_accepted_only_for_loopback_if_that_is_allowed() {
        for url in ["http://127.0.0.1:8000/c", "http://[::1]/c", "http://localhost:8000/c"] {
            assert!(host(url, false).is_err(), "{url}");
            assert!(host(url, true).is_ok(), "{url}");
        }
        for url in ["http://app.example/c", "http://8.8.8.8/c", "ftp://app.example/c"] {
            assert!(matches!(host(url, true), Err(OutgoingError::NotHttps { .. })), "{url}");
        }
    }

    #[test]
    fn operators_may_use_http_and_any_host_but_no_ambiguous_url() {
        for url in [
            "http://10.0.0.1/c",
            "https://169.254.169.254/",
            "http://app.example/c",
            "http://localhost:8000/c",
        ] {
            assert!(Target::parse_any(url).is_ok(), "{url}");
        }
        for url in
            ["ftp://app.example/c", "http://127.1/c", "http://app.example@10.0.0.1/", "app.example"]
        {
            assert!(Target::parse_any(url).is_err(), "{url}");
        }
    }

    #[test]
    fn localhost_is_refused_without_resolving_it() {
        for (url, passes) in [
            ("https://localhost/c", false),
            ("https://x.LOCALHOST/c", false),
            ("https://a.example/c", true),
        ] {
            let strict = AddressRules::default();
            let target = Target::parse(url, &strict).expect(url);
            assert_eq!(target.check_name(&strict).is_ok(), passes, "{url}");
            assert!(
                target.check_name(&AddressRules { allow_loopback: true, ..strict }).is_ok(),
                "{url}"
            );
        }
    }

    #[test]
    fn malformed_and_ambiguous_urls_are_refused() {
        for (url, expected) in [
            ("app.example/c", UriSyntaxError::NoScheme),
            ("https:app.example/c", UriSyntaxError::NoHost),
            ("https://user@app.example/c", UriSyntaxError::UserInfo),
            ("https://app.example\\@10.0.0.1/c", UriSyntaxError::ForbiddenCharacter),
            ("https://2130706433/c", UriSyntaxError::BadHost),
            ("https://0x7f.1/c", UriSyntaxError::BadHost),
            ("https://app.example./c", UriSyntaxError::BadHost),
            ("https://app.example:0/c", UriSyntaxError::BadPort),
            ("file:///etc/passwd", UriSyntaxError::NoHost),
            // An A-label that no name encodes to.
            ("https://xn--a.example/c", UriSyntaxError::BadHost),
        ] {
            assert_eq!(host(url, true), Err(OutgoingError::Syntax(expected)), "{url}");
        }
    }
}
