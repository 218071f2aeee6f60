//! The URIs of a client's own pages (RFC 7591 section 2). They are shown to users as links and
//! never fetched.
//!
//! Anyone can register a client, so the URIs of its logo and its keys must be safe to fetch in the
//! future: https, and not an address in a private network (RFC 7591 section 5).

use std::fmt;

use serde::Serialize;

use crate::syntax::uri::{Uri, UriSyntaxError};

/// `client_uri`, `policy_uri`, `tos_uri`: http or https.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct WebUri(String);

/// `logo_uri`, `jwks_uri`: https, and not on a literal private address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PublicHttpsUri(String);

/// Why a text is not a valid URI: the problem, a colon, and the remedy. Messages are constant, so
/// they never quote the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebUriError {
    #[error("is longer than 1000 characters: shorten it")]
    TooLong,
    #[error(transparent)]
    Syntax(#[from] UriSyntaxError),
    #[error("is not a web address: use https")]
    NotWeb,
    #[error("does not use https: use https")]
    NotHttps,
    #[error("names an address that is not on the public internet: use a public host")]
    PrivateAddress,
}

const MAX_LENGTH: usize = 1000;

impl WebUri {
    pub fn parse(text: &str) -> Result<Self, WebUriError> {
        let uri = read(text)?;
        uri.host()?;
        matches!(uri.scheme(), "https" | "http")
            .then(|| Self(text.to_owned()))
            .ok_or(WebUriError::NotWeb)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PublicHttpsUri {
    pub fn parse(text: &str) -> Result<Self, WebUriError> {
        let uri = read(text)?;
        let host = uri.host()?;
        if uri.scheme() != "https" {
            return Err(WebUriError::NotHttps);
        }
        if host.is_private_address() {
            return Err(WebUriError::PrivateAddress);
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Parses a text of limited length, with or without a fragment.
fn read(text: &str) -> Result<Uri, WebUriError> {
    // Counting bytes is enough: a URI with characters that are not ASCII is refused in any case.
    if text.len() > MAX_LENGTH {
        return Err(WebUriError::TooLong);
    }
    Ok(Uri::parse(text)?)
}

impl fmt::Display for WebUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for PublicHttpsUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn web(text: &str) -> Result<String, WebUriError> {
        WebUri::parse(text).map(|uri| uri.to_string())
    }

    fn public_https(text: &str) -> Result<String, WebUriError> {
        PublicHttpsUri::parse(text).map(|uri| uri.to_string())
    }

    #[test]
    fn pages_use_http_or_https_and_logos_and_keys_use_public_https() {
        let same = |text: &str| Ok(text.to_owned());
        let cases = [
            ("https://example.com", same("https://example.com"), same("https://example.com")),
            (
                "https://example.com/A#b",
                same("https://example.com/A#b"),
                same("https://example.com/A#b"),
            ),
            (
                "https://8.8.8.8:8443/x",
                same("https://8.8.8.8:8443/x"),
                same("https://8.8.8.8:8443/x"),
            ),
            ("http://example.com/", same("http://example.com/"), Err(WebUriError::NotHttps)),
            ("http://localhost:3000", same("http://localhost:3000"), Err(WebUriError::NotHttps)),
            ("https://10.0.0.1/", same("https://10.0.0.1/"), Err(WebUriError::PrivateAddress)),
            ("https://100.64.0.1/", same("https://100.64.0.1/"), Err(WebUriError::PrivateAddress)),
            (
                "https://[64:ff9b::7f00:1]/",
                same("https://[64:ff9b::7f00:1]/"),
                Err(WebUriError::PrivateAddress),
            ),
            ("https://[::1]/k", same("https://[::1]/k"), Err(WebUriError::PrivateAddress)),
            (
                "https://169.254.169.254/",
                same("https://169.254.169.254/"),
                Err(WebUriError::PrivateAddress),
            ),
            (
                "javascript:alert(1)",
                Err(UriSyntaxError::NoHost.into()),
                Err(UriSyntaxError::NoHost.into()),
            ),
            ("ftp://example.com/", Err(WebUriError::NotWeb), Err(WebUriError::NotHttps)),
        ];
        for (text, as_page, as_logo) in cases {
            assert_eq!((web(text), public_https(text)), (as_page, as_logo), "{text}");
        }
    }

    #[test]
    fn an_invalid_uri_is_refused_by_both() {
        let cases = [
            ("", UriSyntaxError::NoScheme),
            ("example.com", UriSyntaxError::NoScheme),
            ("https:example.com", UriSyntaxError::NoHost),
            ("https://", UriSyntaxError::NoHost),
            ("https://#x", UriSyntaxError::NoHost),
            ("https://a@example.com/", UriSyntaxError::UserInfo),
            ("https://exa mple.com/", UriSyntaxError::ForbiddenCharacter),
            ("https://example.com/#a#b", UriSyntaxError::ForbiddenCharacter),
            ("https://example.com/#a\"b", UriSyntaxError::ForbiddenCharacter),
            ("https://example.com/\0", UriSyntaxError::ForbiddenCharacter),
            ("https://example.com/#%4", UriSyntaxError::BadPercentEncoding),
            ("https://0x7f.1/", UriSyntaxError::BadHost),
            ("https://example.com:0/", UriSyntaxError::BadPort),
            ("https://example.com:443/", UriSyntaxError::DefaultPort),
            ("HTTPS://example.com/A#b", UriSyntaxError::Uppercase),
            ("https://example.com/a/../b", UriSyntaxError::DotSegments),
        ];
        for (text, expected) in cases {
            let expected = WebUriError::Syntax(expected);
            assert_eq!((web(text), public_https(text)), (Err(expected), Err(expected)), "{text}");
        }
    }

    #[test]
    fn a_thousand_characters_are_accepted_and_one_more_is_refused() {
        let longest = format!("https://example.com/{}", "x".repeat(980));

        assert_eq!(web(&longest).map(|text| text.len()), Ok(1000));
        assert_eq!(public_https(&longest).map(|text| text.len()), Ok(1000));
        assert_eq!(web(&format!("{longest}x")), Err(WebUriError::TooLong));
        assert_eq!(public_https(&format!("{longest}x")), Err(WebUriError::TooLong));
    }

    proptest! {
        #[test]
        fn an_accepted_uri_is_unchanged_and_printable_ascii(text in "https?://[a-z0-9.:@-]{1,12}([/?#]\\PC{0,8})?") {
            if let Ok(uri) = WebUri::parse(&text) {
                prop_assert_eq!(uri.as_str(), &text);
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
                let url = url::Url::parse(&text).expect("a URL");
                prop_assert!(url.as_str().starts_with(text.split(['?', '#']).next().unwrap_or_default()));
            }
            if PublicHttpsUri::parse(&text).is_ok() {
                prop_assert!(WebUri::parse(&text).is_ok() && text.starts_with("https"));
            }
        }
    }
}
