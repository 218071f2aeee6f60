//! URLs that this server calls for an organization: the receivers of webhooks, and the token
//! endpoints of their auth methods.
//!
//! These URLs must not give access to hosts that only this server can reach. So they must use https
//! on the public internet, or a network that the operator of the server allows. The addresses that
//! a name resolves to are checked again at each request (`outgoing.rs`).

use url::{Position, Url};

use crate::syntax::address::{AddressKind, AddressRules};
use crate::syntax::uri::{Uri, UriSyntaxError};

pub const MAX_LENGTH: usize = 2048;

/// Why a URL is not valid, to follow the name of the member. Messages never quote the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiverUrlMistake {
    #[error("is longer than {MAX_LENGTH} characters: shorten it")]
    TooLong,
    #[error(transparent)]
    Syntax(#[from] UriSyntaxError),
    #[error("has a fragment, which is never sent: remove the # and everything after it")]
    Fragment,
    #[error("does not use https: use https")]
    NotHttps,
    #[error("leads to {0}, which this server does not call: use a host on the public internet")]
    NotPublic(AddressKind),
}

/// Parses a URL that may use the public internet and, for tests, loopback addresses.
pub fn parse(url: &str, allow_loopback: bool) -> Result<String, ReceiverUrlMistake> {
    parse_within(url, &AddressRules { allow_networks: Vec::new(), allow_loopback })
}

/// Checks a URL and returns it unchanged: the request is later sent to exactly this text.
pub fn parse_within(url: &str, rules: &AddressRules) -> Result<String, ReceiverUrlMistake> {
    // Counting bytes is enough: a URL with characters that are not ASCII is refused in any case.
    if url.len() > MAX_LENGTH {
        return Err(ReceiverUrlMistake::TooLong);
    }
    if url.contains('#') {
        return Err(ReceiverUrlMistake::Fragment);
    }
    let uri = Uri::parse(url)?;
    let is_http = uri.scheme() == "http";
    if !is_http && uri.scheme() != "https" {
        return Err(ReceiverUrlMistake::NotHttps);
    }
    let address = uri.host()?.known_address();
    let is_this_machine = address.is_some_and(|address| address.to_canonical().is_loopback());
    if is_http && !(rules.allow_loopback && is_this_machine) {
        return Err(ReceiverUrlMistake::NotHttps);
    }
    address
        .map_or(Ok(()), |address| rules.check(address))
        .map_err(ReceiverUrlMistake::NotPublic)?;
    Ok(url.to_owned())
}

/// The scheme, host and port of a stored URL (RFC 6454 section 6.2). A text that is not a URL is
/// returned unchanged.
pub fn origin(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().ascii_serialization())
}

