//! Redirect URIs of clients (RFC 6749 section 3.1.2, RFC 8252 section 7), stored byte for byte as
//! sent.
//!
//! `https` is accepted, `http` for three names of the user's own machine, and the private-use
//! schemes of native apps. Schemes that run code, read files or belong to the browser or the
//! network are refused. URIs are compared byte for byte, except for the port of an `http` loopback
//! address, because a native app uses any free port (RFC 8252 section 7.3).

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::syntax::address;
use crate::syntax::address::AddressKind;
use crate::syntax::uri::{Host, LOOPBACK_HOSTS, Uri, UriSyntaxError};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RedirectUri {
    text: String,
    kind: RedirectKind,
}

/// How the redirect reaches the client (RFC 8252 section 7). The consent page warns accordingly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedirectKind {
    /// A web server, which is identified by its domain and certificate.
    Https,
    /// Any program that listens on that port of the user's machine (RFC 8252 section 7.3). This
    /// includes `https`, because a certificate for such a name does not identify the program.
    Loopback,
    /// Any app that claimed the scheme on the user's machine (RFC 8252 section 7.1).
    PrivateUse,
}

/// The reason why a redirect URI is refused, with the remedy. The texts are constant and never
/// quote the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    #[error("is empty: send the full URI")]
    Empty,
    #[error("is longer than 2048 bytes: shorten it")]
    TooLong,
    #[error("has a fragment: remove the # and what follows it")]
    Fragment,
    #[error(transparent)]
    Syntax(#[from] UriSyntaxError),
    #[error("must use https; http is allowed only for 127.0.0.1, [::1] and localhost")]
    HttpBeyondLoopback,
    #[error(
        "uses a reserved scheme: use https, or a scheme of your app, such as com.example.app:/callback"
    )]
    DeniedScheme,
    #[error("has a wildcard in its host: register each URI separately")]
    Wildcard,
    #[error("has nothing after its scheme: add a path, such as com.example.app:/callback")]
    NothingAfterScheme,
}

/// Schemes that run code, read files, or belong to the browser, the system or the network, in lower
/// case. `localhost` is the scheme of a URI whose `http://` was forgotten.
const DENIED_SCHEMES: [&str; 58] = [
    "about",
    "afp",
    "blob",
    "chrome",
    "chrome-devtools",
    "chrome-extension",
    "chrome-search",
    "chrome-untrusted",
    "data",
    "devtools",
    "dict",
    "edge",
    "feed",
    "file",
    "filesystem",
    "ftp",
    "ftps",
    "gopher",
    "hcp",
    "http+unix",
    "intent",
    "irc",
    "itms-services",
    "jar",
    "javascript",
    "ldap",
    "ldaps",
    "livescript",
    "localhost",
    "mailto",
    "mhtml",
    "microsoft-edge",
    "mocha",
    "moz-extension",
    "ms-appinstaller",
    "ms-msdt",
    "ms-settings",
    "news",
    "nfs",
    "nntp",
    "res",
    "resource",
    "rtsp",
    "search",
    "search-ms",
    "sftp",
    "shell",
    "smb",
    "sms",
    "ssh",
    "tag",
    "tel",
    "telnet",
    "urn",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

impl RedirectUri {
    pub const MAX_BYTES: usize = 2048;

    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        Self::read(text, Uri::parse)
    }

    /// Reads a URI that was registered before, or that has to match a registered one. Earlier
    /// versions accepted spellings that are refused now, such as `https://App.example:443/cb`, and
    /// the users of such a client must not be locked out. A loopback port may be that of the scheme.
    pub fn parse_any_spelling(text: &str) -> Result<Self, RedirectUriError> {
        Self::read(text, Uri::parse_any_spelling)
    }

    fn read(
        text: &str,
        parse: fn(&str) -> Result<Uri, UriSyntaxError>,
    ) -> Result<Self, RedirectUriError> {
        check_length(text)?;
        check_no_fragment(text)?;
        check_scheme(text)?;
        let uri = parse(text)?;
        if uri.host_text().contains('*') {
            return Err(RedirectUriError::Wildcard);
        }
        let kind = match uri.scheme() {
            "https" => kind_of_https(uri.host()?),
            "http" => kind_of_http(&uri)?,
            _ => RedirectKind::PrivateUse,
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub const fn kind(&self) -> RedirectKind {
        self.kind
    }

    pub fn scheme(&self) -> &str {
        self.text.split(':').next().unwrap_or_default()
    }

    /// Whether an authorization request may use `requested` if this URI is registered. The bytes
    /// must be equal, except for the port of an `http` loopback address (RFC 8252 section 7.3).
    pub fn matches(&self, requested: &str) -> bool {
        self.text == requested
            || self.around_port().is_some_and(|registered| {
                Self::parse_any_spelling(requested)
                    .is_ok_and(|requested| requested.around_port() == Some(registered))
            })
    }

    /// Whether a request may use a different port.
    pub fn has_free_port(&self) -> bool {
        self.around_port().is_some()
    }

    /// Removes the port of an `http` loopback address. All other URIs are returned unchanged.
    pub fn without_loopback_port(&self) -> Cow<'_, str> {
        match self.around_port() {
            Some((before, after)) if before.len() + after.len() < self.text.len() => {
                Cow::Owned([before, after].concat())
            }
            _ => Cow::Borrowed(&self.text),
        }
    }

    /// Returns `http://localhost` and `/callback` for `http://localhost:8080/callback`. `None` if
    /// the port must match.
    fn around_port(&self) -> Option<(&str, &str)> {
        const BEFORE_HOST: &str = "http://";
        let from_host = self.text.strip_prefix(BEFORE_HOST)?;
        let host = LOOPBACK_HOSTS.iter().find(|host| from_host.starts_with(**host))?;
        let (before_port, rest) = self.text.split_at_checked(BEFORE_HOST.len() + host.len())?;
        let after_port = match rest.strip_prefix(':') {
            Some(port) => port.trim_start_matches(|digit: char| digit.is_ascii_digit()),
            None => rest,
        };
        Some((before_port, after_port))
    }
}

/// This is the first check, so that the later ones read a limited text.
fn check_length(text: &str) -> Result<(), RedirectUriError> {
    match text.len() {
        0 => Err(RedirectUriError::Empty),
        1..=RedirectUri::MAX_BYTES => Ok(()),
        _ => Err(RedirectUriError::TooLong),
    }
}

/// RFC 6749 section 3.1.2. An empty fragment is a fragment too.
fn check_no_fragment(text: &str) -> Result<(), RedirectUriError> {
    if text.contains('#') { Err(RedirectUriError::Fragment) } else { Ok(()) }
}

/// RFC 8252 section 7.1. Its advice of a dot in a private-use scheme is not enforced, because
/// well-known editors do not follow it. This check is first, so that a denied scheme is named as
/// the problem in any spelling.
fn check_scheme(text: &str) -> Result<(), RedirectUriError> {
    let Some((scheme, after_scheme)) = text.split_once(':') else { return Ok(()) };
    if DENIED_SCHEMES.iter().any(|denied| scheme.eq_ignore_ascii_case(denied)) {
        return Err(RedirectUriError::DeniedScheme);
    }
    let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    if after_scheme.is_empty() && !is_web {
        return Err(RedirectUriError::NothingAfterScheme);
    }
    Ok(())
}

/// RFC 8252 section 7.2.
fn kind_of_https(host: Host<'_>) -> RedirectKind {
    match host.known_address().and_then(address::kind_of) {
        // The unspecified address connects to this machine too.
        Some(AddressKind::Loopback | AddressKind::Unspecified) => RedirectKind::Loopback,
        _ => RedirectKind::Https,
    }
}

/// RFC 8252 sections 7.3 and 8.3.
fn kind_of_http(uri: &Uri) -> Result<RedirectKind, RedirectUriError> {
    uri.host()?;
    if uri.is_http_on_loopback() {
        Ok(RedirectKind::Loopback)
    } else {
        Err(RedirectUriError::HttpBeyondLoopback)
    }
}

impl Serialize for RedirectUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redirect(text: &str) -> RedirectUri {
        RedirectUri::parse(text).expect("a redirect URI")
    }

    #[test]
    fn valid_redirect_uris_are_accepted_with_their_kind() {
        let cases = [
            ("https://example.com/oauth/callback", RedirectKind::Https),
            ("https://example.com", RedirectKind::Https),
            ("https://example.com?a=b*&c=%2F", RedirectKind::Https),
            ("https://example.com:8443/a@b/*", RedirectKind::Https),
            ("https://[2001:db8::1]:8443/cb", RedirectKind::Https),
            ("https://192.0.2.1/cb", RedirectKind::Https),
            ("https://localhost.example/cb", RedirectKind::Https),
            ("https://example.com/?at=//localhost", RedirectKind::Https),
            ("https://127.0.0.1.example.com/cb", RedirectKind::Https),
            ("https://localhost/cb", RedirectKind::Loopback),
            ("https://localhost:8443", RedirectKind::Loopback),
            ("https://app.localhost/cb", RedirectKind::Loopback),
            ("https://127.0.0.1:8443/cb", RedirectKind::Loopback),
            ("https://127.0.0.2/cb", RedirectKind::Loopback),
            ("https://0.0.0.0/cb", RedirectKind::Loopback),
            ("https://10.0.0.1/cb", RedirectKind::Https),
            ("https://[::1]:8443/cb", RedirectKind::Loopback),
            ("https://[::1]/cb", RedirectKind::Loopback),
            ("https://[::ffff:7f00:1]/cb", RedirectKind::Loopback),
            ("http://127.0.0.1/", RedirectKind::Loopback),
            ("http://127.0.0.1:33418/", RedirectKind::Loopback),
            ("http://[::1]:1/cb", RedirectKind::Loopback),
            ("http://localhost", RedirectKind::Loopback),
            ("http://localhost:65535/callback?x=1", RedirectKind::Loopback),
            ("cursor://anysphere.cursor-mcp/oauth/callback", RedirectKind::PrivateUse),
            ("vscode://vscode.github-authentication/did-authenticate", RedirectKind::PrivateUse),
            ("com.example.app:/callback", RedirectKind::PrivateUse),
            ("com.example.app:callback@home", RedirectKind::PrivateUse),
            ("myapp://", RedirectKind::PrivateUse),
        ];
        for (text, kind) in cases {
            assert_eq!(
                RedirectUri::parse(text).map(|uri| (uri.to_string(), uri.kind())),
                Ok((text.to_owned(), kind))
            );
        }
    }

    #[test]
    fn invalid_redirect_uris_are_refused_with_a_reason() {
        use RedirectUriError as Error;
        let cases = [
            ("", Error::Empty),
            ("https://example.com/#", Error::Fragment),
            ("https://example.com/cb#token", Error::Fragment),
            ("com.example.app:/cb#", Error::Fragment),
            ("https://example.com/ cb", Error::Syntax(UriSyntaxError::ForbiddenCharacter)),
            (" https://example.com/cb", Error::Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://example.com/cb\n", Error::Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("ht\ttps://example.com/cb", Error::Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https:\\\\example.com/cb", Error::Syntax(UriSyntaxError::ForbiddenCharacter)),
            (
                "https://example.com\\@evil.example/",
                Error::Syntax(UriSyntaxError::ForbiddenCharacter),
            ),
            ("https://bücher.example/cb", Error::Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://example.com/<script>", Error::Syntax(UriSyntaxError::ForbiddenCharacter)),
            ("https://example.com/%zz", Error::Syntax(UriSyntaxError::BadPercentEncoding)),
            ("/callback", Error::Syntax(UriSyntaxError::NoScheme)),
            ("example.com/callback", Error::Syntax(UriSyntaxError::NoScheme)),
            ("https:/example.com/cb", Error::Syntax(UriSyntaxError::NoHost)),
            ("https:example.com/cb", Error::Syntax(UriSyntaxError::NoHost)),
            ("https:///cb", Error::Syntax(UriSyntaxError::NoHost)),
            ("https://good.example@evil.example/", Error::Syntax(UriSyntaxError::UserInfo)),
            ("http://localhost@evil.example/", Error::Syntax(UriSyntaxError::UserInfo)),
            ("http://localhost:80@evil.example/", Error::Syntax(UriSyntaxError::UserInfo)),
            ("cursor://user@host/cb", Error::Syntax(UriSyntaxError::UserInfo)),
            ("https://*.example.com/cb", Error::Wildcard),
            ("cursor://*/cb", Error::Wildcard),
            ("https://example.com:0/cb", Error::Syntax(UriSyntaxError::BadPort)),
            ("http://localhost:/cb", Error::Syntax(UriSyntaxError::BadPort)),
            ("http://example.com/cb", Error::HttpBeyondLoopback),
            ("http://0.0.0.0/cb", Error::HttpBeyondLoopback),
            ("http://127.0.0.2/cb", Error::HttpBeyondLoopback),
            ("http://LOCALHOST/cb", Error::Syntax(UriSyntaxError::Uppercase)),
            ("HTTP://localhost/cb", Error::Syntax(UriSyntaxError::Uppercase)),
            ("HTTPS://EXAMPLE.com/cb", Error::Syntax(UriSyntaxError::Uppercase)),
            ("HTTPS://LocalHost/cb", Error::Syntax(UriSyntaxError::Uppercase)),
            ("Cursor://host/cb", Error::Syntax(UriSyntaxError::Uppercase)),
            ("https://example.com:443/cb", Error::Syntax(UriSyntaxError::DefaultPort)),
            ("http://localhost:80/cb", Error::Syntax(UriSyntaxError::DefaultPort)),
            ("https://example.com/a/../cb", Error::Syntax(UriSyntaxError::DotSegments)),
            ("cursor://host/./cb", Error::Syntax(UriSyntaxError::DotSegments)),
            ("https://example.com/cb?a='b'", Error::Syntax(UriSyntaxError::Apostrophe)),
            ("https://[0:0:0:0:0:0:0:1]/cb", Error::Syntax(UriSyntaxError::AddressNotation)),
            ("https://[::ffff:127.0.0.1]/cb", Error::Syntax(UriSyntaxError::AddressNotation)),
            ("http://x.localhost/cb", Error::HttpBeyondLoopback),
            ("http://localhost.evil.example/cb", Error::HttpBeyondLoopback),
            ("http://127.0.0.1.evil.example/cb", Error::HttpBeyondLoopback),
            ("http://[::ffff:7f00:1]/cb", Error::HttpBeyondLoopback),
            ("http://[0:0:0:0:0:0:0:1]/cb", Error::Syntax(UriSyntaxError::AddressNotation)),
            ("http://[::ffff:127.0.0.1]/cb", Error::Syntax(UriSyntaxError::AddressNotation)),
            ("http://localhost./cb", Error::Syntax(UriSyntaxError::BadHost)),
            ("http://2130706433/cb", Error::Syntax(UriSyntaxError::BadHost)),
            ("http://0177.0.0.1/cb", Error::Syntax(UriSyntaxError::BadHost)),
            ("http://127.1/cb", Error::Syntax(UriSyntaxError::BadHost)),
            ("com.example.app:", Error::NothingAfterScheme),
        ];
        for (text, expected) in cases {
            assert_eq!(RedirectUri::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_stored_uri_is_read_in_any_spelling_that_earlier_versions_accepted() {
        let cases = [
            ("HTTPS://App.Example/cb", RedirectKind::Https),
            ("https://app.example:443/cb", RedirectKind::Https),
            ("https://app.example:08443/cb", RedirectKind::Https),
            ("https://app.example/a/../cb?a='b'", RedirectKind::Https),
            ("https://[2001:db8:0::1]/cb", RedirectKind::Https),
            ("https://[::ffff:127.0.0.1]/cb", RedirectKind::Loopback),
            ("HTTPS://LocalHost/cb", RedirectKind::Loopback),
            ("HTTP://localhost/cb", RedirectKind::Loopback),
            ("http://localhost:80/cb", RedirectKind::Loopback),
            ("com.Example.App:/cb", RedirectKind::PrivateUse),
        ];
        for (text, kind) in cases {
            let uri = RedirectUri::parse_any_spelling(text).expect(text);

            assert_eq!((uri.as_str(), uri.kind()), (text, kind));
            assert!(uri.matches(text) && RedirectUri::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_stored_uri_that_is_dangerous_is_refused() {
        for text in [
            "JavaScript:alert(1)",
            "https://good.example@evil.example/",
            "https://*.example.com/cb",
            "https://127.1/cb",
            "HTTP://example.com/cb",
            "http://x.localhost/cb",
            "https://example.com/cb#x",
            "https:/example.com/cb",
        ] {
            assert!(RedirectUri::parse_any_spelling(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_denied_scheme_is_refused_in_any_case() {
        for scheme in DENIED_SCHEMES {
            for text in [
                format!("{scheme}:x"),
                format!("{scheme}://host/cb"),
                format!("{}:x", scheme.to_uppercase()),
            ] {
                assert_eq!(
                    RedirectUri::parse(&text),
                    Err(RedirectUriError::DeniedScheme),
                    "{text}"
                );
            }
            assert!(
                RedirectUri::parse(&format!("{scheme}.example:x")).is_ok(),
                "{scheme} denies only itself"
            );
        }
    }

    #[test]
    fn dangerous_schemes_are_denied() {
        let expected = "javascript data vbscript file blob about filesystem view-source chrome chrome-extension resource \
                        jar intent ms-settings ms-appinstaller search-ms shell mailto tel sms urn tag ftp ftps sftp ws \
                        wss ldap ldaps gopher ssh telnet irc news nntp dict localhost afp chrome-devtools \
                        chrome-search chrome-untrusted devtools edge feed hcp http+unix itms-services livescript mhtml \
                        microsoft-edge mocha moz-extension ms-msdt nfs res rtsp search smb";
        let mut expected: Vec<_> = expected.split_whitespace().collect();
        expected.sort_unstable();

        assert_eq!(DENIED_SCHEMES.to_vec(), expected);
    }

    #[test]
    fn length_is_counted_in_bytes() {
        let longest = format!("https://example.com/{}", "x".repeat(RedirectUri::MAX_BYTES - 20));

        assert_eq!(RedirectUri::parse(&longest).map(|uri| uri.as_str().len()), Ok(2048));
        assert_eq!(RedirectUri::parse(&format!("{longest}x")), Err(RedirectUriError::TooLong));
    }

    #[test]
    fn only_the_port_of_an_http_loopback_address_may_differ() {
        let cases = [
            ("http://localhost:3118/cb", "http://localhost:3118/cb", true),
            ("http://localhost:3118/cb", "http://localhost:49152/cb", true),
            ("http://localhost:3118/cb", "http://localhost/cb", true),
            ("http://localhost/cb", "http://localhost:3118/cb", true),
            ("http://127.0.0.1/", "http://127.0.0.1:33418/", true),
            ("http://[::1]:1/cb?a=1", "http://[::1]:2/cb?a=1", true),
            ("http://localhost", "http://localhost:1", true),
            ("http://localhost/cb", "http://localhost:80/cb", true),
            ("http://localhost:1/cb", "http://localhost:2/cb/", false),
            ("http://localhost:1/cb", "http://localhost:2/CB", false),
            ("http://localhost:1/cb", "http://localhost:2/cb?x", false),
            ("http://localhost:1/cb", "http://localhost:2/cb#", false),
            ("http://localhost:1/cb", "http://localhost:0/cb", false),
            ("http://localhost:1/cb", "http://localhost:/cb", false),
            ("http://localhost:1/cb", "http://localhost:99999/cb", false),
            ("http://localhost:1/cb", "http://localhost:2@evil.example/cb", false),
            ("http://localhost:1/cb", "http://localhost.evil.example:1/cb", false),
            ("http://localhost:1/cb", "http://127.0.0.1:1/cb", false),
            ("http://127.0.0.1:1/cb", "http://[::1]:1/cb", false),
            ("http://localhost:1/cb", "https://localhost:1/cb", false),
            ("http://localhost:1/cb", "HTTP://localhost:2/cb", false),
            ("https://localhost:1/cb", "https://localhost:2/cb", false),
            ("https://127.0.0.1:1/cb", "https://127.0.0.1/cb", false),
            ("https://[::1]/cb", "https://[::1]:2/cb", false),
            ("https://localhost:1/cb", "https://localhost:1/cb", true),
            ("https://example.com/cb", "https://example.com:443/cb", false),
            ("https://example.com/cb", "https://example.com/cb", true),
            ("https://example.com/cb", "https://EXAMPLE.com/cb", false),
            ("https://example.com/a", "https://example.com/%61", false),
            ("cursor://host:1/cb", "cursor://host:2/cb", false),
            ("cursor://host:1/cb", "cursor://host:1/cb", true),
        ];
        for (registered, requested, expected) in cases {
            assert_eq!(
                redirect(registered).matches(requested),
                expected,
                "{registered} for {requested}"
            );
        }
    }

    #[test]
    fn the_port_is_removed_only_from_http_loopback_addresses() {
        let cases = [
            ("http://localhost:3118/cb?a=:9", "http://localhost/cb?a=:9"),
            ("http://127.0.0.1:1", "http://127.0.0.1"),
            ("http://[::1]:1/", "http://[::1]/"),
            ("http://[::1]/", "http://[::1]/"),
            ("https://localhost:3118/cb", "https://localhost:3118/cb"),
            ("https://127.0.0.1:3118/cb", "https://127.0.0.1:3118/cb"),
            ("https://[::1]:3118/cb", "https://[::1]:3118/cb"),
            ("cursor://host:1/cb", "cursor://host:1/cb"),
        ];
        for (text, expected) in cases {
            assert_eq!(redirect(text).without_loopback_port(), expected, "{text}");
        }
    }

    /// Text that is close to the grammar, so that many cases are accepted.
    fn nearly_a_redirect() -> impl Strategy<Value = String> {
        let scheme = prop_oneof![
            "https",
            "http",
            "HTTP",
            "cursor",
            "[a-zA-Z][a-z0-9+.-]{0,8}",
            "javascript"
        ];
        let authority = prop_oneof![
            "//(localhost|127[.]0[.]0[.]1|\\[::1\\])(:[0-9]{0,5})?",
            "//[a-z0-9.*@:\\[\\]-]{0,20}",
            "/{0,3}",
        ];
        (scheme, authority, "[/?][!-~]{0,20}|\\PC{0,8}")
            .prop_map(|(scheme, authority, rest)| format!("{scheme}:{authority}{rest}"))
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*|[\\x00-\\x7f]{0,60}") {
            let _ = RedirectUri::parse(&text);
        }

        #[test]
        fn an_accepted_uri_keeps_its_bytes_and_has_no_misleading_parts(text in nearly_a_redirect()) {
            if let Ok(uri) = RedirectUri::parse(&text) {
                prop_assert_eq!(uri.as_str(), &text);
                prop_assert_eq!(&RedirectUri::parse(uri.as_str()), &Ok(uri.clone()));
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
                let url = url::Url::parse(&text).expect("a URL");
                prop_assert!(url.as_str() == text || url.as_str().len() == text.len() + 1 && url.path() == "/");
                prop_assert!(url.username().is_empty() && !url.host_str().unwrap_or_default().contains('*'));
            }
        }

        #[test]
        fn a_redirect_matches_itself_and_every_port_only_on_loopback(text in nearly_a_redirect(), port in 1_u16..) {
            if let Ok(uri) = RedirectUri::parse(&text) {
                let portless = uri.without_loopback_port();
                let again = redirect(&portless);
                prop_assert!(uri.matches(&text) && uri.matches(&portless));
                prop_assert_eq!(again.without_loopback_port(), portless.as_ref());
                match uri.around_port() {
                    Some((before, after)) => prop_assert!(uri.matches(&[before, ":", &port.to_string(), after].concat())),
                    None => prop_assert_eq!(portless, text),
                }
            }
        }
    }
}