/// The host and the port of a stored URL.
pub fn host_and_port(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(url[Position::BeforeHost..Position::AfterPort].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_https_and_a_public_host_is_returned_unchanged() {
        let longest = format!("https://hooks.example/{}", "a".repeat(MAX_LENGTH - 22));
        for url in [
            "https://hooks.example",
            "https://hooks.example:8443/a/$b?c=d&e=%20",
            "https://8.8.8.8/hook",
            "https://[2606:4700::1111]:444/",
            "https://xn--bcher-kva.example/",
            &longest,
        ] {
            assert_eq!(parse(url, false).as_deref(), Ok(url));
        }
    }

    /// Earlier versions stored all these spellings.
    #[test]
    fn equivalent_urls_have_the_same_origin() {
        let cases = [
            (
                "https://auth.example",
                &[
                    "HTTPS://Auth.EXAMPLE/token?a=b:1",
                    "https://auth.example:443/",
                    "https://auth.example:00443",
                ][..],
            ),
            (
                "https://auth.example:8443",
                &["https://AUTH.example:8443/a", "https://auth.example:08443?a"],
            ),
            ("https://auth.example:80", &["https://auth.example:80/"]),
            ("http://127.0.0.1", &["http://127.0.0.1:80/token"]),
            ("http://127.0.0.1:443", &["http://127.0.0.1:443/token"]),
            (
                "https://[2606:4700::1111]",
                &["https://[2606:4700:0:0::1111]:443/", "https://[2606:4700::1111]"],
            ),
            ("https://[2606:4700::1111]:444", &["https://[2606:4700::1111]:444/"]),
        ];
        for (expected, urls) in cases {
            for url in urls {
                assert_eq!(origin(url), expected, "{url}");
                assert_eq!(
                    host_and_port(url).as_deref(),
                    expected.split_once("://").map(|(_, host)| host),
                    "{url}"
                );
            }
        }
        assert_eq!((origin("no url").as_str(), host_and_port("no url")), ("no url", None));
    }

    #[test]
    fn every_mistake_is_reported() {
        use ReceiverUrlMistake::{Fragment, NotHttps, Syntax, TooLong};
        let too_long = format!("https://hooks.example/{}", "a".repeat(MAX_LENGTH - 21));
        let cases = [
            ("", Syntax(UriSyntaxError::NoScheme)),
            ("hooks.example/a", Syntax(UriSyntaxError::NoScheme)),
            ("https:hooks.example", Syntax(UriSyntaxError::NoHost)),
            ("https:///a", Syntax(UriSyntaxError::NoHost)),
            ("https://user:pass@hooks.example/", Syntax(UriSyntaxError::UserInfo)),
            ("https://@hooks.example/", Syntax(UriSyntaxError::UserInfo)),
            ("https://hooks.example\\@10.0.0.1/", Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://hooks.example/a b", Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://hooks.example/\r\nHost: other", Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://b\u{fc}cher.example/", Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://hooks.example/%zz", Syntax(UriSyntaxError::BadPercentEncoding)),
            ("https://2130706433/", Syntax(UriSyntaxError::BadHost)),
            ("https://hooks.example:0/", Syntax(UriSyntaxError::BadPort)),
            ("https://[2606:4700::1111]:443/", Syntax(UriSyntaxError::DefaultPort)),
            ("HTTPS://hooks.example/", Syntax(UriSyntaxError::Uppercase)),
            ("https://Hooks.EXAMPLE/", Syntax(UriSyntaxError::Uppercase)),
            ("https://hooks.example/a/../b", Syntax(UriSyntaxError::DotSegments)),
            ("https://hooks.example/a?b='c'", Syntax(UriSyntaxError::Apostrophe)),
            ("https://[::ffff:127.0.0.1]/", Syntax(UriSyntaxError::AddressNotation)),
            ("https://hooks.example/#a", Fragment),
            ("https://hooks.example#", Fragment),
            ("http://hooks.example/", NotHttps),
            ("http://127.0.0.1/", NotHttps),
            ("ftp://hooks.example/", NotHttps),
            ("file:///etc/passwd", NotHttps),
            ("javascript:alert(1)", NotHttps),
            (&too_long, TooLong),
        ];
        for (url, mistake) in cases {
            assert_eq!(parse(url, false), Err(mistake), "{url}");
        }
    }

    #[test]
    fn private_hosts_are_refused() {
        for (host, kind) in [
            ("127.0.0.1", AddressKind::Loopback),
            ("localhost", AddressKind::Loopback),
            ("api.localhost", AddressKind::Loopback),
            ("[::1]", AddressKind::Loopback),
            ("[::ffff:7f00:1]", AddressKind::Loopback),
            ("0.0.0.0", AddressKind::Unspecified),
            ("10.0.0.1", AddressKind::Private),
            ("[64:ff9b::a00:1]", AddressKind::Private),
            ("169.254.169.254", AddressKind::Metadata),
            ("169.254.0.1", AddressKind::LinkLocal),
            ("224.0.0.1", AddressKind::Multicast),
            ("[fd00::1]", AddressKind::UniqueLocal),
            ("100.64.0.1", AddressKind::SharedSpace),
        ] {
            let url = format!("https://{host}:8443/hook");
            assert_eq!(parse(&url, false), Err(ReceiverUrlMistake::NotPublic(kind)), "{url}");
        }
    }

    #[test]
    fn allow_loopback_also_allows_http_but_no_other_private_address() {
        for url in [
            "http://127.0.0.1:8000/a",
            "http://localhost/a",
            "http://[::1]/a",
            "https://localhost/a",
        ] {
            assert_eq!(parse(url, true).as_deref(), Ok(url));
        }
        assert_eq!(parse("http://10.0.0.1/", true), Err(ReceiverUrlMistake::NotHttps));
        assert_eq!(parse("http://hooks.example/", true), Err(ReceiverUrlMistake::NotHttps));
        assert!(parse("https://10.0.0.1/", true).is_err());
    }

    #[test]
    fn allowed_networks_apply_to_literal_addresses() {
        let network = "10.0.0.0/8".parse().expect("a network");
        let rules = AddressRules { allow_networks: vec![network], allow_loopback: false };

        assert!(parse_within("https://10.1.2.3/hook", &rules).is_ok());
        assert!(parse_within("https://192.168.0.1/hook", &rules).is_err());
        assert_eq!(parse_within("http://10.1.2.3/hook", &rules), Err(ReceiverUrlMistake::NotHttps));
    }
}
